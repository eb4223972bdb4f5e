//! Law 1: what was ever on offer is what is left plus what is ordered, and nobody has more units
//! than the sale allows one shopper.

use std::collections::BTreeMap;

use super::case::{Case, SaleCase, product_subject};
use crate::check::{
    stores::Product,
    verdict::{Law, Subject, Verdict},
};

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for sale in case.sales.values() {
        for product in &sale.ledger.products {
            if let Some(complaint) = complaint(product) {
                let subject = product_subject(sale, &product.id);
                verdict.violate(Law::NoOversell, subject, complaint);
            }
            if let Some(limit) = product.max_per_user.filter(|_| product.offered) {
                beyond_limit(sale, &product.id, limit, verdict);
            }
        }
    }
    for (product, heard) in &case.facts.stock {
        if let Some(least) = heard.least.filter(|least| *least < 0) {
            let subject = Subject {
                product: Some(product.clone()),
                ..Subject::default()
            };
            let what = format!("a stock of {least} units was told");
            verdict.violate(Law::NoOversell, subject, what);
        }
    }
}

fn complaint(product: &Product) -> Option<String> {
    let Product {
        initial,
        left,
        sold,
        ordered,
        ..
    } = product;
    let difference = match left + ordered - initial {
        0 if *left < 0 => "the stock is negative".to_owned(),
        0 if sold != ordered => format!("its row counts {sold} sold"),
        0 => return None,
        over @ 1.. => format!("{over} too many"),
        under => format!("{} gone without an order", -under),
    };
    Some(format!(
        "{initial} units ever on offer, {left} left, {ordered} ordered: {difference}"
    ))
}

/// Shoppers with more units of one incarnation of the sale than one shopper may have.
fn beyond_limit(sale: &SaleCase<'_>, product: &str, limit: i64, verdict: &mut Verdict) {
    // Without incarnations, all orders are of the first.
    let present = sale.ledger.incarnation.unwrap_or(1);
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for order in &sale.ledger.orders {
        // The limit is the one in force now, which an earlier incarnation need not have had.
        if !order.cancelled && order.product == product && order.incarnation == present {
            *units.entry(&order.user).or_default() += 1;
        }
    }
    for (user, units) in units.into_iter().filter(|(_, units)| *units > limit) {
        let subject = Subject {
            user: Some(user.to_owned()),
            ..product_subject(sale, product)
        };
        let what = format!(
            "{units} units, allowed are {limit} (was maxPerUser lowered while the sale ran?)"
        );
        verdict.violate(Law::NoOversell, subject, what);
    }
}
