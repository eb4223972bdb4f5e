//! Law 3: one key of one shopper is one job and at most one order, and one job is one key.

use std::collections::{BTreeMap, HashMap, HashSet};

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use super::case::{Case, SaleCase, subject};
use crate::check::{
    facts::{Ack, Key},
    stores::Order,
    verdict::{Law, Subject, Verdict},
};

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    jobs_of_keys(case, verdict);
    keys_of_jobs(case, verdict);
    numbers_told(case, verdict);
    for sale in case.sales.values() {
        orders(sale, verdict);
    }
}

/// A key that was told two jobs, unless Redis lost the first in between.
fn jobs_of_keys(case: &Case<'_>, verdict: &mut Verdict) {
    for (key, jobs) in &case.facts.keys {
        let acks: Vec<(Uuid, &Ack)> = jobs
            .iter()
            .filter_map(|job| own_ack(case, *job, key))
            .collect();
        for pair in acks.windows(2) {
            let [(first, before), (second, after)] = pair else {
                continue;
            };
            let mut losses = case.circumstances.redis_lost.iter();
            // Answers may overtake each other, so the one heard first need not be the older job.
            let was_lost = losses.any(|loss| {
                let covers = |ack: &Ack| loss.covers(ack.sent.at, ack.heard.at);
                let began = before.sent.at.min(after.sent.at);
                (covers(before) || covers(after)) && loss.lies_between(began, after.heard.at)
            });
            if !was_lost {
                let what = format!("the same key was told job {first} before");
                verdict.violate(Law::Once, subject(*second, after), what);
            }
        }
    }
}

fn own_ack<'a>(case: &Case<'a>, job: Uuid, key: &Key) -> Option<(Uuid, &'a Ack)> {
    let ack = case.facts.jobs.get(&job)?.ack.as_ref()?;
    (ack.key == *key).then_some((job, ack))
}

/// A job that was told to two keys.
fn keys_of_jobs(case: &Case<'_>, verdict: &mut Verdict) {
    for (job, facts, ack, _) in case.acknowledged() {
        for other in &facts.other_keys {
            let what = format!(
                "key {} of shopper {} was told the same job",
                other.text, other.user
            );
            verdict.violate(Law::Once, subject(job, ack), what);
        }
    }
}

/// An order's number that was told to two buys.
fn numbers_told(case: &Case<'_>, verdict: &mut Verdict) {
    let mut first_told: HashMap<i64, Uuid> = HashMap::new();
    let mut jobs: Vec<Uuid> = case.facts.jobs.keys().copied().collect();
    jobs.sort_unstable();
    for job in jobs {
        let Some(facts) = case.facts.jobs.get(&job) else {
            continue;
        };
        let numbers: HashSet<i64> = facts
            .told
            .iter()
            .filter(|told| told.outcome == Outcome::Confirmed)
            .filter_map(|told| told.order)
            .collect();
        for number in numbers {
            let Some(first) = first_told.insert(number, job) else {
                continue;
            };
            if may_be_one_key(case, &first, &job) {
                continue;
            }
            let subject = facts.ack.as_ref().map_or_else(
                || Subject {
                    job: Some(job),
                    ..Subject::default()
                },
                |ack| subject(job, ack),
            );
            let what = format!("the number of its order was told to job {first} as well");
            verdict.violate(Law::Once, subject.with_order(Some(number)), what);
        }
    }
}

/// Whether two jobs are, or may be, of one key: one that Redis forgot has a second job, which gets
/// the order of the first. Where an acknowledgement never arrived, the key is that of the job's order, or
/// the only one that the shopper sent; else the shopper is all that is known.
fn may_be_one_key(case: &Case<'_>, first: &Uuid, second: &Uuid) -> bool {
    let facts = |job: &Uuid| case.facts.jobs.get(job);
    let key = |job: &Uuid| {
        let acknowledged = facts(job).and_then(|facts| facts.ack.as_ref());
        let acknowledged = acknowledged.map(|ack| &ack.key);
        let acknowledged = acknowledged.map(|key| (&*key.sale, &*key.user, &*key.text));
        let by_order = || {
            let mut sales = case.sales.values();
            sales.find_map(|sale| {
                let order = sale.order_of(*job)?;
                Some((sale.name, order.user.as_str(), order.key.as_str()))
            })
        };
        acknowledged
            .or_else(by_order)
            .or_else(|| case.only_key_of(facts(job)?))
    };
    if let (Some(first), Some(second)) = (key(first), key(second)) {
        return first == second;
    }
    let shoppers = |job: &Uuid| -> HashSet<&str> {
        let heard = facts(job).into_iter().flat_map(|facts| &facts.heard_by);
        let heard = heard.map(|heard| &*heard.user);
        heard.chain(key(job).map(|(_, user, _)| user)).collect()
    };
    !case.circumstances.redis_lost.is_empty() && !shoppers(first).is_disjoint(&shoppers(second))
}

/// Keys and jobs with two orders in the ledger.
fn orders(sale: &SaleCase<'_>, verdict: &mut Verdict) {
    let mut by_key: BTreeMap<(&str, &str, i32), Vec<&Order>> = BTreeMap::new();
    let mut by_job: BTreeMap<Uuid, Vec<&Order>> = BTreeMap::new();
    for order in &sale.ledger.orders {
        let key = (order.user.as_str(), order.key.as_str(), order.incarnation);
        by_key.entry(key).or_default().push(order);
        by_job.entry(order.job).or_default().push(order);
    }
    let several = by_key.into_values().map(|orders| ("key", orders));
    let several = several.chain(by_job.into_values().map(|orders| ("job", orders)));
    for (what, orders) in several.filter(|(_, orders)| orders.len() > 1) {
        let mut numbers: Vec<i64> = orders.iter().map(|order| order.id).collect();
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        let words = format!(
            "one {what} made {} orders: {}",
            orders.len(),
            numbers.join(", ")
        );
        for order in orders.iter().take(1) {
            let subject = Subject {
                sale: Some(sale.name.to_owned()),
                product: Some(order.product.clone()),
                job: Some(order.job),
                user: Some(order.user.clone()),
                key: Some(order.key.clone()),
                order: None,
            };
            verdict.violate(Law::Once, subject, words.clone());
        }
    }
}
