//! A Redis that takes so many buys per second, and several times as many.
//!
//! Redis is as fast as it is. A proxy makes it slow: it lets so many bytes per second through to
//! it, over all connections of the gateway. How many bytes a buy has depends on how many buys go
//! together, so that is measured first, with as many on offer.

use std::{net::Ipv4Addr, num::NonZeroU64, path::Path, time::Duration};

use flashsale_testbed::fault_proxy::{Direction, Flow};
use serde_json::json;

use super::{
    buyer::{self, Buyer, PROMPT},
    crowd::{self, CrowdFigures},
    report::{Check, Finding, millis},
    settings::Settings,
    system::{GatewaySettings, System},
};
use crate::error::ChaosError;

/// Bytes of a buy before it was measured: what a full call has for each.
const GUESSED_BYTES: f64 = 500.0;

/// How long bytes are counted, in seconds.
const COUNTING_SECONDS: u64 = 5;

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
    let system = System::start(&GatewaySettings::default(), directory).await?;
    tell("counting the bytes of a buy");
    let bytes_of_buy = count_bytes(settings, &system, directory).await?;
    limit(&system, f64::from(settings.redis_rate) * bytes_of_buy)?;
    tell(&format!(
        "a buy has {bytes_of_buy:.0} bytes; offering {} buys per second to a Redis that takes {}",
        settings.offered, settings.redis_rate
    ));
    let buyer = Buyer::start(system.gateway.address, BUYER);
    let before = Sent::so_far(&system).await?;
    let (offered, seconds) = (settings.offered, settings.overload_seconds);
    let crowd = crowd::offer("overload", &system, offered, seconds, directory).await;
    let after = Sent::so_far(&system).await?;
    tokio::time::sleep(AFTERWARDS).await;
    let samples = buyer.stop().await?;
    let crowd = crowd?;
    let recovery = buyer::recovery(&samples, crowd.ended_at());
    let checks = judge(settings, &crowd, recovery);
    Ok(Finding {
        checks,
        table: table(&crowd),
        figures: json!({
            "crowd": crowd,
            "recoverySeconds": recovery.map(|recovery| recovery.as_secs_f64()),
            "bytesOfBuyCounted": bytes_of_buy,
            "bytesOfBuyUnderLoad": after.bytes_of_buy_since(&before),
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
    let before = Sent::so_far(system).await?;
    let (offered, seconds) = (settings.offered, COUNTING_SECONDS);
    crowd::offer("counting", system, offered, seconds, directory).await?;
    let bytes = Sent::so_far(system).await?.bytes_of_buy_since(&before);
    bytes.ok_or_else(|| {
        let log = system.gateway.process().log_file().display();
        ChaosError::Wrong(format!(
            "no buy reached Redis; the log of the gateway is {log}"
        ))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some megabytes"
)]
fn limit(system: &System, bytes_per_second: f64) -> Result<(), ChaosError> {
    let rate = NonZeroU64::new(bytes_per_second.round() as u64)
        .ok_or_else(|| ChaosError::wrong("Redis must take at least one buy"))?;
    system.proxy.set(Direction::ToTarget, Flow::Limited(rate));
    Ok(())
}

/// What went to Redis since the gateway was started.
struct Sent {
    buys: f64,
    bytes: f64,
}

impl Sent {
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of a run are far below 2^52"
    )]
    async fn so_far(system: &System) -> Result<Self, ChaosError> {
        Ok(Self {
            buys: system.buys_sent().await?,
            bytes: system.proxy.forwarded(Direction::ToTarget) as f64,
        })
    }

    /// None where there was no buy.
    fn bytes_of_buy_since(&self, before: &Self) -> Option<f64> {
        let (buys, bytes) = (self.buys - before.buys, self.bytes - before.bytes);
        (buys >= 1.0).then(|| bytes / buys)
    }
}

fn judge(settings: &Settings, crowd: &CrowdFigures, recovery: Option<Duration>) -> Vec<Check> {
    let (redis, offered) = (f64::from(settings.redis_rate), f64::from(settings.offered));
    let (least, most) = (redis * GOODPUT, redis * TOO_GOOD);
    let late = crowd.refusal_p99_ms;
    let refusal_ms = REFUSAL.as_secs_f64() * 1e3;
    vec![
        Check::at_least("buys acknowledged per second", crowd.goodput, least),
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
        Check::none_lost("acknowledged buys without an outcome", crowd.lost),
        Check::at_least("buys offered per second", crowd.offered, offered * OFFERED),
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
