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
        let buy = Buy {
            case,
            job: *job,
            facts,
            sale,
        };
        let told = buy.all_told();
        buy.contradictions(&told, verdict);
        for told in &told {
            buy.against_ledger(told, &mut missing, verdict);
        }
        if let Some(ack) = &facts.ack {
            end::judge(&buy, ack, &told, verdict);
            end::letter(&buy, ack, &told, verdict);
        }
    }
    for sale in case.sales.values() {
        unreadable(sale, verdict);
        decided_twice(sale, verdict);
    }
    missing
}

/// A job, what was heard of it, and its sale.
struct Buy<'c, 'a> {
    case: &'c Case<'a>,
    job: Uuid,
    facts: &'a JobFacts,
    sale: &'c SaleCase<'a>,
}

impl Buy<'_, '_> {
    fn subject(&self) -> Subject {
        subject_of(self.job, self.facts, self.sale)
    }

    /// Whether a loss of the ledger may have taken the decision of which `told` tells, and which was told
    /// at `at`.
    fn ledger_lost(&self, told: &Told, at: i64) -> bool {
        let sent = self.facts.ack.as_ref().map_or(told.at, |ack| ack.sent.at);
        self.case.ledger_lost(sent, at)
    }

    /// What was told of a job, its record included: whoever asks is told what stands there.
    fn all_told(&self) -> Vec<Told> {
        let mut told = self.facts.told.clone();
        let Some(record) = self.sale.redis.records.get(&self.job) else {
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
                    at: self.facts.ack.as_ref().map_or(0, |ack| ack.heard.at),
                    how: "its record",
                    sale: None,
                    product: None,
                });
            }
        }
        told
    }

    fn contradictions(&self, told: &[Told], verdict: &mut Verdict) {
        let may_change = |told: &&Told| {
            !(self.case.circumstances.letters_replayed && told.outcome == Outcome::Failed)
        };
        let mut final_ones = told.iter().filter(may_change);
        let Some(first) = final_ones.next() else {
            return;
        };
        for other in final_ones {
            let is_same = first.outcome == other.outcome
                && (first.order.is_none() || other.order.is_none() || first.order == other.order);
            // A repair may have to honour a lost order under another number.
            let is_renumbered =
                first.outcome == other.outcome && self.ledger_lost(first, first.at.min(other.at));
            if !is_same && !is_renumbered {
                let what = format!(
                    "was told {} by {}, and {} by {}",
                    words(first),
                    first.how,
                    words(other),
                    other.how
                );
                verdict.violate(Law::NoLostAck, self.subject(), what);
            }
        }
    }

    fn against_ledger(&self, told: &Told, missing: &mut Missing, verdict: &mut Verdict) {
        if self.case.circumstances.letters_replayed && told.outcome == Outcome::Failed {
            return;
        }
        let rejection = self.sale.rejection(self.job);
        if let Some(rejection) = rejection.filter(|rejection| *rejection != told.outcome) {
            let told = words(told);
            let what = format!("was told {told}, but the ledger rejected it: {rejection}");
            verdict.violate(Law::NoLostAck, self.subject(), what);
        }
        if told.outcome == Outcome::Confirmed {
            self.confirmed(told, missing, verdict);
        } else if let Some(order) = self.sale.order_of(self.job) {
            let what = format!(
                "was told {}, but order {} settles it",
                told.outcome, order.id
            );
            let subject = self.subject().with_order(Some(order.id));
            verdict.violate(Law::NoLostAck, subject, what);
        }
    }

    /// A confirmation: is its order there, and is it of this buy?
    fn confirmed(&self, told: &Told, missing: &mut Missing, verdict: &mut Verdict) {
        let own = self.sale.order_of(self.job).or_else(|| {
            let key = &self.facts.ack.as_ref()?.key;
            self.sale.order_of_key(&key.user, &key.text)
        });
        let subject = self.subject().with_order(told.order);
        match (own, told.order) {
            (Some(order), Some(number)) if order.id != number => {
                let what = format!(
                    "was told confirmed with order {number}, but order {} settles it",
                    order.id
                );
                if self.ledger_lost(told, told.at) {
                    verdict.lose(Store::Ledger, subject, what);
                    return;
                }
                verdict.violate(Law::NoLostAck, subject, what);
            }
            (Some(_), _) => {}
            (None, number) => {
                let other = number.and_then(|number| self.case.order(number));
                if let Some(other) = other.filter(|other| !self.may_be_of_same_key(other)) {
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
                if self.ledger_lost(told, told.at) {
                    verdict.lose(Store::Ledger, subject, what);
                    return;
                }
                let product = subject.product.clone().unwrap_or_default();
                *missing
                    .entry((self.sale.name.to_owned(), product))
                    .or_default() += 1;
                verdict.violate(Law::NoLostAck, subject, what);
            }
        }
    }

    /// Whether an unacknowledged job may be a second one of the key of `order`, whose first job Redis
    /// forgot. It is one if the shopper sent no other key.
    fn may_be_of_same_key(&self, order: &Order) -> bool {
        let is_buyer = |heard: &HeardBy| *heard.user == *order.user;
        self.facts.ack.is_none()
            && self.facts.heard_by.iter().any(is_buyer)
            && (!self.case.circumstances.redis_lost.is_empty()
                || self
                    .case
                    .only_key_of(self.facts)
                    .is_some_and(|(_, _, key)| key == order.key))
    }
}

fn words(told: &Told) -> String {
    match told.order {
        Some(order) => format!("{} with order {order}", told.outcome),
        None => told.outcome.to_string(),
    }
}

fn unreadable(sale: &SaleCase<'_>, verdict: &mut Verdict) {
    for text in &sale.redis.unreadable {
        let what = format!("record {text} is none");
        verdict.violate(Law::NoLostAck, Subject::of_sale(sale.name), what);
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
            job: Some(*job),
            ..Subject::of_sale(sale.name).with_order(order.map(|order| order.id))
        };
        verdict.violate(Law::NoLostAck, subject, what);
    }
}
