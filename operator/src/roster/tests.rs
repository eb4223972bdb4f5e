use flashsale_domain::{
    sale::{
        spec::{FlashSaleSpec, SecretKeyRef},
        validation,
    },
    scaling::{Decision, Reason},
};
use serde_json::json;

use super::*;
use crate::stores::{Addresses, StoreCache, StoreCertificates};

fn id() -> SaleId {
    SaleId::new("shop.drop").unwrap()
}

fn announced(suspend: bool) -> Announced {
    let spec = json!({
        "suspend": suspend,
        "products": [{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}],
    });
    let spec: FlashSaleSpec = serde_json::from_value(spec).unwrap();
    Announced {
        sale: validation::check_spec(id(), &spec).unwrap(),
        closing: false,
    }
}

/// Stores that nobody connects to.
fn located() -> Located {
    let addresses = Addresses {
        redis: "redis://127.0.0.1:1".into(),
        database: "postgres://127.0.0.1:1/flashsale".into(),
        transaction_pooler: false,
    };
    let stores = StoreCache::default().get(addresses.clone(), StoreCertificates::default());
    let reference = SecretKeyRef {
        name: "stores".to_owned(),
        key: "url".to_owned(),
    };
    Located {
        stores: stores.unwrap(),
        worker_database: reference.clone(),
        redis: reference,
        addresses,
        secret_ids: String::new(),
    }
}

fn decide(roster: &Roster, workers: u32) -> u64 {
    let mut entries = roster.entries();
    let entry = entries.get_mut(&id()).unwrap();
    entry.observe(Observation {
        decision: Some(Decision {
            workers,
            reason: Reason::AtNeed,
        }),
        ..Observation::default()
    });
    entry.desired().revision
}

#[tokio::test]
async fn what_was_decided_for_another_revision_or_before_another_decision_is_not_written() {
    let (roster, located, object) = (Roster::default(), located(), ObjectReference::default());
    let put = |suspend: bool, mode: WriteMode| {
        roster.put(object.clone(), announced(suspend), located.clone(), mode);
    };
    put(false, WriteMode::Full);
    let revision = decide(&roster, 3);
    assert!(roster.may_scale(&id(), revision, 3));
    assert!(roster.may_tell(&id(), revision));

    // A later look of the same revision.
    decide(&roster, 5);
    assert!(!roster.may_scale(&id(), revision, 3));
    assert!(roster.may_scale(&id(), revision, 5));
    assert!(roster.may_tell(&id(), revision));

    // Somebody else scales from now on, or nothing is to be written at all.
    put(false, WriteMode::NoReplicas);
    assert!(!roster.may_scale(&id(), revision, 5));
    assert!(roster.may_tell(&id(), revision));
    put(false, WriteMode::ReadOnly);
    assert!(!roster.may_tell(&id(), revision));
    put(false, WriteMode::Full);
    assert!(roster.may_scale(&id(), revision, 5));

    // The sale shall be another.
    put(true, WriteMode::Full);
    assert!(!roster.may_scale(&id(), revision, 5));
    assert!(!roster.may_tell(&id(), revision));
    let revision = decide(&roster, 5);
    assert!(roster.may_scale(&id(), revision, 5));
    assert!(roster.may_tell(&id(), revision));

    roster.remove(&id());
    assert!(!roster.may_scale(&id(), revision, 5));
    assert!(!roster.may_tell(&id(), revision));
}
