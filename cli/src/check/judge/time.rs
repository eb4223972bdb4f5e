//! Law 5: no buy passes before the opening or from the closing on, by Redis's clock.

use super::case::{Case, subject};
use crate::check::{
    facts::{Ack, Run, Schedule},
    verdict::{Law, Verdict},
};

/// A gateway may tell an edited schedule this much later than Redis has it, in microseconds.
const TOLD_LATE_US: u64 = 5_000_000;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for run in &case.facts.runs {
        if run.clock.is_empty() {
            verdict.notes.push(format!(
                "{} has no reading of Redis's clock: opening and closing (law 5) are not judged",
                run.name
            ));
        }
    }
    for (job, _, ack, _) in case.acknowledged() {
        let Some(run) = case.facts.runs.get(ack.run) else {
            continue;
        };
        if let Some(what) = complaint(run, ack) {
            verdict.violate(Law::Time, subject(job, ack), what);
        }
    }
}

/// What is wrong under every schedule that may have been in force.
fn complaint(run: &Run, ack: &Ack) -> Option<String> {
    let (earliest, latest) = run.clock.bounds(ack.sent.us, ack.heard.us)?;
    let schedules = run.schedules.get(&*ack.key.sale)?;
    let mut complaint = None;
    for schedule in around(schedules, ack) {
        complaint = Some(match (schedule.opens_at, schedule.closes_at) {
            (Some(opens), _) if latest < opens => {
                format!(
                    "was accepted {} µs before opensAt at the latest",
                    opens - latest
                )
            }
            (_, Some(closes)) if earliest >= closes => {
                format!(
                    "was accepted {} µs after closesAt at the earliest",
                    earliest - closes
                )
            }
            _ => return None,
        });
    }
    complaint
}

/// The schedules told in the time of the buy, and the last before and the first after it.
fn around<'a>(schedules: &'a [Schedule], ack: &Ack) -> impl Iterator<Item = &'a Schedule> {
    let from = ack.sent.us.saturating_sub(TOLD_LATE_US);
    let to = ack.heard.us.saturating_add(TOLD_LATE_US);
    let first = schedules.partition_point(|schedule| schedule.us < from);
    let last = schedules.partition_point(|schedule| schedule.us <= to);
    let skipped = first.saturating_sub(1);
    schedules.iter().skip(skipped).take(last + 1 - skipped)
}
