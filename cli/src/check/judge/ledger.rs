//! Law 4: PostgreSQL judges. What Redis admits and tells never comes to more than there is, and
//! nothing is told that the ledger did not decide.

use flashsale_domain::outcome::Outcome;

use super::{
    case::{Case, SaleCase, product_subject, subject},
    outcomes::Missing,
};
use crate::check::verdict::{Law, Verdict};

pub(super) fn judge(case: &Case<'_>, missing: &Missing, verdict: &mut Verdict) {
    for sale in case.sales.values() {
        units_told(sale, missing, verdict);
        stock_told(sale, verdict);
    }
    rejections(case, verdict);
}

/// Orders, and confirmations without an order, against what there ever was.
fn units_told(sale: &SaleCase<'_>, missing: &Missing, verdict: &mut Verdict) {
    for product in &sale.ledger.products {
        let name = (sale.name.to_owned(), product.id.clone());
        let missing = missing.get(&name).copied().unwrap_or(0);
        if missing > 0 && product.ordered + missing > product.initial {
            let what = format!(
                "{} orders and {missing} confirmations that the ledger does not have, of {} units \
                 ever on offer",
                product.ordered, product.initial
            );
            let subject = product_subject(sale, &product.id);
            verdict.violate(Law::PostgresqlJudges, subject, what);
        }
    }
}

/// Redis's figure against the ledger's, which was read later.
fn stock_told(sale: &SaleCase<'_>, verdict: &mut Verdict) {
    for product in sale
        .ledger
        .products
        .iter()
        .filter(|product| product.offered)
    {
        let Some(known) = sale.redis.stock.get(&product.id) else {
            continue;
        };
        let what = if known.version > product.version {
            format!(
                "Redis has the stock of version {}, the ledger is at {}: Redis takes no figure of \
                 the ledger any more",
                known.version, product.version
            )
        } else if known.version == product.version && known.stock != product.left {
            format!(
                "Redis has a stock of {}, the ledger of {}, and both call it version {}",
                known.stock, product.left, product.version
            )
        } else {
            continue;
        };
        let subject = product_subject(sale, &product.id);
        verdict.violate(Law::PostgresqlJudges, subject, what);
    }
}

/// Rejections that were told and that the ledger did not decide, where it keeps them.
fn rejections(case: &Case<'_>, verdict: &mut Verdict) {
    for (job, facts, ack, sale) in case.acknowledged() {
        let Some(kept) = &sale.ledger.rejections else {
            continue;
        };
        // They are freed with the sale, and older workers keep none.
        let all_kept = sale.ledger.keeps_all_rejections && sale.offers_any();
        if !all_kept || kept.contains_key(&job) {
            continue;
        }
        for outcome in [Outcome::SoldOut, Outcome::LimitReached] {
            let told = facts.told.iter().find(|told| told.outcome == outcome);
            let Some(told) = told else {
                continue;
            };
            if sale.order_of(job).is_none() && !case.ledger_lost(ack.sent.at, told.at) {
                let what = format!("was told {outcome}, and the ledger has no such rejection");
                verdict.violate(Law::PostgresqlJudges, subject(job, ack), what);
            }
        }
    }
}
