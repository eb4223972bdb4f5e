//! A sale is edited while shoppers buy: what may change does so within two seconds, as they and the
//! ledger see it; what may not is refused, and the sale goes on as it was.

mod forbidden;
mod shop;
mod stock;

use flashsale_e2e::{
    operator::{SOON, one_product},
    patience::until,
    processes::get,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::shop::Shop;

/// Lower limits are in force from the next buy on.
#[tokio::test]
async fn limits_and_suspension_take_effect_within_two_seconds() {
    let shop = Shop::open("limits", one_product("shoe", 1_000)).await;
    for _ in 0..3 {
        shop.queued("shoe").await;
    }
    let full = json!({"turnstile": {"maxQueueDepth": 3}});
    shop.takes_effect("a lower maxQueueDepth", full, async || {
        shop.press("shoe").await == 503
    })
    .await;
    let roomy = json!({"turnstile": {"maxQueueDepth": 1_000}});
    shop.takes_effect("a greater maxQueueDepth", roomy, async || {
        shop.press("shoe").await == 200
    })
    .await;
    let strict = json!({"turnstile": {"rateLimit": {"requests": 1, "windowSeconds": 3_600}}});
    shop.takes_effect("a lower rateLimit", strict, async || {
        let user = shop.shopper();
        let first = shop.press_as("shoe", &user).await;
        (first, shop.press_as("shoe", &user).await) == (200, 429)
    })
    .await;
    shop.takes_effect("suspend", json!({"suspend": true}), async || {
        shop.press("shoe").await == 403
    })
    .await;
    shop.stage.until_phase("drop", "Suspended").await;
    shop.stage
        .until_condition("drop", "Open", "False", "Suspended")
        .await;
    shop.takes_effect("resume", json!({"suspend": false}), async || {
        shop.press("shoe").await == 200
    })
    .await;
    shop.stage.until_phase("drop", "Open").await;
    for reason in ["Suspended", "Resumed"] {
        shop.stage.until_event("drop", reason).await;
    }
    shop.saw_only(&["Open", "Suspended"]).await;
}

/// Law 5 is about the closing that is written now.
#[tokio::test]
async fn a_closing_can_be_put_off_and_brought_forward() {
    let shop = Shop::open("closing", one_product("shoe", 1_000)).await;
    let soon = seconds_from_now(5);
    shop.takes_effect("a closesAt", json!({"closesAt": soon}), async || {
        shop.shows(&soon.to_string()).await
    })
    .await;
    let later = seconds_from_now(3_600);
    shop.takes_effect("a later closesAt", json!({"closesAt": later}), async || {
        shop.shows(&later.to_string()).await
    })
    .await;
    until("the first closing is over", SOON, async || {
        Timestamp::now() > soon + SignedDuration::from_millis(1_500)
    })
    .await;
    shop.queued("shoe").await;
    assert_eq!(
        shop.stage.status("drop").await.phase.as_deref(),
        Some("Open")
    );
    shop.saw_only(&["Open"]).await;

    let sooner = seconds_from_now(2);
    shop.stage.edit("drop", json!({"closesAt": sooner})).await;
    until("buys are refused", SOON, async || {
        shop.press("shoe").await == 403
    })
    .await;
    let late = Timestamp::now().duration_since(sooner);
    println!("closed {late:?} after the earlier closing");
    assert!(late < SignedDuration::from_secs(1) && late > SignedDuration::from_millis(-50));
    shop.stage.until_phase("drop", "Draining").await;
}

fn seconds_from_now(seconds: i64) -> Timestamp {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    // As it is written: whole seconds.
    Timestamp::from_second(at.as_second()).unwrap()
}

impl Shop {
    /// Whether the list of sales, as the gateway tells it, contains `text`.
    async fn shows(&self, text: &str) -> bool {
        let url = format!("{}/sales", self.gateway.url());
        get(&url).await.is_some_and(|(_, body)| body.contains(text))
    }
}
