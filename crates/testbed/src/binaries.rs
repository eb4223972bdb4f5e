//! Where our own binaries and those of the system are.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Names a directory that holds `flashsale-gateway`, `flashsale-worker` and the like.
pub const BIN_DIR_VARIABLE: &str = "FLASHSALE_BIN_DIR";

/// Why one of our binaries was not found.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The path of the running program is unknown, so there is nothing to look beside.
    #[error("could not tell where this program is; name the directory in {BIN_DIR_VARIABLE}")]
    CurrentProgram(#[source] io::Error),
    /// No place that was searched has the binary.
    #[error(
        "`{name}` is not in {searched}: build it with `cargo build --bins` \
         or name its directory in {BIN_DIR_VARIABLE}"
    )]
    NotFound {
        /// The binary's file name.
        name: String,
        /// The directories that were searched, for the message.
        searched: String,
    },
}

/// Finds one of our own binaries, e.g. `flashsale-gateway`.
///
/// When `FLASHSALE_BIN_DIR` is set, only that directory counts: a stale binary beside the program
/// must not be taken in its stead. Otherwise the directory of the running program is searched,
/// then the one above it, where Cargo puts binaries while tests run in `deps/`.
pub fn find(name: &str) -> Result<PathBuf, BinaryError> {
    let program = env::current_exe().map_err(BinaryError::CurrentProgram)?;
    find_in(name, env::var_os(BIN_DIR_VARIABLE).as_deref(), &program)
}

fn find_in(name: &str, bin_dir: Option<&OsStr>, program: &Path) -> Result<PathBuf, BinaryError> {
    let directories: Vec<&Path> = match bin_dir {
        Some(directory) => vec![Path::new(directory)],
        None => program.ancestors().skip(1).take(2).collect(),
    };
    directories
        .iter()
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| BinaryError::NotFound {
            name: name.to_owned(),
            searched: directories
                .iter()
                .map(|directory| format!("`{}`", directory.display()))
                .collect::<Vec<_>>()
                .join(" or "),
        })
}

/// Finds a program of the system on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Finds a server's program: the file that the environment variable `variable` names where it is set,
/// e.g. to try another version, otherwise `name` on `PATH`.
pub(crate) fn server(name: &str, variable: &str) -> Option<PathBuf> {
    server_at(name, env::var_os(variable).map(PathBuf::from))
}

/// What is named must be taken: a run meant for one version must not silently be of another.
fn server_at(name: &str, named: Option<PathBuf>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path).filter(|path| is_executable(path)),
        None => on_path(name),
    }
}

/// Whether `path` is a file that somebody may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn executable(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn sibling_and_directory_above_are_searched() {
        let root = tempfile::tempdir().unwrap();
        let above = root.path().join("flashsale-worker");
        executable(&above);
        let test_program = root.path().join("deps/some-test");
        assert_eq!(
            find_in("flashsale-worker", None, &test_program).unwrap(),
            above
        );

        let sibling = root.path().join("deps/flashsale-worker");
        executable(&sibling);
        assert_eq!(
            find_in("flashsale-worker", None, &test_program).unwrap(),
            sibling
        );
    }

    #[test]
    fn named_directory_hides_siblings() {
        let root = tempfile::tempdir().unwrap();
        executable(&root.path().join("flashsale-worker"));
        let named = root.path().join("elsewhere");
        let program = root.path().join("flashsale");
        let error = find_in("flashsale-worker", Some(named.as_os_str()), &program).unwrap_err();
        assert!(error.to_string().contains("cargo build --bins"), "{error}");

        executable(&named.join("flashsale-worker"));
        let found = find_in("flashsale-worker", Some(named.as_os_str()), &program).unwrap();
        assert_eq!(found, named.join("flashsale-worker"));
    }

    #[test]
    fn a_server_that_is_named_is_not_replaced_by_one_on_the_path() {
        let root = tempfile::tempdir().unwrap();
        let named = root.path().join("valkey-server");
        assert!(on_path("sh").is_some());
        assert_eq!(server_at("sh", Some(named.clone())), None);
        executable(&named);
        assert_eq!(server_at("sh", Some(named.clone())), Some(named));
        assert_eq!(server_at("sh", None), on_path("sh"));
    }

    #[test]
    fn file_without_execute_permission_is_no_program() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("flashsale-worker"), "").unwrap();
        find_in("flashsale-worker", None, &root.path().join("flashsale")).unwrap_err();
    }
}
