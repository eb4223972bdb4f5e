//! The workers for an opening stand before it, or somebody is told.

use std::time::{Duration, Instant};

use flashsale_e2e::{
    operator::{Operator, Stage, with},
    services::Services,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    figures::sample,
    market::{Market, spec},
    ready::make_ready,
    replicas::Replicas,
};

const LONGEST: Duration = Duration::from_secs(40);

/// How long before the opening the workers are to be there.
const PREWARM: Duration = Duration::from_secs(8);

/// A look, a request, a busy machine.
const SLACK: Duration = Duration::from_secs(2);

/// Six lanes, four a worker.
const WORKERS: i32 = 2;

struct Opening {
    stage: Stage,
    operator: Operator,
    replicas: Replicas,
    opens: Timestamp,
}

impl Opening {
    /// A sale that opens soon; answers once its workers are asked for.
    async fn near() -> Self {
        let stage = Stage::set(Services::start().await).await;
        let operator = stage.operator("operator").await;
        let opens = Timestamp::now() + SignedDuration::from_secs(14);
        let worker = json!({
            "minReplicas": 0, "maxReplicas": 10, "lanesPerWorker": 4,
            "prewarmSeconds": PREWARM.as_secs(),
        });
        let spec = with(spec("dawn", 6, &worker), &json!({ "opensAt": opens }));
        let mut replicas = Replicas::watch(&stage, "dawn");
        Market::create(&stage, "dawn", spec).await;
        stage.until_phase("dawn", "Scheduled").await;
        let asked = replicas.until(WORKERS, LONGEST).await;
        let left = left(opens) + asked.elapsed();
        println!(
            "workers were asked for {left:?} before the opening, prewarmSeconds is {PREWARM:?}"
        );
        assert!(left <= PREWARM, "too early: {left:?}");
        assert!(left + SLACK >= PREWARM, "too late: {left:?}");
        Self {
            stage,
            operator,
            replicas,
            opens,
        }
    }

    /// Lags of openings that the operator has measured: their number and their sum.
    async fn lags(&self) -> (f64, f64) {
        let metrics = self.operator.metrics().await;
        let of = |what| {
            sample(
                &metrics,
                &format!("flashsale_operator_opening_lag_seconds_{what}"),
            )
        };
        (of("count").unwrap(), of("sum").unwrap())
    }

    /// Waits for the lag of the opening.
    async fn lag(&self) -> f64 {
        let deadline = Instant::now() + LONGEST;
        loop {
            match self.lags().await {
                (count, sum) if count > 0.0 => return sum,
                _ => assert!(Instant::now() < deadline, "no lag was measured"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Time until `opens`; nothing if that is past.
fn left(opens: Timestamp) -> Duration {
    Duration::try_from(opens.duration_since(Timestamp::now())).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_ready_before_the_opening_are_told() {
    let opening = Opening::near().await;
    let Opening { stage, opens, .. } = &opening;
    make_ready(stage, "dawn").await;
    let note = stage.until_event("dawn", "Prewarmed").await;
    assert!(left(*opens) > Duration::ZERO, "told after the opening");
    assert!(note.starts_with("2 of 2 workers are ready"), "{note}");
    stage.until_phase("dawn", "Open").await;
    let lag = opening.lag().await;
    println!("seen open with workers ready {lag:.3} s after the opening");
    assert!(lag <= SLACK.as_secs_f64(), "{lag}");
    let reasons: Vec<String> = stage
        .events("dawn")
        .await
        .into_iter()
        .map(|(reason, _)| reason)
        .collect();
    assert!(!reasons.contains(&"NotPrewarmed".to_owned()), "{reasons:?}");
    assert_eq!(opening.replicas.numbers().iter().max(), Some(&WORKERS));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_not_ready_are_told_before_the_opening() {
    let opening = Opening::near().await;
    let Opening { stage, opens, .. } = &opening;
    let note = stage.until_event("dawn", "NotPrewarmed").await;
    let left = left(*opens);
    assert!(left > Duration::ZERO, "told after the opening");
    assert!(note.starts_with("0 of 2 workers are ready"), "{note}");
    stage.until_phase("dawn", "Open").await;
    let (count, _) = opening.lags().await;
    assert!(count < 1.0, "nobody is ready yet");
    make_ready(stage, "dawn").await;
    let late = Timestamp::now().duration_since(*opens).as_secs_f64();
    let lag = opening.lag().await;
    println!(
        "told {left:?} before the opening; ready {late:.3} s after it, lag measured {lag:.3} s"
    );
    assert!((lag - late).abs() <= SLACK.as_secs_f64(), "{lag} {late}");
}
