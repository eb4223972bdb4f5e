//! Whether the laws hold after a round: `flashsale check` over the history and both stores.

use std::{path::Path, process::Stdio};

use flashsale_testbed::binaries;
use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Command;

use crate::{error::ChaosError, faults::Store};

/// What a store lost: whatever it was given from `from` until `to` may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Which store.
    pub store: Store,
    /// The first instant whose writes may be gone; none when all may be.
    pub from: Option<Timestamp>,
    /// When the data was gone.
    pub to: Timestamp,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Buys that were acknowledged.
    pub acknowledged: u64,
    /// Those that have an order.
    pub confirmed: u64,
    /// Those that were told `sold_out`, `limit_reached` or `failed`.
    pub rejected: u64,
    /// Each violation, in words.
    pub violations: Vec<String>,
    /// Each buy that went with the data of a store, in words.
    pub lost_with_store: Vec<String>,
}

/// Judges a history with `flashsale check`, which is told where the stores are by `environment`.
pub(crate) async fn judge(
    environment: &[(&str, String)],
    history: &Path,
    losses: &[Loss],
) -> Result<Judgement, ChaosError> {
    let mut arguments = vec!["check".to_owned(), history.display().to_string()];
    for loss in losses {
        let store = match loss.store {
            Store::Redis => "--redis-lost",
            Store::Postgres => "--ledger-lost",
        };
        let from = loss.from.map(|from| from.to_string()).unwrap_or_default();
        arguments.push(format!("{store}={from}..{}", loss.to));
    }
    arguments.push("--json".to_owned());
    let verdict = flashsale(environment, &arguments).await?;
    let count = |name: &str| {
        let count = verdict["counts"][name].as_u64();
        count.ok_or_else(|| ChaosError::Wrong(format!("`flashsale check` does not count {name}")))
    };
    Ok(Judgement {
        acknowledged: count("acknowledged")?,
        confirmed: count("confirmed")?,
        rejected: count("soldOut")? + count("limitReached")? + count("failed")?,
        violations: rows(&verdict["violations"])?,
        lost_with_store: rows(&verdict["lostWithStore"])?,
    })
}

/// The rows of a verdict, one line each.
fn rows(rows: &Value) -> Result<Vec<String>, ChaosError> {
    let rows = rows.as_array();
    let rows =
        rows.ok_or_else(|| ChaosError::wrong("a verdict of `flashsale check` lacks rows"))?;
    Ok(rows.iter().map(Value::to_string).collect())
}

/// Runs a hand tool whose findings are JSON, on the stores that `environment` names.
pub(crate) async fn flashsale(
    environment: &[(&str, String)],
    arguments: &[String],
) -> Result<Value, ChaosError> {
    let program = binaries::find("flashsale")?;
    let output = Command::new(&program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(ChaosError::file(&program))?;
    serde_json::from_slice(&output.stdout).map_err(|error| ChaosError::Tool {
        command: format!("flashsale {}", arguments.join(" ")),
        output: format!(
            "{error}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}
