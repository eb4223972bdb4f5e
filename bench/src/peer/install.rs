//! Installs the packages of the usual stack, once for each state of its lock file.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use flashsale_testbed::binaries;
use tokio::process::Command;

use crate::{
    arguments::{Part, RunArguments},
    error::BenchError,
};

/// Where it is: in the checkout that this program was built from.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/express-bullmq");

/// What is installed, beside the packages themselves: npm takes it away with them.
const NOTE: &str = "node_modules/.flashsale-installed";

/// The oldest major version of Node that its packages run on.
const OLDEST_NODE: u32 = 20;

/// Why it cannot be measured here.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Its files are not there.
    #[error("`{DIRECTORY}` is missing; build this program in the checkout that it is run in")]
    NoFiles,
    /// Node or npm is missing.
    #[error("no `{0}` here; install Node {OLDEST_NODE} or newer with npm")]
    NotInstalled(&'static str),
    /// Node is too old, or is none.
    #[error("`node --version` says `{0}`; install Node {OLDEST_NODE} or newer")]
    TooOld(String),
    /// Its packages could not be installed.
    #[error("`npm ci` failed in `{DIRECTORY}`; is the package registry in reach? It printed:\n{0}")]
    Packages(String),
}

/// The usual stack, ready to run.
#[derive(Debug, Clone)]
pub struct Installed {
    /// Node.
    pub node: PathBuf,
    /// Its directory.
    pub directory: PathBuf,
}

/// Installs it when this run measures it. A run that does not ask for it by name goes on without
/// where it cannot be had.
pub async fn prepare(arguments: &RunArguments) -> Result<Option<Installed>, BenchError> {
    let is_named = arguments.only.contains(&Part::Peer);
    if !arguments.wants(Part::Peer) || (arguments.quick && !is_named) {
        return Ok(None);
    }
    match install().await {
        Err(BenchError::Peer(reason)) if !is_named => {
            eprintln!("WARNING: the usual stack is left out: {reason}");
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

async fn install() -> Result<Installed, BenchError> {
    let directory = PathBuf::from(DIRECTORY);
    let locked = match fs::read_to_string(directory.join("package-lock.json")) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(PeerError::NoFiles)?,
        read => read.map_err(BenchError::file(&directory))?,
    };
    let node = program("node")?;
    let npm = program("npm")?;
    let version = output(Command::new(&node).arg("--version"), "node")
        .await?
        .1;
    if major_version(&version).is_none_or(|major| major < OLDEST_NODE) {
        Err(PeerError::TooOld(version.trim().to_owned()))?;
    }
    let installed = directory.join(NOTE);
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == locked) {
        return Ok(Installed { node, directory });
    }
    install_packages(&npm, &directory).await?;
    fs::write(&installed, locked).map_err(BenchError::file(&installed))?;
    Ok(Installed { node, directory })
}

async fn install_packages(npm: &Path, directory: &Path) -> Result<(), BenchError> {
    eprintln!("installing the packages of the usual stack");
    let mut command = Command::new(npm);
    // Its one native part comes prebuilt, so no package's own script has to run here.
    command
        .args([
            "ci",
            "--omit=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ])
        .current_dir(directory);
    let (succeeded, printed) = output(&mut command, "npm").await?;
    if succeeded {
        return Ok(());
    }
    Err(PeerError::Packages(printed))?
}

/// Whether it succeeded, and what it printed.
async fn output(
    command: &mut Command,
    program: &'static str,
) -> Result<(bool, String), BenchError> {
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| BenchError::Run { program, source })?;
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed += &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), printed))
}

fn program(name: &'static str) -> Result<PathBuf, PeerError> {
    binaries::on_path(name).ok_or(PeerError::NotInstalled(name))
}

/// 20 in `v20.19.2`.
fn major_version(text: &str) -> Option<u32> {
    text.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major_version("v20.19.2\n"), Some(20));
        assert_eq!(major_version("bash: node: not found"), None);
    }
}
