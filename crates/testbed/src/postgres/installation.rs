//! Finding an installed PostgreSQL.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::binaries;

/// Names another `postgres` to start instead, with its other programs beside it: that of another
/// version.
pub const PROGRAM_VARIABLE: &str = "FLASHSALE_POSTGRES";

/// Where Debian and Ubuntu put each major version, off `PATH`.
const DISTRIBUTION_ROOT: &str = "/usr/lib/postgresql";

/// Why no PostgreSQL was found.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// Neither `PATH` nor the distribution's directory has one.
    #[error(
        "no PostgreSQL on PATH or in {DISTRIBUTION_ROOT}: install it with \
         `apt-get install postgresql`"
    )]
    NotFound,
    /// It is not where the environment says.
    #[error("{PROGRAM_VARIABLE} names `{}`, where `postgres` and `initdb` are not", .0.display())]
    NotThere(PathBuf),
    /// `postgres --version` could not be run.
    #[error("could not run `{program} --version`; reinstall PostgreSQL", program = .0.display())]
    Version(PathBuf, #[source] io::Error),
    /// `postgres --version` printed something unknown.
    #[error("`{program} --version` printed `{1}`, which names no version; reinstall PostgreSQL", program = .0.display())]
    UnknownVersion(PathBuf, String),
}

/// The programs of one PostgreSQL version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The directory with `postgres` and `initdb`.
    directory: PathBuf,
    /// Major version, e.g. 15. A data directory can be used by its own major version only.
    pub major: u32,
}

impl Installation {
    /// The installation that [`PROGRAM_VARIABLE`] names, otherwise the one on `PATH`, otherwise the
    /// newest one of the distribution.
    pub async fn find() -> Result<Self, InstallationError> {
        let directory = match env::var_os(PROGRAM_VARIABLE).map(PathBuf::from) {
            Some(program) => directory_of(&program).ok_or(InstallationError::NotThere(program))?,
            None => binaries::on_path("postgres")
                .and_then(|program| directory_of(&program))
                .or_else(|| newest_in(Path::new(DISTRIBUTION_ROOT)))
                .ok_or(InstallationError::NotFound)?,
        };
        let major = major_version(&directory.join("postgres")).await?;
        Ok(Self { directory, major })
    }

    /// A program of this version, e.g. `pg_dump`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The directory in which a program is really, if it has all that is needed.
fn directory_of(program: &Path) -> Option<PathBuf> {
    let program = program.canonicalize().ok()?;
    let directory = program.parent().map(Path::to_path_buf);
    directory.filter(|directory| is_complete(directory))
}

fn is_complete(directory: &Path) -> bool {
    ["postgres", "initdb"]
        .iter()
        .all(|program| binaries::is_executable(&directory.join(program)))
}

fn newest_in(root: &Path) -> Option<PathBuf> {
    fs::read_dir(root)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .filter(|(_, directory)| is_complete(directory))
        .max_by_key(|(major, _)| *major)
        .map(|(_, directory)| directory)
}

async fn major_version(program: &Path) -> Result<u32, InstallationError> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .await
        .map_err(|source| InstallationError::Version(program.to_path_buf(), source))?;
    let output = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    parse_major(&output)
        .ok_or_else(|| InstallationError::UnknownVersion(program.to_path_buf(), output))
}

/// The major version in e.g. `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or in
/// `postgres (PostgreSQL) 19beta1`.
fn parse_major(output: &str) -> Option<u32> {
    let version = output.strip_prefix("postgres (PostgreSQL) ")?;
    let end = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn major_version_is_read_from_releases_and_betas() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(parse_major(debian), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(parse_major("mysqld 8"), None);
    }

    #[test]
    fn newest_complete_version_wins_by_number() {
        let root = tempfile::tempdir().unwrap();
        for (major, programs) in [
            ("9", &["postgres", "initdb"][..]),
            ("15", &["postgres", "initdb"]),
            ("17", &["initdb"]),
        ] {
            let directory = root.path().join(major).join("bin");
            fs::create_dir_all(&directory).unwrap();
            for program in programs {
                fs::write(directory.join(program), "").unwrap();
                fs::set_permissions(directory.join(program), Permissions::from_mode(0o755))
                    .unwrap();
            }
        }
        assert_eq!(newest_in(root.path()), Some(root.path().join("15/bin")));
    }
}
