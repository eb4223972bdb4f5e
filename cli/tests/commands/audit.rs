use flashsale_domain::id::ProductId;
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::{
    Printed,
    market::{Market, SALE},
};

fn audit(market: &Market) -> Printed {
    market.run(&["audit", "--sale", SALE])
}

/// Asserts that the audit fails, with this headline and this among its rows.
fn assert_broken(market: &Market, headline: &str, row: &str) {
    let printed = audit(market);
    assert_eq!(printed.status, Some(1), "{printed:?}");
    assert!(
        printed.out.trim_end().ends_with(headline),
        "{headline:?} in {}",
        printed.out
    );
    assert!(printed.out.contains(row), "{row:?} in {}", printed.out);
}

const ALL_WELL: &str = "0 oversold · 0 lost · 0 duplicated";

/// The first of the jobs that wait.
async fn first_waiting(market: &Market) -> (String, String) {
    let (entry, job) = market.waiting("p").await.remove(0);
    (entry, job.job_id.to_string())
}

async fn set_record(market: &Market, job: &str, record: &str) {
    let _: () = market
        .queue
        .clone()
        .hset(market.keys.jobs(), job, record)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sale_in_full_swing_holds() {
    let market = Market::open(json!([
        {"id": "p", "name": "P", "price": 100, "stock": 20},
        {"id": "q", "name": "Q", "price": 100, "stock": 5, "maxPerUser": 1},
    ]))
    .await;
    market.buy("p", 12).await;
    market.buy("q", 3).await;
    market.ask("q", "q-shopper-0", "another").await;
    market.settle("p").await;
    market.settle("q").await;
    market
        .tamper("UPDATE orders SET status = 'CANCELLED' WHERE product_id = 'p' AND id % 4 = 0")
        .await;
    // Committed and not yet acknowledged: the records still say queued.
    market.ask("q", "late", "late").await;
    let (_, job) = market.waiting("q").await.remove(0);
    market
        .ledger
        .settle_alone(
            &SALE.parse().unwrap(),
            &ProductId::new("q").unwrap(),
            &[&job],
        )
        .await
        .unwrap();

    let printed = market.run(&["audit"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed.out.trim_end().ends_with(ALL_WELL),
        "{}",
        printed.out
    );
    let expected =
        "17 acknowledged = 15 confirmed + 0 sold out + 1 limit reached + 0 failed + 1 queued";
    assert!(printed.out.contains(expected), "{}", printed.out);

    let printed = market.run(&["audit", "--json"]);
    let result: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(result["holds"], true);
    assert_eq!(result["sales"][0]["sale"], SALE);
    assert_eq!(result["sales"][0]["stock"]["products"][0]["initial"], 20);
}

#[tokio::test]
async fn an_order_that_took_no_unit_is_oversold() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    market
        .tamper(
            "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
             VALUES ('x', 'p', 'COMPLETED', 'drop', gen_random_uuid(), 'x', 1)",
        )
        .await;
    assert_broken(
        &market,
        "1 oversold · 0 lost · 0 duplicated",
        "product p: 10 units ever on offer, 6 left, 5 ordered (4 sold by its row): 1 too many",
    );
}

#[tokio::test]
async fn units_that_are_gone_without_an_order_break_the_first_law() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    market
        .tamper("DELETE FROM orders WHERE user_id IN ('p-shopper-0', 'p-shopper-1')")
        .await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(1));
    assert!(
        printed.out.contains("2 gone without an order"),
        "{}",
        printed.out
    );
    // Two shoppers were told confirmed as well, and the ledger does not know them.
    assert!(
        printed.out.contains("2 oversold · 2 lost · 0 duplicated"),
        "{}",
        printed.out
    );
}

#[tokio::test]
async fn stock_changed_by_hand_breaks_the_first_law() {
    let market = Market::of_one(10).await;
    market
        .tamper(
            "ALTER TABLE products DROP CONSTRAINT products_stock_adds_up,
                                  DROP CONSTRAINT products_stock_quantity_check;
             UPDATE products SET stock_quantity = -3",
        )
        .await;
    assert_broken(
        &market,
        "13 oversold · 0 lost · 0 duplicated",
        "13 gone without an order",
    );
}

#[tokio::test]
async fn a_shopper_beyond_the_limit_is_named() {
    let market = Market::of_one(10).await;
    market.ask("p", "greedy", "k1").await;
    market.ask("p", "greedy", "k2").await;
    market.ask("p", "modest", "k1").await;
    market.settle("p").await;
    assert_eq!(audit(&market).status, Some(0));
    market.tamper("UPDATE products SET max_per_user = 1").await;
    assert_broken(
        &market,
        "1 oversold · 0 lost · 0 duplicated",
        "shopper greedy has 2 units of p, allowed are 1",
    );
}

#[tokio::test]
async fn a_queued_job_that_is_in_no_lane_is_lost() {
    let market = Market::of_one(10).await;
    market.buy("p", 3).await;
    assert_eq!(audit(&market).status, Some(0));
    let (entry, job) = first_waiting(&market).await;
    let lane = market.keys.lane(&ProductId::new("p").unwrap());
    let _: u32 = market.queue.clone().xdel(lane, &[entry]).await.unwrap();
    assert_broken(
        &market,
        "0 oversold · 1 lost · 0 duplicated",
        &format!(
            "job {job} (shopper p-shopper-0, product p) is said to be queued, but is in no lane"
        ),
    );
}

#[tokio::test]
async fn of_many_lost_jobs_some_are_named_and_all_are_counted() {
    let market = Market::of_one(100).await;
    market.buy("p", 30).await;
    let lane = market.keys.lane(&ProductId::new("p").unwrap());
    let _: u32 = market.queue.clone().del(lane).await.unwrap();
    assert_broken(
        &market,
        "0 oversold · 30 lost · 0 duplicated",
        "- and 10 more",
    );
}

#[tokio::test]
async fn a_confirmation_that_the_ledger_contradicts_is_lost() {
    let market = Market::of_one(10).await;
    market.buy("p", 2).await;
    let (_, job) = first_waiting(&market).await;
    market.settle("p").await;
    for (record, words) in [
        (
            "c 999999 p p-shopper-0",
            "with order 999999, which the ledger does not have",
        ),
        (
            "c 2 p p-shopper-0",
            "with order 2, which is shopper p-shopper-1's of p",
        ),
        ("c 0 p p-shopper-0", "was told confirmed without an order"),
        (
            "s 0 p p-shopper-0",
            "was told sold_out, but order 1 settles it",
        ),
        (
            "f 0 p p-shopper-0",
            "was told failed, but order 1 settles it",
        ),
        ("nonsense", "is none"),
    ] {
        set_record(&market, &job, record).await;
        assert_broken(&market, "0 oversold · 1 lost · 0 duplicated", words);
    }
}

#[tokio::test]
async fn failed_jobs_and_dead_letters_belong_together() {
    let market = Market::of_one(10).await;
    market.buy("p", 2).await;
    let (_, job) = first_waiting(&market).await;
    market.bury("p", "poison").await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(printed.out.contains("+ 2 failed +"), "{}", printed.out);

    // Discarding a letter is a person's right; it is told, and no loss.
    market.run(&[
        "dead",
        "discard",
        "--sale",
        SALE,
        &market.letters().await[1],
    ]);
    let printed = audit(&market);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed.out.contains("1 dead letters were discarded"),
        "{}",
        printed.out
    );

    set_record(&market, &job, "s 0 p p-shopper-0").await;
    assert_broken(
        &market,
        "0 oversold · 1 lost · 0 duplicated",
        "but was not told failed",
    );
    let _: u32 = market
        .queue
        .clone()
        .hdel(market.keys.jobs(), &job)
        .await
        .unwrap();
    assert_broken(
        &market,
        "0 oversold · 1 lost · 0 duplicated",
        "but has no record",
    );
}

#[tokio::test]
async fn a_dead_letter_that_borrowed_another_buys_job_id_is_no_finding() {
    let market = Market::of_one(10).await;
    market.buy("p", 1).await;
    let (_, mut job) = market.waiting("p").await.remove(0);
    market.settle("p").await;
    job.data.user_id = "impostor".parse().unwrap();
    market
        .add_letter("p", &job, "the job id is the one of another buy")
        .await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(0), "{printed:?}");
}

#[tokio::test]
async fn a_rejection_that_the_ledger_did_not_decide_is_lost() {
    let market = Market::open(json!([
        {"id": "p", "name": "P", "price": 100, "stock": 9, "maxPerUser": 1},
    ]))
    .await;
    market.ask("p", "greedy", "first").await;
    market.ask("p", "greedy", "second").await;
    market.settle("p").await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(printed.out.contains("1 limit reached"), "{}", printed.out);
    market.buy("p", 1).await;
    let (_, job) = first_waiting(&market).await;
    set_record(&market, &job, "s 0 p p-shopper-0").await;
    assert_broken(
        &market,
        "0 oversold · 1 lost · 0 duplicated",
        "was told sold_out, but the ledger did not turn it away",
    );
    // A sale that began before rejections were kept cannot be judged by them.
    market
        .tamper("INSERT INTO sales (id, incarnation, rejections_kept) VALUES ('drop', 1, false)")
        .await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(0), "{printed:?}");
}

#[tokio::test]
async fn a_second_letter_of_a_job_that_was_replayed_is_no_finding() {
    let market = Market::of_one(10).await;
    market.buy("p", 1).await;
    let (_, job) = market.waiting("p").await.remove(0);
    market.bury("p", "poison").await;
    market.add_letter("p", &job, "poison").await;
    let letters = market.letters().await;
    market.run(&["dead", "replay", "--sale", SALE, &letters[0]]);
    for settle in [false, true] {
        if settle {
            market.settle("p").await;
        }
        let printed = audit(&market);
        assert_eq!(printed.status, Some(0), "{printed:?}");
    }
}

#[tokio::test]
async fn a_key_or_a_job_with_two_orders_and_an_order_of_nothing_are_duplicated() {
    let market = Market::of_one(10).await;
    market.buy("p", 2).await;
    market.settle("p").await;
    market
        .tamper(
            "ALTER TABLE orders DROP CONSTRAINT orders_of_one_job,
               DROP CONSTRAINT orders_of_one_key_per_incarnation;
             UPDATE products SET stock_quantity = stock_quantity - 2, sold = sold + 2;
             INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
               SELECT user_id, product_id, status, sale_id, gen_random_uuid(), idempotency_key, 1
                 FROM orders WHERE user_id = 'p-shopper-0';
             INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
               SELECT user_id, product_id, status, sale_id, job_id, 'other', 1
                 FROM orders WHERE user_id = 'p-shopper-1'",
        )
        .await;
    assert_broken(
        &market,
        "0 oversold · 0 lost · 2 duplicated",
        "key p-shopper-0 of shopper p-shopper-0 made 2 orders: 1, 3",
    );
    assert_broken(&market, "2 duplicated", "made 2 orders: 2, 4");
    market
        .tamper(
            "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
             VALUES ('x', 'ghost', 'COMPLETED', 'drop', gen_random_uuid(), 'x', 1)",
        )
        .await;
    assert_broken(
        &market,
        "3 duplicated",
        "is of product ghost, which does not exist",
    );
}

#[tokio::test]
async fn losing_redis_loses_no_order_and_the_audit_says_so() {
    let market = Market::of_one(10).await;
    market.buy("p", 4).await;
    market.settle("p").await;
    let _: () = redis::cmd("FLUSHALL")
        .query_async(&mut market.queue.clone())
        .await
        .unwrap();
    let printed = market.run(&["audit"]);
    assert_eq!(printed.status, Some(0), "{printed:?}");
    assert!(
        printed
            .out
            .contains("Redis has no record of 4 older orders"),
        "{}",
        printed.out
    );
}

#[tokio::test]
async fn an_audit_that_cannot_read_is_no_clean_audit() {
    let mut market = Market::of_one(1).await;
    market.lose_redis().await;
    let printed = audit(&market);
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(printed.err.contains("Redis does not answer"), "{printed:?}");
    assert_eq!(printed.out, "");
}
