//! Honest shoppers: `flashsale load`, and what its report says.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::system::{PRODUCT, System};
use crate::{error::ChaosError, load::Load};

/// Time that the crowd has, beyond that in which it comes, for everything else: to be drawn, to
/// wait for outcomes and to be asked for.
const LONGEST_REST: Duration = Duration::from_mins(3);

/// Fewest connections of a crowd.
const LEAST_CONNECTIONS: u32 = 64;

/// Most connections of a crowd: both ends of each are files of this machine.
const MOST_CONNECTIONS: u32 = 6_000;

/// How long the crowd waits for outcomes while none comes, in seconds.
const SETTLE_SECONDS: u64 = 30;

/// How many shoppers come, and how.
#[derive(Debug, Clone)]
pub struct CrowdPlan<'a> {
    /// The name of its log.
    pub name: &'a str,
    /// The gateway, e.g. `http://127.0.0.1:8080`.
    pub gateway: &'a str,
    /// What they buy.
    pub product: &'a str,
    /// Shoppers per second, one press each.
    pub rate: u32,
    /// For how long, in seconds.
    pub seconds: u64,
    /// Keep-alive connections: so many buys may be on their way at a time.
    pub connections: u32,
    /// Addresses that they come from, separated by commas; empty: the system's choice.
    pub sources: &'a str,
    /// Seconds that a shopper tries again after errors; with 0 the first answer counts.
    pub give_up: u64,
    /// The file with their tokens, if they need any.
    pub tokens: Option<&'a Path>,
}

/// What came of a crowd.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CrowdFigures {
    /// The instant of the first press.
    pub started_at: Timestamp,
    /// Seconds in which the crowd was to come.
    pub planned_seconds: f64,
    /// Buys per second that were offered.
    pub offered: f64,
    /// Buys per second that were acknowledged.
    pub goodput: f64,
    /// Buys that were acknowledged.
    pub acknowledged: u64,
    /// Buys that got another answer, or none.
    pub refused: u64,
    /// From the instant of a press to its acknowledgement, in milliseconds; half are below.
    pub ack_p50_ms: Option<f64>,
    /// The same; 99 of 100 are below.
    pub ack_p99_ms: Option<f64>,
    /// From the instant of a press to another answer, in milliseconds; 99 of 100 are below.
    pub refusal_p99_ms: Option<f64>,
    /// Acknowledged buys without an outcome.
    pub lost: u64,
    /// Refusals by reason.
    pub trouble: BTreeMap<String, u64>,
}

impl CrowdFigures {
    /// The instant after the last press.
    pub fn ended_at(&self) -> Timestamp {
        self.started_at + Duration::from_secs_f64(self.planned_seconds)
    }
}

/// Sends a crowd and waits until it knows what became of its buys. `environment` says where Redis
/// is; the log is written to `directory`.
pub async fn send(
    plan: &CrowdPlan<'_>,
    environment: &[(&str, String)],
    directory: &Path,
) -> Result<CrowdFigures, ChaosError> {
    let load = Load::start_with(plan.name, &arguments(plan), environment, directory).await?;
    let ended = load
        .ended(Duration::from_secs(plan.seconds) + LONGEST_REST)
        .await?;
    if let Some(problem) = ended.problem {
        return Err(ChaosError::Wrong(problem));
    }
    figures(&ended.report, plan.seconds).ok_or_else(|| {
        ChaosError::Wrong(format!(
            "the report of `flashsale load` lacks figures; was it built with this program? {}",
            ended.report
        ))
    })
}

/// Offers a system `rate` buys per second for so many seconds, whether it can take them or not: no
/// shopper tries again, so that no more is offered than planned.
pub(super) async fn offer(
    name: &str,
    system: &System,
    rate: u32,
    seconds: u64,
    directory: &Path,
) -> Result<CrowdFigures, ChaosError> {
    let plan = CrowdPlan {
        name,
        gateway: &system.gateway.url(),
        product: PRODUCT,
        rate,
        seconds,
        // As many as are on their way at a time when each answer takes a third of a second.
        connections: (rate / 3).clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS),
        sources: "",
        give_up: 0,
        tokens: None,
    };
    send(&plan, &system.environment(), directory).await
}

fn arguments(plan: &CrowdPlan<'_>) -> Vec<(&'static str, String)> {
    let mut arguments = vec![
        ("--url", plan.gateway.to_owned()),
        ("--product", plan.product.to_owned()),
        ("--rate", plan.rate.to_string()),
        ("--duration", plan.seconds.to_string()),
        ("--connections", plan.connections.to_string()),
        ("--give-up", plan.give_up.to_string()),
        ("--settle-patience", SETTLE_SECONDS.to_string()),
        ("--double-press", "0".to_owned()),
        ("--impatient", "0".to_owned()),
        ("--greedy", "0".to_owned()),
    ];
    if !plan.sources.is_empty() {
        arguments.push(("--source", plan.sources.to_owned()));
    }
    if let Some(tokens) = plan.tokens {
        arguments.push(("--tokens", tokens.display().to_string()));
    }
    arguments
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times of a crowd are far below 2^52"
)]
fn figures(report: &Value, planned_seconds: u64) -> Option<CrowdFigures> {
    let millis = |latency: &str, percentile: &str| {
        let micros = report["latencies"][latency][percentile].as_u64();
        micros.map(|micros| micros as f64 / 1_000.0)
    };
    let planned_seconds = planned_seconds as f64;
    // A gateway that falls behind is not done when the last shopper has come.
    let seconds = report["seconds"].as_f64()?.max(planned_seconds);
    let asked = report["counts"]["asked"].as_u64()?;
    let acknowledged = report["counts"]["queued"].as_u64()?;
    Some(CrowdFigures {
        started_at: report["startedAt"].as_str()?.parse().ok()?,
        planned_seconds,
        offered: asked as f64 / planned_seconds,
        goodput: acknowledged as f64 / seconds,
        acknowledged,
        refused: asked.saturating_sub(acknowledged),
        ack_p50_ms: millis("ack", "p50Us"),
        ack_p99_ms: millis("ack", "p99Us"),
        refusal_p99_ms: millis("refusal", "p99Us"),
        lost: report["lost"].as_u64()?,
        trouble: serde_json::from_value(report["trouble"].clone()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn goodput_counts_until_the_last_answer() {
        let mut report = json!({
            "startedAt": "2026-12-01T10:00:00Z", "seconds": 12.5, "lost": 0,
            "counts": {"asked": 2_000, "queued": 1_000},
            "latencies": {"ack": {"p50Us": 900, "p99Us": 4_500}, "refusal": null},
            "trouble": {"503 unavailable": 1_000},
        });
        let crowd = figures(&report, 10).unwrap();
        assert_eq!((crowd.offered, crowd.goodput), (200.0, 80.0));
        assert_eq!(crowd.refused, 1_000);
        assert_eq!((crowd.ack_p99_ms, crowd.refusal_p99_ms), (Some(4.5), None));
        assert_eq!(crowd.ended_at().to_string(), "2026-12-01T10:00:10Z");
        report["startedAt"] = Value::Null;
        assert_eq!(figures(&report, 10), None);
    }
}
