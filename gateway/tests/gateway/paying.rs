//! Orders that are paid at a provider: a stand-in for Stripe, and a service of the shop's own.

mod own;
mod till;

use std::time::Duration;

use flashsale_testbed::stripe::{self, EventFault, Faults, SessionStatus};
use serde_json::json;

use crate::support::{all, eventually, tokens::unix_seconds};
use till::{EVENTS, SECRET, Till};

#[tokio::test]
async fn an_order_is_paid_at_the_providers_page() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let page = till.checkout(&job).await;
    assert_eq!(page["amount"], 12_900);
    assert_eq!(page["currency"], "USD");
    let order = till.asked(&job).await;
    assert_eq!(page["expiresAt"], order["order"]["expiresAt"]);
    let url = page["url"].as_str().unwrap();
    let [session] = &till.stripe.sessions()[..] else {
        panic!("{:?}", till.stripe.sessions());
    };
    assert_eq!(url, format!("{}/pay/{}", till.stripe.url(), session.id));
    assert_eq!((session.amount, session.currency.as_str()), (12_900, "usd"));
    assert_eq!(session.name, "A pair");
    let back = format!("https://shop.example.com/shop/drop?job={job}");
    assert_eq!((&session.success_url, &session.cancel_url), (&back, &back));

    assert!(till.stripe.pay(&session.id));
    till.becomes(&job, "completed", None).await;
    assert_eq!(
        till.refused("checkout", &job).await,
        (409, "order-paid".to_owned())
    );
    assert_eq!(
        till.refused("cancel", &job).await,
        (409, "order-paid".to_owned())
    );
    assert_eq!(till.payments().await, ["PAID"]);
    for (name, result) in [
        ("checkouts", "opened"),
        ("checkouts", "refused"),
        ("payment_events", "completed"),
    ] {
        let metric = format!("flashsale_gateway_{name}_total{{result=\"{result}\"}}");
        assert_eq!(till.gateway.metric(&metric).await, Some(1.0), "{metric}");
    }
    till.assert_law_8().await;
}

#[tokio::test]
async fn an_order_has_one_session_however_often_it_is_asked_for() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let client = till.gateway.client;
    let presses = (0..8).map(|_| {
        let path = format!("/orders/{job}/checkout");
        async move { client.request("POST", &path, &[], b"").await }
    });
    let answers = all(presses).await;
    let again = till.checkout(&job).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), again);
    }
    assert_eq!(till.stripe.sessions().len(), 1);
    // Not theirs, and none at all.
    for job in [uuid::Uuid::now_v7().to_string(), "none".to_owned()] {
        for call in ["checkout", "cancel"] {
            assert_eq!(
                till.refused(call, &job).await,
                (404, "unknown-order".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn a_payment_that_fails_for_good_cancels_its_order() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay_later(&session));
    assert!(till.stripe.settle(&session, false));
    till.becomes(&job, "cancelled", Some("declined")).await;
    assert_eq!(
        till.refused("checkout", &job).await,
        (409, "order-cancelled".to_owned())
    );

    let job = till.order("bob").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay_later(&session));
    assert!(till.stripe.settle(&session, true));
    till.becomes(&job, "completed", None).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn an_order_that_is_given_back_cannot_be_paid_any_more() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    for _ in 0..2 {
        let answer = till.call("cancel", &job).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json(),
            json!({ "jobId": job, "status": "cancelled" })
        );
    }
    till.becomes(&job, "cancelled", Some("shopper")).await;
    till.comes_to(&["ENDED"]).await;
    assert_eq!(till.stripe.sessions()[0].status, SessionStatus::Expired);
    assert!(!till.stripe.pay(&session));
    assert_eq!(
        till.refused("checkout", &job).await,
        (409, "order-cancelled".to_owned())
    );
    till.assert_law_8().await;
}

#[tokio::test]
async fn a_session_that_ended_by_itself_is_followed_by_another() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let first = till.session(&job).await;
    assert!(till.stripe.expire(&first));
    till.comes_to(&["ENDED"]).await;
    let second = till.session(&job).await;
    assert_ne!(first, second);
    assert!(till.stripe.pay(&second));
    till.becomes(&job, "completed", None).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn events_that_come_twice_or_in_another_order_change_nothing_more() {
    let till = Till::open().await;
    till.stripe.set_faults(Faults {
        events: EventFault::Twice,
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.counts("payment_events", "repeat", 1.0).await;
    till.becomes(&job, "completed", None).await;

    // The refund is told before the payment.
    till.stripe.set_faults(Faults {
        events: EventFault::Held,
        ..Faults::default()
    });
    let job = till.order("bob").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    assert!(till.stripe.refund_by_hand(&session));
    assert_eq!(till.stripe.release(), 2);
    till.comes_to(&["PAID", "REFUNDED"]).await;
    let [first, second] = &till.stripe.sessions()[..] else {
        panic!("two sessions");
    };
    assert_eq!((first.refunds, second.refunds), (0, 1));
}

#[tokio::test]
async fn a_payment_that_is_refunded_at_the_provider_cancels_its_order() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.becomes(&job, "completed", None).await;
    assert!(till.stripe.refund_by_hand(&session));
    till.becomes(&job, "cancelled", Some("refunded")).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn a_shopper_may_pay_before_the_gateway_knows_of_the_session() {
    let till = Till::open().await;
    till.stripe.set_faults(Faults {
        answers_are_lost: true,
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let refused = till.refused("checkout", &job).await;
    assert_eq!(refused, (503, "provider-unavailable".to_owned()));
    assert_eq!(till.payments().await, ["OPENING"]);
    till.stripe.set_faults(Faults::default());
    // The next press finds the same session.
    let session = till.session(&job).await;
    assert_eq!(till.stripe.sessions().len(), 1);

    till.stripe.set_faults(Faults {
        answers_are_lost: true,
        ..Faults::default()
    });
    let other = till.order("bob").await;
    till.refused("checkout", &other).await;
    till.stripe.set_faults(Faults::default());
    let unheard = till.stripe.sessions()[1].id.clone();
    assert!(till.stripe.pay(&unheard));
    till.becomes(&other, "completed", None).await;
    assert!(till.stripe.pay(&session));
    till.becomes(&job, "completed", None).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn a_payment_whose_event_was_lost_is_found_when_the_window_ends() {
    let till = Till::open().await;
    till.stripe.set_faults(Faults {
        events: EventFault::Lost,
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.end_window().await;
    assert_eq!(till.refused("checkout", &job).await.0, 409);
    till.becomes(&job, "completed", None).await;

    let unpaid = till.order("bob").await;
    let session = till.session(&unpaid).await;
    till.end_window().await;
    till.comes_to(&["PAID", "ENDED"]).await;
    assert!(!till.stripe.pay(&session));
    assert_eq!(
        till.refused("checkout", &unpaid).await,
        (409, "payment-over".to_owned())
    );
    assert_eq!(till.asked(&unpaid).await["order"]["state"], "pending");

    // Money that was to come later and will not.
    let session = till.session(&till.order("cid").await).await;
    assert!(till.stripe.pay_later(&session));
    assert!(till.stripe.settle(&session, false));
    till.end_window().await;
    till.comes_to(&["PAID", "ENDED", "ENDED"]).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn what_the_provider_has_not_signed_now_is_not_taken() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    let body = till.paid_event(&session);
    let now = unix_seconds();
    let post = async |signature: &str, body: &str| {
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("stripe-signature", signature),
        ];
        let client = till.gateway.client;
        let answer = client
            .request("POST", EVENTS, &headers, body.as_bytes())
            .await;
        let problem = if answer.status == 200 {
            answer.json()["result"].as_str().unwrap().to_owned()
        } else {
            answer.problem()
        };
        (answer.status, problem)
    };
    let invalid = (400, "signature-invalid".to_owned());
    let good = stripe::signature(SECRET, now, &body);
    for (signature, sent) in [
        (String::new(), &body),
        ("t=1,v1=00".to_owned(), &body),
        (
            stripe::signature("whsec_of_somebody_else", now, &body),
            &body,
        ),
        (stripe::signature(SECRET, now - 301, &body), &body),
        (stripe::signature(SECRET, now + 305, &body), &body),
        (good.clone(), &body.replace("12900", "1")),
    ] {
        assert_eq!(post(&signature, sent).await, invalid, "{signature}");
    }
    assert_eq!(till.asked(&job).await["order"]["state"], "pending");
    let nonsense = "[]".to_owned();
    let signed = stripe::signature(SECRET, now, &nonsense);
    assert_eq!(
        post(&signed, &nonsense).await,
        (400, "body-invalid".to_owned())
    );
    // Of somebody else's use of the account.
    let foreign = body.replace(
        "\"flashsale_provider\":\"pay\"",
        "\"flashsale_provider\":\"other\"",
    );
    assert_ne!(foreign, body);
    let signed = stripe::signature(SECRET, now, &foreign);
    assert_eq!(post(&signed, &foreign).await, (200, "ignored".to_owned()));
    let large = format!("{body}{}", " ".repeat(256 * 1024));
    assert_eq!(
        post(&good, &large).await,
        (413, "body-too-large".to_owned())
    );
    let nobody = till
        .gateway
        .client
        .request("POST", "/payments/other/events", &[], b"{}")
        .await;
    assert_eq!(
        (nobody.status, nobody.problem()),
        (404, "not-found".to_owned())
    );

    assert_eq!(post(&good, &body).await, (200, "completed".to_owned()));
    assert_eq!(post(&good, &body).await, (200, "repeat".to_owned()));
    till.becomes(&job, "completed", None).await;
    till.counts("payment_events", "invalid", 7.0).await;
}

#[tokio::test]
async fn money_that_does_not_fit_goes_back_and_the_order_can_still_be_paid() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    for (amount, currency) in [(1, "usd"), (12_900, "eur")] {
        till.stripe.set_faults(Faults {
            pays_instead: Some((amount, currency.to_owned())),
            ..Faults::default()
        });
        let session = till.session(&job).await;
        assert!(till.stripe.pay(&session));
        till.is_refunded(&session).await;
    }
    till.stripe.set_faults(Faults::default());
    assert_eq!(till.asked(&job).await["order"]["state"], "pending");
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.becomes(&job, "completed", None).await;
    till.comes_to(&["REFUNDED", "REFUNDED", "PAID"]).await;
    till.assert_law_8().await;
}

#[tokio::test]
async fn money_that_comes_too_late_gets_a_new_order_where_a_unit_is_left() {
    let till = Till::open().await;
    till.stripe.set_faults(Faults {
        events: EventFault::Held,
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.expire().await;
    till.stripe.release();
    till.comes_to(&["PAID"]).await;
    till.becomes(&job, "cancelled", Some("expired")).await;
    let payment = &till.stripe.sessions()[0].payment;
    let again = till.asked(payment).await;
    assert_eq!(again["order"]["state"], "completed", "{again}");
    assert_eq!(till.stripe.sessions()[0].refunds, 0);
    till.assert_law_8().await;
}

#[tokio::test]
async fn money_that_comes_too_late_goes_back_once_where_the_sale_says_so() {
    let till = Till::open_with("Refund").await;
    till.stripe.set_faults(Faults {
        events: EventFault::Held,
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let session = till.session(&job).await;
    assert!(till.stripe.pay(&session));
    till.expire().await;
    // The provider is away when the money is to go back, and it fails, and then its answer is lost.
    till.stripe.set_faults(Faults {
        is_away: true,
        ..Faults::default()
    });
    till.stripe.release();
    till.comes_to(&["REFUND_DUE"]).await;
    till.counts("payment_chores", "refund_failed", 1.0).await;
    till.stripe.set_faults(Faults {
        answers_are_lost: true,
        ..Faults::default()
    });
    eventually("it is refunded", async || {
        till.stripe.sessions()[0].refunds == 1
    })
    .await;
    till.stripe.set_faults(Faults::default());
    till.is_refunded(&session).await;
    till.becomes(&job, "cancelled", Some("expired")).await;
    assert_eq!(till.stripe.sessions()[0].refunds, 1);
    till.assert_law_8().await;
}

#[tokio::test]
async fn a_provider_that_is_away_leaves_the_window_as_it_is() {
    let till = Till::open().await;
    let job = till.order("ann").await;
    let before = till.asked(&job).await["order"].clone();
    for faults in [
        Faults {
            is_away: true,
            ..Faults::default()
        },
        Faults {
            errors: 1,
            ..Faults::default()
        },
        Faults {
            delay: Duration::from_secs(9),
            ..Faults::default()
        },
    ] {
        till.stripe.set_faults(faults);
        let answer = till.call("checkout", &job).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (503, "provider-unavailable".to_owned())
        );
        assert!(answer.asks_to_come_back_soon(), "{answer:?}");
        assert_eq!(till.asked(&job).await["order"], before);
    }
    till.stripe.set_faults(Faults::default());
    till.session(&job).await;
    assert_eq!(till.stripe.sessions().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_dies_between_a_refund_and_its_note_refunds_once() {
    let mut till = Till::open().await;
    till.gateway.shutdown.cancel();
    let mut dying = till
        .process(&[(
            "FLASHSALE_FAULT_POINT",
            "after-payment-chore-before-result=abort",
        )])
        .await;
    till.stripe.deliver_to(dying.client.address, EVENTS, SECRET);
    till.stripe.set_faults(Faults {
        pays_instead: Some((1, "usd".to_owned())),
        ..Faults::default()
    });
    let job = till.order("ann").await;
    let answer = dying
        .client
        .request("POST", &format!("/orders/{job}/checkout"), &[], b"")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let session = till.stripe.sessions()[0].id.clone();
    assert!(till.stripe.pay(&session));
    assert!(!dying.child.wait().await.unwrap().success());
    assert_eq!(till.stripe.sessions()[0].refunds, 1);
    assert_eq!(till.payments().await, ["REFUND_DUE"]);
    till.gateway = till.another_gateway(&[]).await;
    till.is_refunded(&session).await;
    assert_eq!(till.stripe.sessions()[0].refunds, 1);
    till.assert_law_8().await;
}

#[tokio::test]
async fn while_a_secret_is_changed_events_of_both_are_taken() {
    let till = Till::open().await;
    let gateway = till
        .another_gateway(&["whsec_the_new_secret", SECRET])
        .await;
    for (user, secret) in [("ann", SECRET), ("bob", "whsec_the_new_secret")] {
        till.stripe
            .deliver_to(gateway.client.address, EVENTS, secret);
        let job = till.order(user).await;
        let session = till.session(&job).await;
        assert!(till.stripe.pay(&session));
        till.becomes(&job, "completed", None).await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_the_start_and_shows_no_secret() {
    let till = Till::open().await;
    let file = till.providers_file("kind: stripe\n  secretKey: 'sk SECRET'", &[SECRET]);
    let world = &till.world;
    let arguments = world.arguments(&[
        "--auth-mode=off",
        "--payment-providers",
        file.path().to_str().unwrap(),
    ]);
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_flashsale-gateway"))
        .args(&arguments[1..])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(20), output).await;
    let output = output.expect("it ends at once").unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(error.contains("pay.secretKey"), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
}
