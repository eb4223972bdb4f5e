//! Whether the laws hold after a round: `flashsale check` over the history and both stores, or
//! `flashsale audit` with the crowd's own report where there is no history.

use std::{path::Path, process::Stdio};

use flashsale_testbed::binaries;
use jiff::Timestamp;
use serde_json::Value;
use tokio::process::Command;

use crate::{error::ChaosError, faults::Store, load::Ended, sale, stores::Stores};

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
    /// What judged: `check`, or `audit` where this build has no histories.
    pub judge: &'static str,
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

/// Judges a round.
pub async fn judge(
    stores: &Stores,
    history: Option<&Path>,
    crowd: &Ended,
    losses: &[Loss],
) -> Result<Judgement, ChaosError> {
    match history {
        Some(history) => check(&stores.environment(), history, losses).await,
        None => audit(stores, crowd, losses).await,
    }
}

/// Judges a history with `flashsale check`, which is told where the stores are by `environment`.
pub(crate) async fn check(
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
    let count = |name: &str| verdict["counts"][name].as_u64().unwrap_or_default();
    Ok(Judgement {
        judge: "check",
        acknowledged: count("acknowledged"),
        confirmed: count("confirmed"),
        rejected: count("soldOut") + count("limitReached") + count("failed"),
        violations: rows(&verdict["violations"]),
        lost_with_store: rows(&verdict["lostWithStore"]),
    })
}

/// The rows of a verdict, one line each.
fn rows(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().map(Value::to_string).collect()
}

async fn audit(stores: &Stores, crowd: &Ended, losses: &[Loss]) -> Result<Judgement, ChaosError> {
    let arguments = ["audit", "--sale", sale::NAME, "--json"].map(str::to_owned);
    let audit = flashsale(&stores.environment(), &arguments).await?;
    let report = &crowd.report;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let count = |name: &str| number(&report["counts"][name]);
    let lost = number(&report["lost"]);
    let mut judgement = Judgement {
        judge: "audit",
        acknowledged: count("queued"),
        confirmed: count("confirmed"),
        rejected: count("soldOutInLane") + count("limitReached") + count("failed"),
        ..Judgement::default()
    };
    let contradictions = number(&report["contradictions"]);
    if contradictions > 0 {
        let what = format!("{contradictions} buys were told two different outcomes");
        judgement.violations.push(what);
    }
    if audit["holds"] != true {
        judgement.violations.push(format!("audit: {audit}"));
    }
    if lost > 0 {
        let what = format!("{lost} acknowledged buys have no outcome");
        // Without a history nobody can tell which of them a store lost.
        if losses.is_empty() {
            judgement.violations.push(what);
        } else {
            judgement.lost_with_store.push(what);
        }
    }
    Ok(judgement)
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
