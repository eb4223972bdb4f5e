//! Law 2: every acknowledged job ends, in one way only, and what was told is what the ledger says.

mod end;

use std::collections::HashMap;

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use super::case::{Case, SaleCase, subject_of};
use crate::check::{
    facts::{HeardBy, JobFacts, Told},
    stores::Order,
    verdict::{Law, Store, Subject, Verdict},
};

/// Confirmations that the ledger has no order for, by sale and product; those that the ledger lost
/// are not among them.
pub(super) type Missing = HashMap<(String, String), i64>;

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) -> Missing {
    let mut missing = Missing::new();
    for (job, facts) in &case.facts.jobs {
        let Some(sale) = case.sale_of(*job, facts) else {
            continue;
        };
        let told = all_told(*job, facts, sale);
        contradictions(case, *job, facts, sale, &told, verdict);
        for told in &told {
            against_ledger(case, *job, facts, sale, told, &mut missing, verdict);
        }
        if let Some(ack) = &facts.ack {
            end::judge(case, *job, ack, sale, &told, verdict);
            end::letter(*job, ack, sale, &told, verdict);
        }
    }
    for sale in case.sales.values() {
        unreadable(sale, verdict);
        decided_twice(sale, verdict);
    }
    missing
}

/// What was told of a job, its record included: whoever asks is told what stands there.
fn all_told(job: Uuid, facts: &JobFacts, sale: &SaleCase<'_>) -> Vec<Told> {
    let mut told = facts.told.clone();
    let Some(record) = sale.redis.records.get(&job) else {
        return told;
    };
    if let Some(outcome) = record.outcome {
        let is_same = |told: &Told| {
            told.outcome == outcome && (record.order.is_none() || told.order == record.order)
        };
        if !told.iter().any(is_same) {
            told.push(Told {
                outcome,
                order: record.order,
                at: facts.ack.as_ref().map_or(0, |ack| ack.heard.at),
                how: "its record",
                sale: None,
                product: None,
            });
        }
    }
    told
}

fn contradictions(
    case: &Case<'_>,
    job: Uuid,
    facts: &JobFacts,
    sale: &SaleCase<'_>,
    told: &[Told],
    verdict: &mut Verdict,
) {
    let may_change =
        |told: &&Told| !(case.circumstances.letters_replayed && told.outcome == Outcome::Failed);
    let mut final_ones = told.iter().filter(may_change);
    let Some(first) = final_ones.next() else {
        return;
    };
    for other in final_ones {
        let is_same = first.outcome == other.outcome
            && (first.order.is_none() || other.order.is_none() || first.order == other.order);
        // A repair may have to honour a lost order under another number.
        let sent = facts.ack.as_ref().map_or(first.at, |ack| ack.sent.at);
        let is_renumbered =
            first.outcome == other.outcome && case.ledger_lost(sent, first.at.min(other.at));
        if !is_same && !is_renumbered {
            let what = format!(
                "was told {} by {}, and {} by {}",
                words(first),
                first.how,
                words(other),
                other.how
            );
            verdict.violate(Law::NoLostAck, subject_of(job, facts, sale), what);
        }
    }
}

fn words(told: &Told) -> String {
    match told.order {
        Some(order) => format!("{} with order {order}", told.outcome),
        None => told.outcome.to_string(),
    }
}

fn against_ledger(
    case: &Case<'_>,
    job: Uuid,
    facts: &JobFacts,
    sale: &SaleCase<'_>,
    told: &Told,
    missing: &mut Missing,
    verdict: &mut Verdict,
) {
    let subject = || subject_of(job, facts, sale);
    if told.outcome == Outcome::Confirmed {
        if let Some(rejection) = sale.rejection(job) {
            let what = format!(
                "was told {}, but the ledger rejected it: {rejection}",
                words(told)
            );
            verdict.violate(Law::NoLostAck, subject(), what);
        }
        confirmed(case, job, facts, sale, told, missing, verdict);
        return;
    }
    if case.circumstances.letters_replayed && told.outcome == Outcome::Failed {
        return;
    }
    if let Some(order) = sale.order_of(job) {
        let what = format!(
            "was told {}, but order {} settles it",
            told.outcome, order.id
        );
        let subject = Subject {
            order: Some(order.id),
            ..subject()
        };
        verdict.violate(Law::NoLostAck, subject, what);
    }
    match sale.rejection(job) {
        Some(rejection) if rejection != told.outcome => {
            let what = format!(
                "was told {}, but the ledger rejected it: {rejection}",
                told.outcome
            );
            verdict.violate(Law::NoLostAck, subject(), what);
        }
        _ => {}
    }
}

/// A confirmation: is its order there, and is it of this buy?
fn confirmed(
    case: &Case<'_>,
    job: Uuid,
    facts: &JobFacts,
    sale: &SaleCase<'_>,
    told: &Told,
    missing: &mut Missing,
    verdict: &mut Verdict,
) {
    let own = sale.order_of(job).or_else(|| {
        let key = &facts.ack.as_ref()?.key;
        sale.order_of_key(&key.user, &key.text)
    });
    let ledger_lost = |told: &Told| {
        let sent = facts.ack.as_ref().map_or(told.at, |ack| ack.sent.at);
        case.ledger_lost(sent, told.at)
    };
    let subject = Subject {
        order: told.order,
        ..subject_of(job, facts, sale)
    };
    match (own, told.order) {
        (Some(order), Some(number)) if order.id != number => {
            let what = format!(
                "was told confirmed with order {number}, but order {} settles it",
                order.id
            );
            if ledger_lost(told) {
                verdict.lose(Store::Ledger, subject, what);
                return;
            }
            verdict.violate(Law::NoLostAck, subject, what);
        }
        (Some(_), _) => {}
        (None, number) => {
            let other = number.and_then(|number| case.order(number));
            if let Some(other) = other.filter(|other| !may_be_of_same_key(case, facts, other)) {
                let what = format!(
                    "was told confirmed with order {}, which is shopper {}'s, key {}, of {}",
                    other.id, other.user, other.key, other.product
                );
                verdict.violate(Law::NoLostAck, subject, what);
                return;
            }
            if other.is_some() {
                return;
            }
            let what = match number {
                Some(number) => format!(
                    "was told confirmed with order {number} by {}, which the ledger does not have",
                    told.how
                ),
                None => format!("was told confirmed by {}, and has no order", told.how),
            };
            if ledger_lost(told) {
                verdict.lose(Store::Ledger, subject, what);
                return;
            }
            let product = subject.product.clone().unwrap_or_default();
            *missing.entry((sale.name.to_owned(), product)).or_default() += 1;
            verdict.violate(Law::NoLostAck, subject, what);
        }
    }
}

/// Whether an unacknowledged job may be a second one of the key of `order`, whose first job Redis
/// forgot. It is one if the shopper sent no other key.
fn may_be_of_same_key(case: &Case<'_>, facts: &JobFacts, order: &Order) -> bool {
    let is_buyer = |heard: &HeardBy| *heard.user == *order.user;
    facts.ack.is_none()
        && facts.heard_by.iter().any(is_buyer)
        && (!case.circumstances.redis_lost.is_empty()
            || case
                .only_key_of(facts)
                .is_some_and(|(_, _, key)| key == order.key))
}

fn unreadable(sale: &SaleCase<'_>, verdict: &mut Verdict) {
    for text in &sale.redis.unreadable {
        let subject = Subject {
            sale: Some(sale.name.to_owned()),
            ..Subject::default()
        };
        verdict.violate(Law::NoLostAck, subject, format!("record {text} is none"));
    }
}

/// Jobs that the ledger decided twice, differently.
fn decided_twice(sale: &SaleCase<'_>, verdict: &mut Verdict) {
    for (job, outcomes) in sale.ledger.rejections.iter().flatten() {
        let order = sale.order_of(*job);
        let differs = outcomes
            .iter()
            .any(|outcome| Some(outcome) != outcomes.first());
        if order.is_none() && !differs {
            continue;
        }
        let rejected = outcomes
            .iter()
            .map(|outcome| outcome.as_str())
            .collect::<Vec<_>>();
        let mut what = format!("the ledger rejected it as {}", rejected.join(" and as "));
        if let Some(order) = order {
            what = format!("{what}, and made order {}", order.id);
        }
        let subject = Subject {
            sale: Some(sale.name.to_owned()),
            job: Some(*job),
            order: order.map(|order| order.id),
            ..Subject::default()
        };
        verdict.violate(Law::NoLostAck, subject, what);
    }
}
