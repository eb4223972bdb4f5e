//! Load by wrk: as many requests as 64 connections, or another number, get answered.

use std::{net::SocketAddr, path::Path, process::Output};

use flashsale_testbed::binaries;
use serde::Deserialize;
use tokio::process::Command;

use crate::{error::BenchError, stores::Stores};

/// The program, for messages.
const PROGRAM: &str = "wrk";

/// Makes the requests.
const SCRIPT: &str = include_str!("wrk/buy.lua");

/// Threads that load: one, or the two cores would be spent on loading.
const THREADS: &str = "1";

/// Connections, each with one request on its way at a time.
pub const CONNECTIONS: u32 = 64;

/// What wrk says at the end, as `wrk/buy.lua` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Load {
    /// Requests answered.
    pub requests: u32,
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
    /// Requests answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.requests) / (self.duration_us / 1e6)
    }

    /// Milliseconds within which half of the answers came.
    #[must_use]
    pub fn median_ms(&self) -> f64 {
        self.p50_us / 1e3
    }

    /// Milliseconds within which 99 of 100 answers came.
    #[must_use]
    pub fn percentile99_ms(&self) -> f64 {
        self.p99_us / 1e3
    }

    /// Milliseconds within which 999 of 1,000 answers came.
    #[must_use]
    pub fn percentile999_ms(&self) -> f64 {
        self.p999_us / 1e3
    }
}

/// Says how to get wrk where it is missing, before any time is spent.
pub fn check_installed() -> Result<(), BenchError> {
    program().map(|_| ())
}

/// Where it is installed.
pub(crate) fn program() -> Result<std::path::PathBuf, BenchError> {
    binaries::on_path(PROGRAM).ok_or(BenchError::NotInstalled {
        program: PROGRAM,
        package: PROGRAM,
    })
}

/// Sends buys of `product` to `address` for some seconds, each by another shopper; `run` must
/// differ from all runs before on the same sale. Any answer but a success is an error.
pub async fn run(
    stores: &Stores,
    address: SocketAddr,
    product: &str,
    run: u32,
    seconds: u32,
) -> Result<Load, BenchError> {
    run_over(CONNECTIONS, stores, address, product, run, seconds).await
}

/// The same over another number of connections.
pub async fn run_over(
    connections: u32,
    stores: &Stores,
    address: SocketAddr,
    product: &str,
    run: u32,
    seconds: u32,
) -> Result<Load, BenchError> {
    load(
        connections,
        None,
        stores,
        address,
        [product, &name(run)],
        seconds,
    )
    .await
}

/// What the keys and shoppers of a run begin with.
pub(crate) fn name(run: u32) -> String {
    format!("r{run}")
}

/// The same of one product and one run, which [`name`] names, with the tokens of a file, one a line, in
/// turn where there is one.
pub(crate) async fn load(
    connections: u32,
    tokens: Option<&Path>,
    stores: &Stores,
    address: SocketAddr,
    [product, run]: [&str; 2],
    seconds: u32,
) -> Result<Load, BenchError> {
    let script = stores.data_dir.path().join("buy.lua");
    std::fs::write(&script, SCRIPT).map_err(BenchError::file(&script))?;
    let output = Command::new(program()?)
        .args([
            "--threads",
            THREADS,
            "--connections",
            &connections.to_string(),
            "--latency",
        ])
        .arg("--script")
        .arg(&script)
        .args(["--duration", &format!("{seconds}s")])
        .arg(format!("http://{address}/buy"))
        .args(["--", run, product])
        .args(tokens)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| BenchError::Run {
            program: PROGRAM,
            source,
        })?;
    let load = read(&output)?;
    if load.status > 0 || load.socket > 0 {
        let (refused, failed, all) = (load.status, load.socket, load.requests);
        let text = format!("of {all} buys {refused} were not answered 200 and {failed} not at all");
        return Err(BenchError::Wrong(text));
    }
    Ok(load)
}

fn read(output: &Output) -> Result<Load, BenchError> {
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text)
        .filter(|_| output.status.success())
        .ok_or_else(|| BenchError::Program {
            program: PROGRAM,
            output: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
        })
}

fn parse(text: &str) -> Option<Load> {
    let line = text.lines().find(|line| line.starts_with('{'))?;
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_last_line_of_the_script() {
        let text = "Running 5s test\n{\"requests\":100000,\"duration_us\":5000000,\"p50_us\":2900,\
                    \"p99_us\":7100,\"p999_us\":9000,\"status\":0,\"socket\":0}\n";
        let load = parse(text).unwrap();
        assert!((load.rate() - 20_000.0).abs() < 0.001);
        assert!((load.median_ms() - 2.9).abs() < 0.001);
        assert_eq!(parse("unable to connect"), None);
    }
}
