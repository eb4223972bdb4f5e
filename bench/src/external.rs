//! Programs of the system that measure something or are needed for it.

use std::path::PathBuf;

use flashsale_testbed::binaries;
use tokio::process::Command;

use crate::error::Result;

/// Where `program` is, of that package of Debian.
pub(crate) fn installed(program: &str, package: &str) -> Result<PathBuf> {
    let missing = || format!("no `{program}` here: install it with `apt-get install {package}`");
    Ok(binaries::on_path(program).ok_or_else(missing)?)
}

/// Runs `command` to its end; answers whether it succeeded, what it said, and what it complained of.
pub(crate) async fn run(program: &str, command: &mut Command) -> Result<(bool, String, String)> {
    let output = command.kill_on_drop(true).output().await;
    let output =
        output.map_err(|error| format!("could not run `{program}`: {error}; reinstall it"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    ))
}

/// Runs `command` to its end; answers what `read` finds in what it said.
pub(crate) async fn figure<T>(
    program: &str,
    command: &mut Command,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T> {
    let (succeeded, said, complained) = run(program, command).await?;
    let figure = read(&said).filter(|_| succeeded);
    let none = || format!("`{program}` gave no figure; it printed:\n{said}{complained}");
    Ok(figure.ok_or_else(none)?)
}
