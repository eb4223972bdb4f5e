//! Order of arrival: within a lane, whoever was acknowledged before another one even asked is not
//! told sold out while the other one is confirmed.

use std::collections::BTreeMap;

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use super::case::{Case, SaleCase, subject};
use crate::{
    check::{
        facts::{Ack, JobFacts, StockHeard},
        verdict::{Law, Verdict},
    },
    history::Ending,
};

/// One lane in one file: clocks of two files cannot be compared to the microsecond.
type Lane<'a> = (usize, &'a str, &'a str);

/// A buy by when its acceptance begins and ends to be possible.
type Buy<'a> = (Uuid, &'a Ack);

#[derive(Default)]
struct Ends<'a> {
    confirmed: Vec<Buy<'a>>,
    /// The one that was told sold out and acknowledged first.
    sold_out: Option<Buy<'a>>,
}

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    let mut lanes: BTreeMap<Lane<'_>, Ends<'_>> = BTreeMap::new();
    for (job, facts, ack, sale) in case.acknowledged() {
        let lane = (ack.run, &*ack.key.sale, &*ack.product);
        let ends = lanes.entry(lane).or_default();
        if has_earlier_order(job, ack, sale) {
            // It got the order of an older job of its key, which Redis forgot.
        } else if is_confirmed(job, facts, sale) {
            // Where the load was killed, units may have come back after its last line.
            let run = case.facts.runs.get(ack.run);
            let is_whole = run.is_some_and(|run| run.ending == Ending::Complete);
            if !is_whole && !facts.is_counted {
                continue;
            }
            ends.confirmed.push((job, ack));
        } else if is_sold_out(job, facts, sale) && !facts.was_told(Outcome::Failed) {
            let is_earlier = |(_, known): &Buy<'_>| ack.heard.us < known.heard.us;
            if ends.sold_out.as_ref().is_none_or(is_earlier) {
                ends.sold_out = Some((job, ack));
            }
        }
    }
    for ((_, sale, product), ends) in lanes {
        let Some((passed_over, first)) = ends.sold_out else {
            continue;
        };
        let overtook = ends.confirmed.into_iter();
        let overtook: Vec<Buy<'_>> = overtook
            .filter(|(_, ack)| ack.sent.us > first.heard.us)
            .collect();
        let count = i64::try_from(overtook.len()).unwrap_or(i64::MAX);
        if count == 0 {
            continue;
        }
        let returned = returned(case, sale, product);
        if let Some(reason) = excuse(case, count, returned) {
            verdict.notes.push(format!(
                "lane {product} of sale {sale}: {count} buys were confirmed although earlier ones \
                 were told sold out; {reason}"
            ));
            continue;
        }
        for (job, ack) in overtook {
            let what = format!(
                "was sent {} µs after job {passed_over} of shopper {} was acknowledged, and is \
                 confirmed while that one was told sold out ({returned} units came back)",
                ack.sent.us - first.heard.us,
                first.key.user
            );
            verdict.violate(Law::OrderOfArrival, subject(job, ack), what);
        }
    }
}

fn has_earlier_order(job: Uuid, ack: &Ack, sale: &SaleCase<'_>) -> bool {
    let order = sale.order_of_key(&ack.key.user, &ack.key.text);
    order.is_some_and(|order| order.job != job)
}

fn is_confirmed(job: Uuid, facts: &JobFacts, sale: &SaleCase<'_>) -> bool {
    facts.was_told(Outcome::Confirmed)
        || sale.order_of(job).is_some()
        || sale.recorded(job) == Some(Outcome::Confirmed)
}

fn is_sold_out(job: Uuid, facts: &JobFacts, sale: &SaleCase<'_>) -> bool {
    facts.was_told(Outcome::SoldOut)
        || sale.rejection(job) == Some(Outcome::SoldOut)
        || sale.recorded(job) == Some(Outcome::SoldOut)
}

/// Units that came back on sale: cancelled orders, or what the history heard, if more.
fn returned(case: &Case<'_>, sale: &str, product: &str) -> i64 {
    let orders = case
        .sales
        .get(sale)
        .map_or(&[][..], |sale| &sale.ledger.orders);
    let cancelled = orders
        .iter()
        .filter(|order| order.cancelled && order.product == product)
        .count();
    let cancelled = i64::try_from(cancelled).unwrap_or(i64::MAX);
    let heard = case.facts.stock.get(product);
    cancelled.max(heard.map_or(0, StockHeard::came_back))
}

fn excuse(case: &Case<'_>, count: i64, returned: i64) -> Option<String> {
    let told = case.circumstances;
    if returned >= count {
        return Some(format!("{returned} units came back meanwhile"));
    }
    let reasons = [
        (told.restocked, "units were put back on sale (--restocked)"),
        (
            told.retried,
            "jobs were tried again behind others (--retried)",
        ),
        (
            told.letters_replayed,
            "dead letters were replayed behind others (--letters-replayed)",
        ),
        (
            !told.ledger_lost.is_empty(),
            "units came back with lost commits (--ledger-lost)",
        ),
    ];
    let (_, reason) = reasons.into_iter().find(|(is_so, _)| *is_so)?;
    Some(reason.to_owned())
}
