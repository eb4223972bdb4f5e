//! The crowd: `flashsale load` as a child process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use flashsale_testbed::{
    binaries,
    launch::Launch,
    process::{Process, ProcessError},
};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::error::ChaosError;

/// Shoppers per second. Two cores that run everything else as well, in a debug build, take them.
const RATE: u32 = 300;

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
pub struct Load {
    process: Process,
    log: PathBuf,
    /// What it was told, where this build of `flashsale load` writes it down.
    pub history: Option<PathBuf>,
}

/// How the crowd ended.
#[derive(Debug)]
pub struct Ended {
    /// Its report; null when it gave none.
    pub report: Value,
    /// Why the report is missing, if it is.
    pub problem: Option<String>,
}

impl Load {
    /// Sends a crowd to these gateways for `seconds` at most.
    pub async fn start(
        gateways: &[String],
        redis_url: &str,
        seconds: u64,
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let redis = [("FLASHSALE_REDIS_URL", redis_url.to_owned())];
        Self::start_at(RATE, gateways, &redis, seconds, directory).await
    }

    /// The same at another rate, in shoppers per second. `environment` says where Redis is.
    pub async fn start_at(
        rate: u32,
        gateways: &[String],
        environment: &[(&str, String)],
        seconds: u64,
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let program = binaries::find("flashsale")?;
        let history = knows_histories(&program)
            .await?
            .then(|| directory.join("history.jsonl"));
        let log = directory.join("load.log");
        let mut launch = Launch::new("load", program, &log)
            .arg("load")
            .args(gateways.iter().flat_map(|url| ["--url", url]))
            .args(["--rate", &rate.to_string()])
            .args(["--duration", &seconds.to_string()])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--give-up", &GIVE_UP_SECONDS.to_string()])
            .args(["--settle-patience", &SETTLE_SECONDS.to_string()])
            .arg("--json");
        if let Some(history) = &history {
            launch = launch.arg("--history").arg(history);
        }
        Self::launch(launch, environment, log, history).await
    }

    /// Sends a crowd by these arguments of `flashsale load`, without a history. Its log is
    /// `{name}.log` in `directory`.
    pub async fn start_with(
        name: &str,
        arguments: &[String],
        environment: &[(&str, String)],
        directory: &Path,
    ) -> Result<Self, ChaosError> {
        let log = directory.join(format!("{name}.log"));
        let launch = Launch::new(name, binaries::find("flashsale")?, &log)
            .args(["load", "--json"])
            .args(arguments);
        Self::launch(launch, environment, log, None).await
    }

    async fn launch(
        launch: Launch,
        environment: &[(&str, String)],
        log: PathBuf,
        history: Option<PathBuf>,
    ) -> Result<Self, ChaosError> {
        let launch = launch.envs(environment.iter().map(|(name, value)| (name, value)));
        Ok(Self {
            process: Process::start(launch).await?,
            log,
            history,
        })
    }

    /// Ends the crowd and waits until it knows what became of its buys.
    pub async fn end(self) -> Result<Ended, ChaosError> {
        self.process.signal(Signal::SIGINT)?;
        self.ended(END).await
    }

    /// Waits until the crowd has ended by itself, and knows what became of its buys.
    pub async fn ended(self, longest: Duration) -> Result<Ended, ChaosError> {
        let status = match self.process.wait(longest).await {
            Ok(status) => status,
            Err(ProcessError::StillRunning { .. }) => {
                return Ok(Ended {
                    report: Value::Null,
                    problem: Some(format!(
                        "the crowd did not end within {} s",
                        longest.as_secs()
                    )),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let text = std::fs::read_to_string(&self.log).map_err(ChaosError::file(&self.log))?;
        // The report is the last thing in the log; errors stand before it.
        let report = text
            .find("\n{\n")
            .map(|at| &text[at..])
            .or_else(|| text.starts_with('{').then_some(text.as_str()))
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or(Value::Null);
        let problem = report.is_null().then(|| {
            format!(
                "the crowd gave no report ({status}): {}",
                self.process.log_tail()
            )
        });
        Ok(Ended { report, problem })
    }
}

/// Whether this build of the program writes histories.
async fn knows_histories(program: &Path) -> Result<bool, ChaosError> {
    let output = Command::new(program)
        .args(["load", "--help"])
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(ChaosError::file(program))?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("--history"))
}
