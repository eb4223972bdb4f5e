use flashsale_queue::answers::{self, Batch};
use serde_json::{Value, json};

use crate::market::{Market, SALE};

/// A sale with every outcome that the ledger knows, and counts of what gateways answered.
async fn after_the_rush() -> Market {
    let market = Market::open(json!([
        {"id": "p", "name": "P", "price": 1250, "stock": 8},
        {"id": "q", "name": "Q", "price": 100, "stock": 5, "maxPerUser": 1},
    ]))
    .await;
    market.buy("p", 8).await;
    market.buy("q", 3).await;
    market.ask("q", "q-shopper-0", "another").await;
    // Two units leave by hand, so that two buys find none.
    let restock = ["restock", "--sale", SALE, "--product", "p", "--by", "-2"];
    assert_eq!(market.run(&restock).status, Some(0));
    market.settle("p").await;
    market.settle("q").await;
    market
        .tamper(
            "UPDATE orders SET status = 'CANCELLED', end_reason = 'expired'
               WHERE user_id = 'p-shopper-0';
             UPDATE orders SET status = 'CANCELLED', end_reason = 'refunded'
               WHERE user_id = 'p-shopper-1';
             UPDATE orders SET status = 'CANCELLED' WHERE user_id = 'p-shopper-2';
             UPDATE orders SET status = 'PENDING' WHERE user_id = 'q-shopper-1'",
        )
        .await;
    let counts = [
        ("queued", 12),
        ("replayed", 1),
        ("sold-out", 7),
        ("lane-full", 2),
    ];
    let batch = Batch {
        sale: SALE.parse().unwrap(),
        number: 1,
        answers: counts
            .map(|(answer, count)| (answer.to_owned(), count))
            .into(),
    };
    let mut queue = market.queue.clone();
    // Sent twice, as after an answer that was lost.
    for _ in 0..2 {
        answers::add(&mut queue, "gateway-1", std::slice::from_ref(&batch))
            .await
            .unwrap();
    }
    market
}

fn json_of(market: &Market) -> Value {
    let printed = market.run(&["report", SALE, "--json"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    serde_json::from_str(&printed.out).unwrap()
}

#[tokio::test]
async fn every_outcome_is_counted_once() {
    let market = after_the_rush().await;
    let report = json_of(&market);
    assert_eq!(
        (&report["sale"], &report["incarnation"], &report["isOn"]),
        (&json!(SALE), &json!(1), &json!(true))
    );
    let buys = &report["buys"];
    assert_eq!(
        [
            &buys["asked"],
            &buys["queued"],
            &buys["repeated"],
            &buys["refused"]
        ],
        [22, 12, 1, 9]
    );
    assert_eq!(
        buys["refusedByReason"],
        json!({"lane-full": 2, "sold-out": 7})
    );
    assert_eq!(report["buysNote"], Value::Null);
    let total = &report["total"];
    assert_eq!(
        total["orders"],
        json!({"confirmed": 9, "paid": 5, "waiting": 1, "expired": 1, "refunded": 1,
               "cancelledByReason": {"": 1}})
    );
    assert_eq!(
        total["turnedAway"],
        json!({"soldOut": 2, "limitReached": 1})
    );
    assert_eq!(
        total["money"],
        json!({"currency": "USD", "sold": 3 * 1250 + 2 * 100, "waiting": 100,
               "cancelled": 2 * 1250, "refunded": 1250})
    );
    assert_eq!(
        report["products"][0]["stock"],
        json!({"declared": 8, "onOffer": 6, "sold": 3, "left": 3, "returned": 0,
               "restocks": 1, "restocked": -2})
    );
    assert_eq!(total["arrival"]["compared"], 9);
    assert_eq!(total["arrival"]["outOfOrder"], 0);
    let verdicts: Vec<&str> = report["laws"]
        .as_array()
        .unwrap()
        .iter()
        .map(|law| law["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts[..3], ["holds"; 3]);
    assert_eq!(verdicts[3..], ["notJudged"; 4]);
}

#[tokio::test]
async fn the_report_is_markdown_and_goes_into_a_file() {
    let market = after_the_rush().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("drop.md");
    let printed = market.run(&["report", SALE, "--output", file.to_str().unwrap()]);
    assert_eq!(
        (printed.status, printed.out.as_str()),
        (Some(0), ""),
        "{printed:?}"
    );
    let text = std::fs::read_to_string(file).unwrap();
    for row in [
        "# Report of sale drop",
        "| asked | 22 | gateways |",
        "| – sold-out | 7 | gateways |",
        "| confirmed | 9 | PostgreSQL |",
        "| – expired | 1 | PostgreSQL |",
        "| – cancelled, no reason given | 1 | PostgreSQL |",
        "| **all** | USD | 39.50 | 1.00 | 25.00 | 12.50 |",
        "| 3, once | holds |",
        "| 6, privacy | not judged here |",
    ] {
        assert!(text.contains(row), "{row:?} in {text}");
    }
}

#[tokio::test]
async fn orders_before_older_buys_are_counted() {
    let market = Market::of_one(10).await;
    market.buy("p", 3).await;
    market.settle("p").await;
    // The last order is of a buy that is 5 s older, and one is of another producer.
    market
        .tamper(
            "UPDATE orders SET job_id = '01900000-0000-7000-8000-000000000001' WHERE user_id = 'p-shopper-2';
             UPDATE orders SET job_id = '01900000-1388-7000-8000-000000000001' WHERE user_id = 'p-shopper-0';
             UPDATE orders SET job_id = gen_random_uuid() WHERE user_id = 'p-shopper-1'",
        )
        .await;
    let printed = market.run(&["report", SALE, "--json"]);
    let report: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(
        report["total"]["arrival"],
        json!({"toleranceMs": 1000, "compared": 2, "undated": 1, "outOfOrder": 1, "mostAheadMs": 5000})
    );
    assert_eq!(
        report["buys"],
        Value::Null,
        "nobody has counted: unknown, and not 0"
    );
    let text = market.run(&["report", SALE]).out;
    assert!(text.contains("| asked | unknown | gateways |"), "{text}");
}

#[tokio::test]
async fn a_sale_that_nobody_knows_is_refused_with_those_known() {
    let market = Market::of_one(10).await;
    let printed = market.run(&["report", "drip"]);
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(printed.err.contains("they know drop"), "{}", printed.err);
    market.buy("p", 1).await;
    market.settle("p").await;
    let printed = market.run(&["report", SALE, "--incarnation", "7"]);
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(printed.err.contains("of incarnation 7"), "{}", printed.err);
}

#[tokio::test]
async fn a_withdrawn_sale_is_reported_by_its_orders() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    let withdrawn = market.run(&["withdraw", SALE]);
    assert_eq!(withdrawn.status, Some(0), "{withdrawn:?}");
    let report = json_of(&market);
    assert_eq!(report["isOn"], false);
    assert_eq!(report["total"]["orders"]["confirmed"], 4);
    for gone in ["stock", "turnedAway"] {
        assert_eq!(report["total"][gone], Value::Null, "{gone}");
    }
    assert_eq!(report["total"]["money"]["currency"], Value::Null);
    assert_eq!(report["buys"], Value::Null);
    // Nobody knows any more what was acknowledged.
    assert_eq!(report["laws"][1]["verdict"], "notJudged");
}
