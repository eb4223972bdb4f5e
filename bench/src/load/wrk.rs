//! Load by wrk, over 64 connections or another number: as many buys as get answered in some
//! seconds, or an exact number of them.

use std::{fs, path::Path, time::Duration};

use flashsale_testbed::program::Program;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::process::Command;

use crate::{
    error::{self, Result, check},
    external,
};

const PROGRAM: &str = "wrk";

/// Connections, each with one request on its way at a time.
pub(crate) const CONNECTIONS: u32 = 64;

/// The longest that an exact number of buys may take: a million at a tenth of the speed there
/// should be.
const TIMEOUT: Duration = Duration::from_mins(10);

/// How buys of one product are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// A file of tokens, one a line, that the shoppers take in turn.
    pub(crate) tokens: Option<&'a Path>,
}

/// What wrk says at the end, as `buy.lua` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Load {
    pub(crate) requests: u32,
    duration_us: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    /// Answers of status 400 or more.
    status: u32,
    /// Connections that failed, and requests that were not answered within 2 s.
    socket: u32,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.requests) / (self.duration_us / 1e6)
    }

    /// Milliseconds within which half, 99 of 100 and 999 of 1,000 answers came, by the names of these
    /// quantiles.
    pub(crate) fn quantiles_ms(&self) -> [(&'static str, f64); 3] {
        let microseconds = [
            ("p50", self.p50_us),
            ("p99", self.p99_us),
            ("p99.9", self.p999_us),
        ];
        microseconds.map(|(name, value)| (name, value / 1e3))
    }
}

/// What wrk says when every buy was answered, as `exact.lua` prints it.
#[derive(Debug, PartialEq, Deserialize)]
struct Answered {
    answered: u32,
}

/// Says how to get wrk where it is missing, before any time is spent.
pub(crate) fn check_installed() -> Result<()> {
    external::installed(PROGRAM, PROGRAM).map(|_| ())
}

/// Sends buys of `product` by a script that is written to `directory`, each by another shopper; `run`
/// must differ from all runs before on the same sale. Any answer but a success is an error.
pub(crate) async fn run(
    directory: &Path,
    server: &Program,
    product: &str,
    run: u32,
    how: How<'_>,
) -> Result<Load> {
    let script = ("buy.lua", include_str!("buy.lua"));
    let mut wrk = command(directory, script, server, how.connections, how.seconds)?;
    wrk.args(["--latency", "--", &format!("r{run}"), product]);
    let load: Load = external::figure(PROGRAM, wrk.args(how.tokens), parse).await?;
    let (refused, failed, all) = (load.status, load.socket, load.requests);
    check!(
        refused == 0 && failed == 0,
        "of {all} buys {refused} were not answered 200 and {failed} not at all"
    )?;
    Ok(load)
}

/// Sends exactly `buys` buys, each of another shopper, spread over as many products, whose names are
/// `prefix` and their index; `run` must differ from all runs before on the same sale. Returns when
/// each was answered. Whether they were taken is for the caller to count: answers are not read,
/// which would cost as much as sending.
pub(crate) async fn run_exact(
    directory: &Path,
    server: &Program,
    (prefix, products): (&str, u32),
    run: u32,
    buys: u32,
) -> Result<()> {
    let script = ("exact.lua", include_str!("exact.lua"));
    let most = u32::try_from(TIMEOUT.as_secs())?;
    let mut wrk = command(directory, script, server, CONNECTIONS, most)?;
    wrk.args(["--", &run.to_string(), prefix])
        .args([products, buys, CONNECTIONS].map(|number| number.to_string()));
    let Answered { answered } = external::figure(PROGRAM, &mut wrk, parse).await?;
    check!(answered == buys, "{answered} of {buys} buys were answered")
}

/// One thread, or the two cores would be spent on loading.
fn command(
    directory: &Path,
    (name, script): (&str, &str),
    server: &Program,
    connections: u32,
    seconds: u32,
) -> Result<Command> {
    let file = directory.join(name);
    fs::write(&file, script).map_err(error::file(&file))?;
    let mut command = Command::new(external::installed(PROGRAM, PROGRAM)?);
    command
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(&file)
        .arg(format!("{}/buy", server.url()));
    Ok(command)
}

/// The scripts' one line among those of wrk.
fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    let line = text.lines().find(|line| line.starts_with('{'))?;
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_last_line_of_the_scripts() {
        let text = "Running 5s test\n{\"requests\":100000,\"duration_us\":5000000,\"p50_us\":2900,\
                    \"p99_us\":7100,\"p999_us\":9000,\"status\":0,\"socket\":0}\n";
        let load: Load = parse(text).unwrap();
        assert!((load.rate() - 20_000.0).abs() < 0.001);
        assert!((load.quantiles_ms()[0].1 - 2.9).abs() < 0.001);
        assert_eq!(parse::<Load>("unable to connect"), None);
        let text = "Running 10m test @ http://127.0.0.1:1/buy\n{\"answered\":100000}\n";
        assert_eq!(parse(text), Some(Answered { answered: 100_000 }));
    }
}
