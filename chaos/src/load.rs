//! The crowd: `flashsale load` as a child process.

use std::{path::Path, time::Duration};

use flashsale_testbed::{
    binaries,
    launch::Launch,
    process::{Process, ProcessError},
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{error::ChaosError, files};

/// Shoppers per second of a round. Two cores that run everything else as well, in a debug build, take
/// them.
pub const RATE: u32 = 300;

/// The file in which a crowd writes down what it was told.
pub const HISTORY: &str = "history.jsonl";

/// Keep-alive connections of the crowd over all gateways.
const CONNECTIONS: u32 = 96;

/// How long a shopper keeps trying against errors: longer than any fault.
const GIVE_UP_SECONDS: u32 = 40;

/// How long the crowd waits for outcomes while none comes.
const SETTLE_SECONDS: u32 = 20;

/// How long the crowd may take to end once asked.
const END: Duration = Duration::from_secs(90);

/// A crowd that buys.
#[derive(Debug)]
pub struct Load(Process);

/// How the crowd ended.
#[derive(Debug)]
pub struct Ended {
    /// Its report; null when it gave none.
    pub report: Value,
    /// Why the report is missing, if it is.
    pub problem: Option<String>,
}

impl Load {
    /// Sends a crowd to these gateways, `rate` shoppers per second for `seconds` at most.
    /// `environment` says where Redis is. Its history is [`HISTORY`] in `directory`.
    pub async fn start(
        rate: u32,
        gateways: &[String],
        environment: &[(&str, String)],
        seconds: u64,
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let history = directory.join(HISTORY).display().to_string();
        let arguments = [
            ("--rate", rate.to_string()),
            ("--duration", seconds.to_string()),
            ("--connections", CONNECTIONS.to_string()),
            ("--give-up", GIVE_UP_SECONDS.to_string()),
            ("--settle-patience", SETTLE_SECONDS.to_string()),
            ("--history", history),
        ];
        let urls = gateways.iter().map(|url| ("--url", url.clone()));
        let arguments: Vec<_> = urls.chain(arguments).collect();
        Self::start_with("load", &arguments, environment, directory).await
    }

    /// Sends a crowd by these arguments of `flashsale load`. Its log is `{name}.log` in `directory`.
    pub async fn start_with(
        name: &str,
        arguments: &[(&str, String)],
        environment: &[(&str, String)],
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let log = directory.join(format!("{name}.log"));
        let launch = Launch::new(name, binaries::find("flashsale")?, log)
            .args(["load", "--json"])
            .args(
                arguments
                    .iter()
                    .flat_map(|(name, value)| [*name, value.as_str()]),
            )
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Ok(Self(Process::start(launch).await?))
    }

    /// Ends the crowd and waits until it knows what became of its buys.
    pub async fn end(self) -> Result<Ended, ChaosError> {
        self.0.signal(Signal::SIGINT)?;
        self.ended(END).await
    }

    /// Waits until the crowd has ended by itself, and knows what became of its buys.
    pub async fn ended(self, longest: Duration) -> Result<Ended, ChaosError> {
        let status = match self.0.wait(longest).await {
            Ok(status) => status,
            Err(ProcessError::StillRunning { .. }) => {
                let seconds = longest.as_secs();
                return Ok(Ended {
                    report: Value::Null,
                    problem: Some(format!("the crowd did not end within {seconds} s")),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let text = files::read(self.0.log_file())?;
        // The report is the last thing in the log; errors stand before it.
        let report = text
            .find("\n{\n")
            .map(|at| &text[at..])
            .or_else(|| text.starts_with('{').then_some(text.as_str()))
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Value::Null);
        let problem = report.is_null().then(|| {
            let log = self.0.log_tail();
            format!("the crowd gave no report ({status}): {log}")
        });
        Ok(Ended { report, problem })
    }
}
