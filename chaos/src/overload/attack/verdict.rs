//! What has to hold under attack.

use std::fmt::Write as _;

use serde_json::json;

use super::Run;
use crate::overload::{
    attacker::Kind,
    report::{Check, Finding, megabytes, millis},
    settings::Settings,
};

/// The most memory that the gateway may have, in bytes.
const MEMORY: u64 = 256_000_000;

/// The share of their rate that honest shoppers keep.
const GOODPUT: f64 = 0.9;

/// How many times the p99 of the control run theirs may be.
const SLOWER: f64 = 3.0;

/// The share of its processor time that the attacker must have used to have been one.
const BUSY: f64 = 0.8;

/// Judges a run under attack beside the control run.
pub(super) fn judge(settings: &Settings, control: &Run, attacked: &Run) -> Finding {
    let least = f64::from(settings.honest_rate) * GOODPUT;
    let mut checks = vec![
        memory(attacked),
        probes(attacked),
        Check::at_least(
            "honest buys acknowledged per second",
            attacked.crowd.goodput,
            least,
        ),
        latency(control, attacked),
        Check::none_lost(
            "acknowledged honest buys without an outcome",
            attacked.crowd.lost,
        ),
    ];
    checks.extend(reality(settings, control, attacked));
    Finding {
        checks,
        table: format!("{}\n{}", runs(control, attacked), kinds(attacked)),
        figures: json!({ "control": control, "attack": attacked }),
    }
}

fn memory(attacked: &Run) -> Check {
    let peak = attacked.gateway.peak_memory;
    let limit = format!("at most {}", megabytes(MEMORY));
    Check::new(
        "most memory of the gateway",
        megabytes(peak),
        limit,
        peak <= MEMORY,
    )
}

fn probes(attacked: &Run) -> Check {
    let watched = &attacked.gateway;
    Check::new(
        "probes not answered 200 within 1 s",
        format!(
            "{} of {}, slowest {:.0} ms",
            watched.failed_probes, watched.probes, watched.slowest_probe_ms
        ),
        "0",
        watched.probes > 0 && watched.failed_probes == 0,
    )
}

fn latency(control: &Run, attacked: &Run) -> Check {
    let most = control.crowd.ack_p99_ms.map(|p99| p99 * SLOWER);
    let measured = attacked.crowd.ack_p99_ms;
    Check::new(
        "p99 of honest buys",
        millis(measured),
        format!(
            "at most {}, {SLOWER:.0} times the control run's",
            millis(most)
        ),
        matches!((measured, most), (Some(measured), Some(most)) if measured <= most),
    )
}

/// Whether there was an attack, and a control run to compare with.
fn reality(settings: &Settings, control: &Run, attacked: &Run) -> [Check; 3] {
    let least = settings.attacker_cores * BUSY;
    let missing = attacked.tally.missing();
    [
        Check::new(
            "cores used beside the shoppers, control run and attack",
            format!(
                "{:.2}, {:.2}",
                control.companion_cores, attacked.companion_cores
            ),
            format!("at least {least:.2} each"),
            control.companion_cores >= least && attacked.companion_cores >= least,
        ),
        Check::new(
            "kinds of attack that never got a connection",
            if missing.is_empty() {
                "none".to_owned()
            } else {
                missing.join(", ")
            },
            "none",
            missing.is_empty(),
        ),
        Check::at_least(
            "honest buys acknowledged per second in the control run",
            control.crowd.goodput,
            f64::from(settings.honest_rate) * GOODPUT,
        ),
    ]
}

fn runs(control: &Run, attacked: &Run) -> String {
    let mut table = String::from(
        "| run | honest buys/s | p50 | p99 | gateway memory | gateway files | gateway cores \
         | Redis grew by |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, run) in [("control", control), ("attack", attacked)] {
        // Writing into a string does not fail.
        let _ = writeln!(
            table,
            "| {name} | {:.0} | {} | {} | {} | {} | {:.2} | {} |",
            run.crowd.goodput,
            millis(run.crowd.ack_p50_ms),
            millis(run.crowd.ack_p99_ms),
            megabytes(run.gateway.peak_memory),
            run.gateway.open_files,
            run.gateway.cores,
            megabytes(run.redis_growth),
        );
    }
    table
}

fn kinds(attacked: &Run) -> String {
    let mut table = String::from(
        "| attack | connections | not opened or broken off | answers by status |\n\
         |---|---:|---:|---|\n",
    );
    for kind in Kind::ALL {
        let Some(tally) = attacked.tally.0.get(kind.as_str()) else {
            continue;
        };
        let answers: Vec<String> = tally
            .answers
            .iter()
            .map(|(status, count)| format!("{status}: {count}"))
            .collect();
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            kind.as_str(),
            tally.connections,
            tally.broken,
            answers.join(", ")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overload::{
        attacker::{KindTally, Tally},
        crowd::CrowdFigures,
        watch::Watched,
    };

    fn settings() -> Settings {
        Settings {
            attack_seconds: 60,
            attacker_cores: 0.25,
            honest_rate: 1_000,
            open_files: 1_024,
            overload_seconds: 30,
            redis_rate: 5_000,
            offered: 15_000,
            gateway_cores: 0.1,
            point_seconds: 10,
        }
    }

    fn run() -> Run {
        let tally = KindTally {
            connections: 1,
            ..KindTally::default()
        };
        let kinds = Kind::ALL.map(|kind| (kind.as_str().to_owned(), tally.clone()));
        Run {
            crowd: CrowdFigures {
                goodput: 995.0,
                ack_p99_ms: Some(4.0),
                ..CrowdFigures::default()
            },
            gateway: Watched {
                probes: 100,
                peak_memory: 50_000_000,
                ..Watched::default()
            },
            companion_cores: 0.25,
            redis_growth: 0,
            tally: Tally(kinds.into_iter().collect()),
        }
    }

    fn failed(change: impl FnOnce(&mut Run)) -> Vec<String> {
        let mut attacked = run();
        change(&mut attacked);
        let finding = judge(&settings(), &run(), &attacked);
        let failed = finding.checks.into_iter().filter(|check| !check.holds);
        failed.map(|check| check.what).collect()
    }

    #[test]
    fn every_limit_is_judged() {
        assert_eq!(failed(|_| {}), Vec::<String>::new());
        assert_eq!(failed(|run| run.crowd.ack_p99_ms = Some(12.0)).len(), 0);
        let changes: [fn(&mut Run); 9] = [
            |run| run.gateway.peak_memory = 256_000_001,
            |run| run.gateway.failed_probes = 1,
            |run| run.gateway.probes = 0,
            |run| run.crowd.goodput = 899.0,
            |run| run.crowd.ack_p99_ms = Some(12.1),
            |run| run.crowd.ack_p99_ms = None,
            |run| run.crowd.lost = 1,
            |run| run.companion_cores = 0.1,
            |run| run.tally = Tally::default(),
        ];
        for change in changes {
            assert_eq!(failed(change).len(), 1);
        }
    }
}
