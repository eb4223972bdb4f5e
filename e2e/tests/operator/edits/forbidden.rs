//! What must not change once shoppers may have bought: newer API servers refuse the edit itself,
//! the operator refuses it on the others.

use flashsale_e2e::operator::{one_product, with};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::shop::Shop;

#[tokio::test]
async fn forbidden_edits_are_refused_and_the_sale_goes_on() {
    let opens = Timestamp::now() + SignedDuration::from_secs(2);
    let products = json!([
        {"id": "shoe", "name": "Shoe", "price": 100, "stock": 1_000},
        {"id": "hat", "name": "Hat", "price": 100, "stock": 1_000},
    ]);
    let spec = json!({"opensAt": opens, "products": products});
    let shop = Shop::open("forbidden", spec).await;
    let later = opens + SignedDuration::from_hours(1);
    let edits = [
        (
            "opensAt",
            json!({ "opensAt": later }),
            json!({ "opensAt": opens }),
            "opensAt stays",
        ),
        (
            "opensAt",
            json!({"opensAt": null}),
            json!({ "opensAt": opens }),
            "opensAt stays",
        ),
        (
            "another currency",
            json!({"currency": "EUR"}),
            json!({"currency": null}),
            "currency stays",
        ),
        (
            "fewer products",
            one_product("shoe", 1_000),
            json!({ "products": products }),
            "products stay",
        ),
        (
            "an opening and a restock at once",
            with(one_product("shoe", 5_000), &json!({ "opensAt": later })),
            json!({"opensAt": opens, "products": products}),
            "stay",
        ),
    ];
    for (what, edit, back, sentence) in edits {
        refused(&shop, what, edit, back, sentence).await;
    }
    shop.saw_only(&["Open"]).await;
}

/// What is in force stays so while `edit` is refused, and writing `back` what was there mends it.
async fn refused(shop: &Shop, what: &str, edit: Value, back: Value, sentence: &str) {
    let stage = &shop.stage;
    let said = match stage.try_edit("drop", edit).await {
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 422, "{}", status.message);
            status.message.clone()
        }
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => {
            let said = stage
                .until_condition("drop", "Accepted", "False", "ForbiddenEdit")
                .await;
            let note = stage.until_event("drop", "ForbiddenEdit").await;
            assert!(note.contains("the sale has opened"), "{note}");
            said
        }
    };
    println!("{what}: {said}");
    assert!(said.contains(sentence), "{what}: {said}");
    assert_eq!(stage.status("drop").await.phase.as_deref(), Some("Open"));
    for product in ["shoe", "hat"] {
        shop.queued(product).await;
    }
    stage.edit("drop", back).await;
    stage
        .until_condition("drop", "Accepted", "True", "Accepted")
        .await;
}
