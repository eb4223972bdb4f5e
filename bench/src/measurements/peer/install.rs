//! Installs the packages of the usual stack, once for each state of its lock file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flashsale_testbed::binaries;
use tokio::process::Command;

use crate::{
    arguments::{Part, RunArguments},
    error::{self, Result},
    external,
};

/// Where it is: in the checkout that this program was built from.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/express-bullmq");

/// What is installed, beside the packages themselves: npm takes it away with them.
const NOTE: &str = "node_modules/.flashsale-installed";

/// The oldest major version of Node that its packages run on.
const OLDEST_NODE: u32 = 20;

/// The usual stack, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(super) node: PathBuf,
    pub(super) directory: PathBuf,
}

/// Installs it when this run measures it. A run that does not ask for it by name goes on without
/// where it cannot be had.
pub(crate) async fn prepare(arguments: &RunArguments) -> Result<Option<Installed>> {
    let is_named = arguments.only.contains(&Part::Peer);
    if !arguments.wants(Part::Peer) || (arguments.quick && !is_named) {
        return Ok(None);
    }
    match install().await {
        Ok(installed) => Ok(Some(installed)),
        Err(error) if is_named => {
            Err(format!("the usual stack cannot be measured: {error}").into())
        }
        Err(error) => {
            eprintln!("WARNING: the usual stack is left out: {error}");
            Ok(None)
        }
    }
}

async fn install() -> Result<Installed> {
    let directory = PathBuf::from(DIRECTORY);
    let lock_file = fs::read_to_string(directory.join("package-lock.json"));
    let locked = lock_file.map_err(|error| {
        format!(
            "could not read the packages of `{DIRECTORY}` ({error}); build this program in the \
             checkout that it is run in"
        )
    })?;
    let (node, npm) = (program("node")?, program("npm")?);
    let mut ask = Command::new(&node);
    let (_, version, complaint) = external::run("node", ask.arg("--version")).await?;
    if major_version(&version).is_none_or(|major| major < OLDEST_NODE) {
        let said = (version + &complaint).trim().to_owned();
        Err(format!(
            "`node --version` says `{said}`; install Node {OLDEST_NODE} or newer"
        ))?;
    }
    let installed = directory.join(NOTE);
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == locked) {
        return Ok(Installed { node, directory });
    }
    install_packages(&npm, &directory).await?;
    fs::write(&installed, locked).map_err(error::file(&installed))?;
    Ok(Installed { node, directory })
}

async fn install_packages(npm: &Path, directory: &Path) -> Result<()> {
    eprintln!("installing the packages of the usual stack");
    let mut command = Command::new(npm);
    // Its one native part comes prebuilt, so no package's own script has to run here.
    command
        .args(["ci", "--omit=dev", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund"])
        .current_dir(directory);
    let (succeeded, said, complained) = external::run("npm", &mut command).await?;
    if !succeeded {
        Err(format!(
            "`npm ci` failed in `{DIRECTORY}`; is the package registry in reach? It printed:\n\
             {said}{complained}"
        ))?;
    }
    Ok(())
}

fn program(name: &str) -> Result<PathBuf> {
    let missing = || format!("no `{name}` here; install Node {OLDEST_NODE} or newer with npm");
    Ok(binaries::on_path(name).ok_or_else(missing)?)
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
