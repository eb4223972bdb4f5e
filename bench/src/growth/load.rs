//! Load of an exact number of buys, over HTTP, spread over the products of a sale.

use std::{net::SocketAddr, process::Output, time::Duration};

use serde::Deserialize;
use tokio::process::Command;

use crate::{
    error::BenchError,
    shop::product_prefix,
    stores::Stores,
    wrk::{self, CONNECTIONS},
};

/// The program, for messages.
const PROGRAM: &str = "wrk";

/// Makes the requests and counts them.
const SCRIPT: &str = include_str!("load.lua");

/// The longest that a load may take: a million buys at a tenth of the speed there should be.
const PATIENCE: Duration = Duration::from_mins(10);

/// What the script says when every request was answered.
#[derive(Debug, PartialEq, Deserialize)]
struct Answered {
    answered: u32,
}

/// A load to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The number of the sale, which names its products.
    pub sale: u32,
    /// How many products it has.
    pub products: u32,
    /// Must differ from all loads before on the same sale.
    pub run: u32,
    /// Buys, each of another shopper.
    pub buys: u32,
}

/// Sends the buys to the gateway at `address` and returns when each was answered. Whether they
/// were taken is for the caller to count: answers are not read, which would cost as much as
/// sending.
pub async fn send(stores: &Stores, address: SocketAddr, load: Load) -> Result<(), BenchError> {
    let script = stores.data_dir.path().join("load.lua");
    std::fs::write(&script, SCRIPT).map_err(BenchError::file(&script))?;
    let output = Command::new(wrk::program()?)
        .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{}s", PATIENCE.as_secs())])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{address}/buy"))
        .args(["--", &load.run.to_string(), &product_prefix(load.sale)])
        .args([load.products, load.buys, CONNECTIONS].map(|number| number.to_string()))
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| BenchError::Run {
            program: PROGRAM,
            source,
        })?;
    let answered = read(&output)?;
    if answered == load.buys {
        return Ok(());
    }
    let text = format!("{answered} of {} buys were answered", load.buys);
    Err(BenchError::Wrong(text))
}

fn read(output: &Output) -> Result<u32, BenchError> {
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text)
        .filter(|_| output.status.success())
        .ok_or_else(|| BenchError::Program {
            program: PROGRAM,
            output: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
        })
}

fn parse(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.starts_with('{'))?;
    let Answered { answered } = serde_json::from_str(line).ok()?;
    Some(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_answers_stands_behind_what_wrk_says() {
        let text = "Running 10m test @ http://127.0.0.1:1/buy\n{\"answered\":100000}\n";
        assert_eq!(parse(text), Some(100_000));
        assert_eq!(parse("unable to connect to 127.0.0.1:1"), None);
    }
}
