//! Law 7: a sale that was taken away leaves nothing behind.

use super::case::Case;
use crate::check::verdict::{Law, Subject, Verdict};

pub(super) fn judge(case: &Case<'_>, verdict: &mut Verdict) {
    for sale in case.sales.values() {
        let mut violate =
            |what: String| verdict.violate(Law::TidyEnd, Subject::of_sale(sale.name), what);
        if sale.redis.in_force {
            if !sale.redis.registered {
                violate(
                    "its record is there, but `fs:sales` does not have it: no worker serves it"
                        .to_owned(),
                );
            }
            continue;
        }
        if sale.redis.registered {
            violate("`fs:sales` has it, but it has no record".to_owned());
        }
        for key in &sale.redis.left_over {
            violate(format!("is not in force, and its key {key} is still there"));
        }
        let rejections = sale.ledger.rejections.iter().flatten().count();
        if rejections > 0 && !sale.offers_any() {
            violate(format!(
                "is released, and {rejections} of its rejections are still in the ledger"
            ));
        }
    }
}
