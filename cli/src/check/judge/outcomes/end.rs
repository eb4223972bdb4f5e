//! The end of an acknowledged job: by what was told, by the ledger, or none.

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use super::{
    super::case::{Case, SaleCase, subject},
    Buy, words,
};
use crate::{
    check::{
        facts::{Ack, Told},
        verdict::{Law, Store, Verdict},
    },
    history::Ending,
};

/// How an acknowledged job ended, or that it did not.
pub(super) fn judge(buy: &Buy<'_, '_>, ack: &Ack, told: &[Told], verdict: &mut Verdict) {
    let Buy {
        case, job, sale, ..
    } = *buy;
    verdict.counts.acknowledged += 1;
    let in_lane = sale.redis.lanes.contains_key(&job);
    // What was told last counts, where a replayed letter had a second end.
    let told = told
        .iter()
        .max_by_key(|told| (told.outcome != Outcome::Failed, told.at));
    let own = sale.order_of(job).map(|_| Outcome::Confirmed);
    let outcome = own
        .or(told.map(|told| told.outcome))
        .or(sale.rejection(job));
    if let Some(outcome) = outcome {
        *match outcome {
            Outcome::Confirmed => &mut verdict.counts.confirmed,
            Outcome::SoldOut => &mut verdict.counts.sold_out,
            Outcome::LimitReached => &mut verdict.counts.limit_reached,
            Outcome::Failed => &mut verdict.counts.failed,
        } += 1;
        if told.is_some() && in_lane && !case.circumstances.running && !case.redis_lost(ack) {
            let what = format!("ended as {outcome}, and waits in its lane again");
            verdict.violate(Law::NoLostAck, subject(job, ack), what);
        }
        return;
    }
    if sale.order_of_key(&ack.key.user, &ack.key.text).is_some() || has_successor(case, job, ack) {
        verdict.counts.renamed += 1;
        return;
    }
    if in_lane {
        verdict.counts.waiting += 1;
        if !case.circumstances.running {
            let what = "still waits in its lane (--running, if it is still being settled)";
            verdict.violate(Law::NoLostAck, subject(job, ack), what);
        }
        return;
    }
    verdict.counts.without_outcome += 1;
    let record = if sale.redis.records.contains_key(&job) {
        "its record says queued"
    } else {
        "it has no record"
    };
    let what = format!("was acknowledged, has no outcome, and is in no lane; {record}");
    if case.redis_lost(ack) {
        verdict.lose(Store::Redis, subject(job, ack), what);
    } else if is_unknown(case, ack, sale) {
        let run = case
            .facts
            .runs
            .get(ack.run)
            .map_or("", |run| run.name.as_str());
        let note = format!(
            "{run} was cut off before outcomes were asked for, and sale {} is no longer in Redis: \
             some of its buys cannot be judged",
            sale.name
        );
        if !verdict.notes.contains(&note) {
            verdict.notes.push(note);
        }
    } else {
        verdict.violate(Law::NoLostAck, subject(job, ack), what);
    }
}

/// Whether another job of the same key, which Redis forgot in between, has an end.
fn has_successor(case: &Case<'_>, job: Uuid, ack: &Ack) -> bool {
    let jobs = case.facts.keys.get(&ack.key).map_or(&[][..], Vec::as_slice);
    let others = jobs.iter().filter(|other| **other != job);
    others
        .filter_map(|other| case.facts.jobs.get(other))
        .any(|other| !other.told.is_empty())
}

/// A dead letter belongs to a job that was told failed, and to no other. (A failed job without a
/// letter is one whose letter somebody discarded.)
pub(super) fn letter(buy: &Buy<'_, '_>, ack: &Ack, told: &[Told], verdict: &mut Verdict) {
    let Some(letter) = buy.sale.redis.letters.get(&buy.job) else {
        return;
    };
    // Another producer may have borrowed the job's id; such a letter says nothing of this buy.
    let is_own = *letter.user == *ack.key.user && *letter.key == *ack.key.text;
    let other = told.iter().find(|told| told.outcome != Outcome::Failed);
    if let (true, Some(other)) = (is_own, other) {
        let what = format!(
            "is dead letter {}, and was told {}",
            letter.id,
            words(other)
        );
        verdict.violate(Law::NoLostAck, subject(buy.job, ack), what);
    }
}

/// Whether nobody can know any more: the load never asked, and what Redis held was freed.
fn is_unknown(case: &Case<'_>, ack: &Ack, sale: &SaleCase<'_>) -> bool {
    let run = case.facts.runs.get(ack.run);
    !sale.redis.in_force && run.is_some_and(|run| run.ending != Ending::Complete)
}
