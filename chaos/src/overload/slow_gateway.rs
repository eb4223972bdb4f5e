//! A gateway with little processor time, and more and more buys.

use std::{fmt::Write as _, path::Path, time::Duration};

use serde::Serialize;
use serde_json::json;

use super::{
    crowd::{self, CrowdFigures},
    processor::ProcessorLimit,
    report::{Check, Finding, millis},
    settings::Settings,
    system::{GatewaySettings, System},
    watch::Watch,
};
use crate::error::ChaosError;

/// The first point of the curve, in buys per second; each further one has twice as many until the
/// gateway cannot follow.
const FIRST: u32 = 125;

/// What is then offered, as multiples of the most that it acknowledged.
const BEYOND: [f64; 4] = [1.5, 2.0, 3.0, 4.0];

/// The most that is offered, in buys per second: what the crowd can send beside everything else.
const MOST: u32 = 20_000;

/// The share of what is offered that a gateway acknowledges which can follow.
const FOLLOWS: f64 = 0.9;

/// The share of its best that a gateway must still acknowledge when more is offered.
const NO_COLLAPSE: f64 = 0.8;

/// A point of the curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    planned: u32,
    cores: f64,
    failed_probes: u64,
    crowd: CrowdFigures,
}

/// Measures it.
pub async fn measure(
    settings: &Settings,
    directory: &Path,
    tell: &impl Fn(&str),
) -> Result<Finding, ChaosError> {
    let limit = ProcessorLimit::new("gateway", settings.gateway_cores)?;
    let system = System::start(&GatewaySettings::default(), directory).await?;
    limit.hold(system.gateway.process().pid())?;
    let mut points = Vec::new();
    let mut planned = Some(FIRST);
    while let Some(rate) = planned {
        tell(&format!("offering {rate} buys per second"));
        points.push(point(rate, settings, &system, directory).await?);
        planned = next(&points);
    }
    // The gateway first: a group with a process in it cannot be removed.
    drop(system);
    drop(limit);
    Ok(Finding {
        checks: judge(&points),
        table: table(&points),
        figures: json!({ "cores": settings.gateway_cores, "points": points }),
    })
}

async fn point(
    rate: u32,
    settings: &Settings,
    system: &System,
    directory: &Path,
) -> Result<Point, ChaosError> {
    let watch = Watch::start(&system.gateway)?;
    let (name, seconds) = (format!("crowd-{rate}"), settings.point_seconds);
    let offering = crowd::offer(&name, system, rate, seconds, directory);
    // The crowd waits for its outcomes afterwards, and the gateway rests.
    let (crowd, watched) = tokio::join!(offering, async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        watch.stop(&system.gateway).await
    });
    let watched = watched?;
    Ok(Point {
        planned: rate,
        cores: watched.cores,
        failed_probes: watched.failed_probes,
        crowd: crowd?,
    })
}

fn best(points: &[Point]) -> f64 {
    let goodputs = points.iter().map(|point| point.crowd.goodput);
    goodputs.fold(0.0, f64::max)
}

/// What to offer next; none when the curve is complete.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and MOST"
)]
fn next(points: &[Point]) -> Option<u32> {
    let last = points.last()?.planned;
    let limited = points
        .iter()
        .position(|point| point.crowd.goodput < f64::from(point.planned) * FOLLOWS);
    if last >= MOST {
        return None;
    }
    let Some(limited) = limited else {
        return Some((last * 2).min(MOST));
    };
    let capacity = best(&points[..=limited]);
    BEYOND
        .into_iter()
        .map(|times| (capacity * times).round().min(f64::from(MOST)) as u32)
        .find(|rate| *rate > last)
}

fn judge(points: &[Point]) -> Vec<Check> {
    let best = best(points);
    let beyond: Vec<&Point> = points
        .iter()
        .filter(|point| f64::from(point.planned) > best)
        .collect();
    let least = beyond
        .iter()
        .map(|point| point.crowd.goodput)
        .fold(f64::INFINITY, f64::min);
    let lost: u64 = points.iter().map(|point| point.crowd.lost).sum();
    let heaviest = beyond.iter().map(|point| point.planned).max();
    vec![
        Check::new(
            "fewest buys acknowledged per second while more were offered than ever were acknowledged",
            if beyond.is_empty() {
                "never so many were offered".to_owned()
            } else {
                format!("{least:.0}")
            },
            format!(
                "at least {:.0}, {NO_COLLAPSE} of the most",
                best * NO_COLLAPSE
            ),
            !beyond.is_empty() && least >= best * NO_COLLAPSE,
        ),
        Check::new(
            "most buys offered per second",
            heaviest.map_or_else(|| "none".to_owned(), |heaviest| heaviest.to_string()),
            format!("at least {:.0}, twice the most acknowledged", best * 2.0),
            heaviest.is_some_and(|heaviest| f64::from(heaviest) >= best * 2.0),
        ),
        Check::none_lost("acknowledged buys without an outcome", lost),
    ]
}

fn table(points: &[Point]) -> String {
    let mut table = String::from(
        "| offered/s | acknowledged/s | p50 of an acknowledgement | p99 | p99 of a refusal \
         | gateway cores | probes failed |\n|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for point in points {
        // Writing into a string does not fail.
        let _ = writeln!(
            table,
            "| {} | {:.0} | {} | {} | {} | {:.2} | {} |",
            point.planned,
            point.crowd.goodput,
            millis(point.crowd.ack_p50_ms),
            millis(point.crowd.ack_p99_ms),
            millis(point.crowd.refusal_p99_ms),
            point.cores,
            point.failed_probes,
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(u32, f64)]) -> Vec<Point> {
        let point = |(planned, goodput): &(u32, f64)| Point {
            planned: *planned,
            cores: 0.1,
            failed_probes: 0,
            crowd: CrowdFigures {
                goodput: *goodput,
                ..CrowdFigures::default()
            },
        };
        points.iter().map(point).collect()
    }

    #[test]
    fn the_curve_doubles_to_the_limit_and_goes_beyond_it() {
        let mut points = vec![(125, 125.0), (250, 250.0)];
        assert_eq!(next(&curve(&points)), Some(500));
        points.push((500, 300.0));
        assert_eq!(next(&curve(&points)), Some(600));
        points.push((600, 310.0));
        assert_eq!(next(&curve(&points)), Some(900));
        points.push((900, 290.0));
        assert_eq!(next(&curve(&points)), Some(1_200));
        points.push((1_200, 280.0));
        assert_eq!(next(&curve(&points)), None);
        assert_eq!(next(&curve(&[(MOST, 20_000.0)])), None);
    }

    #[test]
    fn a_collapse_is_seen_and_a_curve_without_overload_shows_nothing() {
        let holds = |points| judge(&curve(points)).iter().all(|check| check.holds);
        assert!(holds(&[(250, 250.0), (500, 300.0), (1_200, 280.0)]));
        assert!(!holds(&[(250, 250.0), (500, 300.0), (1_200, 100.0)]));
        assert!(!holds(&[(250, 250.0), (500, 500.0)]));
        assert!(!holds(&[(250, 250.0), (500, 300.0)]));
    }
}
