//! Compares what histories say with what the stores hold. A pure function: nothing is asked or
//! waited for here, and the same input gives the same verdict.

mod case;
mod end;
mod ledger;
mod once;
mod order;
mod outcomes;
mod payments;
mod privacy;
mod stock;
#[cfg(test)]
mod tests;
mod time;

use super::{circumstances::Circumstances, facts::Facts, stores::Stores, verdict::Verdict};
use case::Case;

/// Judges `facts` on `stores`, under `circumstances`.
pub fn judge(facts: &Facts, stores: &Stores, circumstances: &Circumstances) -> Verdict {
    let case = Case::new(facts, stores, circumstances);
    let mut verdict = Verdict::default();
    verdict.counts.histories = u64::try_from(facts.runs.len()).unwrap_or(u64::MAX);
    verdict.counts.lines = facts.lines;
    verdict.counts.requests = facts.requests;
    verdict.counts.answers = facts.answers;
    verdict.counts.replays = facts.replays;
    verdict.counts.events = facts.events;
    verdict.counts.polls = facts.polls;
    stock::judge(&case, &mut verdict);
    let missing = outcomes::judge(&case, &mut verdict);
    once::judge(&case, &mut verdict);
    ledger::judge(&case, &missing, &mut verdict);
    time::judge(&case, &mut verdict);
    privacy::judge(&case, &mut verdict);
    end::judge(&case, &mut verdict);
    payments::judge(&case, &mut verdict);
    order::judge(&case, &mut verdict);
    verdict.finish();
    verdict
}
