//! A Redis that takes so many buys per second, and several times as many.
//!
//! Redis is as fast as it is. A proxy makes it slow: it lets so many bytes per second through to
//! it, over all connections of the gateway. How many bytes a buy has depends on how many buys go
//! together, so that is measured first, with as many on offer.

use std::{fs, net::Ipv4Addr, num::NonZeroU64, path::Path, time::Duration};

use flashsale_testbed::fault_proxy::{Direction, Flow};
use serde_json::json;

use super::{
    buyer::{self, Buyer, PROMPT},
    crowd::{self, CrowdFigures, CrowdPlan},
    report::{Check, Finding, millis},
    settings::Settings,
    system::{GatewaySettings, PRODUCT, System},
};
use crate::error::ChaosError;

/// Bytes of a buy before it was measured: what a full call has for each.
const GUESSED_BYTES: f64 = 500.0;

/// How long bytes are counted, in seconds.
const COUNTING_SECONDS: u64 = 5;

/// Seconds that a crowd tries again: not at all, so that no more is offered than planned.
const GIVE_UP_SECONDS: u64 = 0;

/// How long buying is watched after the overload.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Where the shopper is who buys all the time.
const BUYER: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);

/// The share of what Redis can take that must be acknowledged.
const GOODPUT: f64 = 0.9;

/// How far above its limit Redis may seem: more than that, and it was not held to it.
const TOO_GOOD: f64 = 1.1;

/// The share of the planned buys that must have been offered.
const OFFERED: f64 = 0.95;

/// How late a refusal may be, 99 of 100.
const REFUSAL: Duration = Duration::from_millis(100);

/// How long it may take until buying works again.
const RECOVERY: Duration = Duration::from_secs(2);

/// Measures it.
pub async fn measure(
    settings: &Settings,
    directory: &Path,
    tell: &impl Fn(&str),
) -> Result<Finding, ChaosError> {
    fs::create_dir_all(directory).map_err(ChaosError::file(directory))?;
    let system = System::start(&GatewaySettings::default(), directory).await?;
    tell("counting the bytes of a buy");
    let bytes_of_buy = count_bytes(settings, &system, directory).await?;
    limit(&system, f64::from(settings.redis_rate) * bytes_of_buy)?;
    tell(&format!(
        "a buy has {bytes_of_buy:.0} bytes; offering {} buys per second to a Redis that takes {}",
        settings.offered, settings.redis_rate
    ));
    let buyer = Buyer::start(system.gateway.address, BUYER);
    let before = (system.buys_sent().await?, forwarded(&system));
    let crowd = offer(
        "overload",
        settings.overload_seconds,
        settings,
        &system,
        directory,
    )
    .await;
    let after = (system.buys_sent().await?, forwarded(&system));
    tokio::time::sleep(AFTERWARDS).await;
    let samples = buyer.stop().await?;
    let crowd = crowd?;
    let recovery = buyer::recovery(&samples, crowd.ended_at());
    let bytes_under_load = ratio(after.1 - before.1, after.0 - before.0);
    let checks = judge(settings, &crowd, recovery);
    Ok(Finding {
        checks,
        table: table(&crowd),
        figures: json!({
            "crowd": crowd,
            "recoverySeconds": recovery.map(|recovery| recovery.as_secs_f64()),
            "bytesOfBuyCounted": bytes_of_buy,
            "bytesOfBuyUnderLoad": bytes_under_load,
        }),
    })
}

/// Bytes that a buy has on its way to Redis while more are offered than it takes.
async fn count_bytes(
    settings: &Settings,
    system: &System,
    directory: &Path,
) -> Result<f64, ChaosError> {
    limit(system, f64::from(settings.redis_rate) * GUESSED_BYTES)?;
    let before = (system.buys_sent().await?, forwarded(system));
    offer("counting", COUNTING_SECONDS, settings, system, directory).await?;
    let after = (system.buys_sent().await?, forwarded(system));
    let buys = after.0 - before.0;
    if buys < 1.0 {
        return Err(ChaosError::Wrong(format!(
            "no buy reached Redis; the log of the gateway is {}",
            system.gateway.process().log_file().display()
        )));
    }
    Ok(ratio(after.1 - before.1, buys))
}

async fn offer(
    name: &str,
    seconds: u64,
    settings: &Settings,
    system: &System,
    directory: &Path,
) -> Result<CrowdFigures, ChaosError> {
    let plan = CrowdPlan {
        name,
        gateway: &system.gateway.url(),
        product: PRODUCT,
        rate: settings.offered,
        seconds,
        connections: crowd::connections(settings.offered),
        sources: "",
        give_up: GIVE_UP_SECONDS,
        tokens: None,
    };
    crowd::send(&plan, &system.environment(), directory).await
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some megabytes"
)]
fn limit(system: &System, bytes_per_second: f64) -> Result<(), ChaosError> {
    let rate = NonZeroU64::new(bytes_per_second.round() as u64)
        .ok_or_else(|| ChaosError::Wrong("Redis must take at least one buy".to_owned()))?;
    system.proxy.set(Direction::ToTarget, Flow::Limited(rate));
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of a run are far below 2^52"
)]
fn forwarded(system: &System) -> f64 {
    system.proxy.forwarded(Direction::ToTarget) as f64
}

fn ratio(bytes: f64, buys: f64) -> f64 {
    bytes / buys.max(1.0)
}

fn judge(settings: &Settings, crowd: &CrowdFigures, recovery: Option<Duration>) -> Vec<Check> {
    let (redis, offered) = (f64::from(settings.redis_rate), f64::from(settings.offered));
    let (least, most) = (redis * GOODPUT, redis * TOO_GOOD);
    let late = crowd.refusal_p99_ms;
    let refusal_ms = REFUSAL.as_secs_f64() * 1e3;
    vec![
        Check::new(
            "buys acknowledged per second",
            format!("{:.0}", crowd.goodput),
            format!("at least {least:.0}"),
            crowd.goodput >= least,
        ),
        Check::new(
            "p99 until a refusal",
            millis(late),
            format!("at most {refusal_ms:.0} ms"),
            late.is_some_and(|late| late <= refusal_ms),
        ),
        Check::new(
            format!(
                "until buys are acknowledged within {} ms again",
                PROMPT.as_millis()
            ),
            recovery.map_or_else(
                || "not within 10 s".to_owned(),
                |recovery| format!("{:.2} s", recovery.as_secs_f64()),
            ),
            format!("at most {} s", RECOVERY.as_secs()),
            recovery.is_some_and(|recovery| recovery <= RECOVERY),
        ),
        Check::new(
            "acknowledged buys without an outcome",
            crowd.lost.to_string(),
            "0",
            crowd.lost == 0,
        ),
        Check::new(
            "buys offered per second",
            format!("{:.0}", crowd.offered),
            format!("at least {:.0}", offered * OFFERED),
            crowd.offered >= offered * OFFERED,
        ),
        Check::new(
            "Redis was held to its limit",
            format!("{:.0} buys per second", crowd.goodput),
            format!("at most {most:.0}"),
            crowd.goodput <= most,
        ),
    ]
}

fn table(crowd: &CrowdFigures) -> String {
    format!(
        "| offered/s | acknowledged/s | refused | p50 of an acknowledgement | p99 | p99 of a refusal \
         |\n|---:|---:|---:|---:|---:|---:|\n| {:.0} | {:.0} | {} | {} | {} | {} |\n",
        crowd.offered,
        crowd.goodput,
        crowd.refused,
        millis(crowd.ack_p50_ms),
        millis(crowd.ack_p99_ms),
        millis(crowd.refusal_p99_ms),
    )
}
