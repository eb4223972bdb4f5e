//! Judges the spec, and what of it may change now (pure). What is put in force came through here.

use std::collections::BTreeSet;

use flashsale_domain::{
    id::SaleId,
    lifecycle::Announced,
    sale::{
        Sale,
        spec::FlashSaleSpec,
        validation::{Mistake, check_spec},
    },
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    dereference::{Dereferenced, Unlocated},
    pod_template,
    refusal::{Refusal, sentence},
};
use crate::{
    crd::{FlashSale, LONGEST_NAME},
    events::Reason,
    stores::Located,
};

/// A FlashSale that can be put in force as written.
#[derive(Debug, Clone)]
pub struct Valid {
    /// The sale.
    pub sale: Sale,
    /// Its stores.
    pub located: Located,
}

/// Judges `object`; its pod template may have the further fields `permitted`.
///
/// # Errors
/// The refusal, which is not retried: it awaits an edit.
pub fn validate(
    object: &FlashSale,
    sale: &SaleId,
    found: &Dereferenced,
    permitted: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Valid, Refusal> {
    let checked = check(&object.name_any(), sale, &object.spec, permitted)?;
    let refused = &found.judgement.refused;
    if !refused.is_empty() {
        return Err(Refusal::new(Reason::NotAllowed, sentence(refused)));
    }
    match &found.in_force {
        Ok(Some(in_force)) => may_follow(in_force, &checked, has_opened(object, in_force, now))?,
        Ok(None) => is_to_come(object, &checked, now)?,
        Err(_) => {}
    }
    let located = match &found.written {
        Ok(located) => located.clone(),
        Err(error) => {
            let reason = match error {
                Unlocated::Secret(_) => Reason::SecretMissing,
                Unlocated::NotAllowed(_) => Reason::NotAllowed,
                Unlocated::Address(_) => Reason::AddressUnusable,
            };
            return Err(Refusal::new(reason, error.to_string()));
        }
    };
    Ok(Valid {
        sale: checked,
        located,
    })
}

fn check(
    name: &str,
    sale: &SaleId,
    spec: &FlashSaleSpec,
    permitted: &BTreeSet<String>,
) -> Result<Sale, Refusal> {
    let mut mistakes = pod_template::mistakes(spec, permitted);
    if name.len() > LONGEST_NAME {
        mistakes.push(Mistake {
            path: "metadata.name".to_owned(),
            message: format!(
                "write a name of at most {LONGEST_NAME} characters; pods and labels carry it"
            ),
        });
    }
    match check_spec(sale.clone(), spec) {
        Ok(sale) if mistakes.is_empty() => return Ok(sale),
        Ok(_) => {}
        Err(found) => mistakes.extend(found),
    }
    Err(Refusal::new(Reason::InvalidSpec, sentence(&mistakes)))
}

/// Whether shoppers may have bought already.
fn has_opened(object: &FlashSale, in_force: &Announced, now: Timestamp) -> bool {
    let told = object.status.as_ref().and_then(|status| status.opened_at);
    told.is_some()
        || in_force
            .sale
            .schedule
            .opens_at
            .is_some_and(|opens| opens <= now)
}

/// The sale in force as it goes on while the edit `spec` is refused: what of the edit only takes away
/// is honoured all the same, so that a mistake elsewhere never keeps a sale from being stopped.
pub fn restricted(in_force: &Announced, spec: &FlashSaleSpec) -> Announced {
    let mut kept = in_force.clone();
    let sale = &mut kept.sale;
    sale.suspended |= spec.suspend;
    if let Some(closes) = spec.closing() {
        let schedule = &mut sale.schedule;
        let is_earlier = schedule.closes_at.is_none_or(|known| closes < known);
        // A closing before the opening is a mistake itself.
        if is_earlier && schedule.opens_at.is_none_or(|opens| opens < closes) {
            schedule.closes_at = Some(closes);
        }
    }
    kept
}

/// Whether a sale that is not in force may begin. One that has opened before is put in force again
/// whenever it ended, since its buys need their outcomes.
fn is_to_come(object: &FlashSale, new: &Sale, now: Timestamp) -> Result<(), Refusal> {
    let status = object.status.as_ref();
    let has_begun =
        status.is_some_and(|status| status.last_accepted.is_some() || status.opened_at.is_some());
    match new.schedule.closes_at {
        Some(closes) if closes <= now && !has_begun => Err(Refusal::new(
            Reason::InvalidSpec,
            format!("spec.closesAt: {closes} is in the past; write a later time, or leave it out"),
        )),
        _ => Ok(()),
    }
}

/// The rules of the definition for updates, once more: old API servers do not know them.
fn may_follow(in_force: &Announced, new: &Sale, opened: bool) -> Result<(), Refusal> {
    if !opened {
        return Ok(());
    }
    let forbidden = |message: String| Err(Refusal::new(Reason::ForbiddenEdit, message));
    let old = &in_force.sale;
    if new.schedule.opens_at != old.schedule.opens_at {
        let was = old
            .schedule
            .opens_at
            .map_or("left out".to_owned(), |at| at.to_string());
        return forbidden(format!(
            "the sale has opened, opensAt stays as it is; write it back ({was}), and suspend the \
             sale to close its intake"
        ));
    }
    if new.currency != old.currency {
        return forbidden(format!(
            "the sale has opened, its currency stays as it is; write it back ({}), and sell in another \
             one by another FlashSale",
            old.currency.code()
        ));
    }
    if new.payment.is_some() != old.payment.is_some() {
        return forbidden(
            "the sale has opened, whether its orders have to be paid stays as it is; write spec.payment as \
             it was, and sell otherwise by another FlashSale"
                .to_owned(),
        );
    }
    let provider = |sale: &Sale| {
        sale.payment
            .as_ref()
            .and_then(|payment| payment.provider.clone())
    };
    if provider(new) != provider(old) {
        let was = provider(old).unwrap_or_else(|| "left out".to_owned());
        return forbidden(format!(
            "the sale has opened, the provider of its payments stays as it is; write spec.payment.provider back ({was}), \
             and sell otherwise by another FlashSale"
        ));
    }
    for product in &old.products {
        if !new.products.iter().any(|kept| kept.id == product.id) {
            return forbidden(format!(
                "the sale has opened, its products stay; put product {} back, with stock 0 to take \
                 it off sale",
                product.id
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(changes: &serde_json::Value) -> FlashSaleSpec {
        let mut spec = json!({
            "opensAt": "2026-11-27T09:00:00Z",
            "products": [
                {"id": "shoe", "name": "Shoe", "price": 1, "stock": 5},
                {"id": "hat", "name": "Hat", "price": 1, "stock": 5},
            ],
        });
        for (field, value) in changes.as_object().unwrap() {
            spec[field] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn check_spec_of(name: &str, spec: &FlashSaleSpec) -> Result<Sale, Refusal> {
        check(
            name,
            &SaleId::new("shop.drop").unwrap(),
            spec,
            &BTreeSet::new(),
        )
    }

    fn sale(changes: &serde_json::Value) -> Sale {
        check_spec_of("drop", &spec(changes)).unwrap()
    }

    fn announced() -> Announced {
        Announced {
            sale: sale(&json!({})),
            closing: false,
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_and_none_panics() {
        let bad = spec(&json!({
            "attempts": 0,
            "closesAt": "2026-11-27T08:00:00Z",
            "products": [],
        }));
        let refusal = check_spec_of("drop", &bad).unwrap_err();
        assert_eq!(refusal.reason, Reason::InvalidSpec);
        for path in ["spec.attempts", "spec.closesAt", "spec.products"] {
            assert!(refusal.message.contains(path), "{}", refusal.message);
        }
    }

    #[test]
    fn a_long_list_of_mistakes_is_cut() {
        let products: Vec<_> = (0..40)
            .map(|_| json!({"id": "shoe", "name": "", "price": -1, "stock": -1}))
            .collect();
        let bad = spec(&json!({ "products": products }));
        let refusal = check_spec_of("drop", &bad).unwrap_err();
        assert!(refusal.message.ends_with("more"), "{}", refusal.message);
        assert!(refusal.message.len() < 2_000);
    }

    #[test]
    fn names_that_labels_cannot_carry_are_refused() {
        let name = "n".repeat(LONGEST_NAME + 1);
        let refusal = check_spec_of(&name, &spec(&json!({}))).unwrap_err();
        assert!(
            refusal.message.contains("metadata.name"),
            "{}",
            refusal.message
        );
    }

    #[test]
    fn once_open_opening_currency_payment_and_products_stay() {
        let later = json!({"opensAt": "2026-11-27T10:00:00Z"});
        let fewer = json!({"products": [{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}]});
        let in_euros = json!({"currency": "EUR"});
        for (changes, sentence) in [
            (later, "opensAt stays"),
            (in_euros, "write it back (USD)"),
            (json!({"payment": {}}), "write spec.payment as it was"),
            (fewer, "put product hat back"),
        ] {
            let new = sale(&changes);
            assert_eq!(may_follow(&announced(), &new, false), Ok(()));
            let refusal = may_follow(&announced(), &new, true).unwrap_err();
            assert_eq!(refusal.reason, Reason::ForbiddenEdit);
            assert!(refusal.message.contains(sentence), "{}", refusal.message);
        }
    }

    #[test]
    fn once_open_the_provider_of_payments_stays() {
        let of = |payment: serde_json::Value| sale(&json!({ "payment": payment }));
        let old = Announced {
            sale: of(json!({"provider": "till"})),
            closing: false,
        };
        let same = of(json!({"provider": "till", "onLate": "Refund", "windowSeconds": 60}));
        assert_eq!(may_follow(&old, &same, true), Ok(()));
        for other in [json!({"provider": "other"}), json!({})] {
            let new = of(other);
            assert_eq!(may_follow(&old, &new, false), Ok(()));
            let refusal = may_follow(&old, &new, true).unwrap_err();
            assert!(
                refusal
                    .message
                    .contains("write spec.payment.provider back (till)")
            );
        }
    }

    #[test]
    fn a_refused_edit_may_only_restrict() {
        let as_it_is = announced();
        let kept = |in_force: &Announced, changes| restricted(in_force, &spec(&changes));
        assert_eq!(kept(&as_it_is, json!({"attempts": 9})), as_it_is);
        let suspended = kept(&as_it_is, json!({"suspend": true, "attempts": 0}));
        assert!(suspended.sale.suspended);
        assert_eq!(suspended.sale.retry, as_it_is.sale.retry);
        // To go on selling is no restriction.
        assert_eq!(kept(&suspended, json!({"suspend": false})), suspended);
        let (noon, one) = ("2026-11-27T12:00:00Z", "2026-11-27T13:00:00Z");
        let closes = |announced: &Announced| {
            let at = announced.sale.schedule.closes_at;
            at.map(|at| at.to_string())
        };
        let at_noon = kept(&as_it_is, json!({"closesAt": noon}));
        assert_eq!(closes(&at_noon).as_deref(), Some(noon));
        for later in [json!({"closesAt": one}), json!({"closesAt": null})] {
            assert_eq!(kept(&at_noon, later), at_noon);
        }
        let before_the_opening = json!({"closesAt": "2026-11-27T08:00:00Z"});
        assert_eq!(kept(&at_noon, before_the_opening), at_noon);
    }

    #[test]
    fn once_open_the_rest_may_change() {
        let changes = json!({
            "closesAt": "2026-11-27T12:00:00Z",
            "suspend": true,
            "turnstile": {"rateLimit": {"requests": 1}},
            "products": [
                {"id": "hat", "name": "Hat", "price": 9, "stock": 1},
                {"id": "shoe", "name": "Shoe", "price": 1, "stock": 50, "maxPerUser": 1},
                {"id": "scarf", "name": "Scarf", "price": 1, "stock": 1},
            ],
        });
        assert_eq!(may_follow(&announced(), &sale(&changes), true), Ok(()));
    }
}
