//! Law 8: every pending order ends, and every payment has one order or one refund. The ledger says so itself; that
//! a provider agrees is seen at the provider.

use super::case::Case;
use crate::check::verdict::{Law, Subject, Verdict};

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for sale in case.sales.values() {
        for unsettled in &sale.ledger.unsettled {
            let subject = Subject::of_sale(sale.name).with_order(unsettled.order);
            verdict.violate(Law::PaidOrRefunded, subject, &*unsettled.what);
        }
    }
}
