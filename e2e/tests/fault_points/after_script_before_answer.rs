//! The turnstile has taken a buy, and its shopper has not heard.

use flashsale_fault_point::FaultPoint;

use crate::market::{Market, buy, until_killed, until_stopped};

const POINT: FaultPoint = FaultPoint::AfterScriptBeforeAnswer;

#[tokio::test]
async fn a_repeat_at_another_gateway_finds_the_buy_of_one_that_died() {
    let market = Market::open().await;
    let (faulty, other, _worker) = tokio::join!(
        market.faulty_gateway("faulty-gateway", POINT, "abort"),
        market.gateway("other-gateway"),
        market.worker("worker"),
    );
    assert_eq!(buy(&faulty, "anna", "1").await, None);
    until_killed(&faulty, POINT).await;
    let repeat = buy(&other, "anna", "1").await.unwrap();
    assert!(
        repeat.is_repeat,
        "the buy was taken before the gateway died"
    );
    assert_eq!(buy(&other, "anna", "1").await, Some(repeat));
    let another = market.buy_one(&other, "ben").await;
    market.until_ended(&[repeat.job, another]).await;
    assert_eq!(buy(&other, "anna", "1").await, Some(repeat));
    market.judge(&[repeat.job, another]).await;
}

#[tokio::test]
async fn a_gateway_that_was_paused_answers_what_the_other_answered_meanwhile() {
    let market = Market::open().await;
    let (faulty, other, _worker) = tokio::join!(
        market.faulty_gateway("faulty-gateway", POINT, "stop"),
        market.gateway("other-gateway"),
        market.worker("worker"),
    );
    let (late, repeat) = tokio::join!(buy(&faulty, "anna", "1"), async {
        until_stopped(&faulty, POINT).await;
        let repeat = buy(&other, "anna", "1").await.unwrap();
        faulty.0.resume().unwrap();
        repeat
    });
    assert!(repeat.is_repeat);
    assert_eq!(late.unwrap().job, repeat.job);
    market.until_ended(&[repeat.job]).await;
    market.judge(&[repeat.job]).await;
    faulty.terminate().await;
}
