//! Law 6: what became of a buy is told to its shopper alone.

use super::case::{Case, subject};
use crate::check::verdict::{Law, Subject, Verdict};

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for (job, facts) in &case.facts.jobs {
        let Some(sale) = case.sale_of(*job, facts) else {
            continue;
        };
        let order = sale.order_of(*job);
        let record = sale.redis.records.get(job);
        let owner = match &facts.ack {
            Some(ack) => Some(&*ack.key.user),
            None => order
                .map(|order| order.user.as_str())
                .or(record.map(|record| record.user.as_str())),
        };
        let Some(owner) = owner else {
            continue;
        };
        let subject = || match &facts.ack {
            Some(ack) => subject(*job, ack),
            None => Subject {
                sale: Some(sale.name.to_owned()),
                job: Some(*job),
                user: Some(owner.to_owned()),
                ..Subject::default()
            },
        };
        for heard in facts.heard_by.iter().filter(|heard| &*heard.user != owner) {
            let what = format!("shopper {} heard of it by {}", heard.user, heard.how);
            verdict.violate(Law::Privacy, subject(), what);
        }
        if let Some(order) = order.filter(|order| order.user != owner) {
            let what = format!("its order {} is shopper {}'s", order.id, order.user);
            verdict.violate(Law::Privacy, subject(), what);
        }
        if let Some(record) = record.filter(|record| record.user != owner) {
            let what = format!("its record is shopper {}'s", record.user);
            verdict.violate(Law::Privacy, subject(), what);
        }
        let Some(ack) = &facts.ack else {
            continue;
        };
        let products = order
            .map(|order| ("order", &order.product))
            .into_iter()
            .chain(record.map(|record| ("record", &record.product)));
        for (what, product) in products.filter(|(_, product)| **product != *ack.product) {
            let what = format!("its {what} is of product {product}");
            verdict.violate(Law::NoLostAck, subject(), what);
        }
    }
}
