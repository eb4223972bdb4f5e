//! Order ids: a sequence behind its table, and more than 32 bits of them.

use flashsale_domain::job::Job;
use flashsale_ledger::{Fault, Ledger, LedgerError, WaitReason, Widened};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};

use super::{assert_law_1, jobs, letters, order_ids, run, settle};

async fn last_value(ledger: &Ledger) -> i64 {
    sqlx::query_scalar("SELECT last_value FROM orders_id_seq")
        .fetch_one(ledger.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_sequence_behind_the_table_turns_nobody_away() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 500)]);
    open(&services, &sale).await;
    let ledger = &services.ledger;
    let last = *order_ids(&settle(ledger, &sale, &jobs(&sale, "a", 200)).await)
        .last()
        .unwrap();
    run(&services, "SELECT setval('orders_id_seq', 1)").await;
    let single = settle(ledger, &sale, &jobs(&sale, "b", 1)).await;
    assert_eq!(order_ids(&single), [last + 1]);
    run(&services, "SELECT setval('orders_id_seq', 150)").await;
    let mut batch = jobs(&sale, "c", 100);
    batch.push(batch[0].clone());
    let settled = settle(ledger, &sale, &batch).await;
    assert_eq!(letters(&settled), "c".repeat(100) + "r");
    assert_eq!(settled.stock, 500 - 301);
    assert_law_1(ledger).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_that_meet_a_sequence_behind_the_table_at_once_all_go_on() {
    let services = Services::start().await;
    let names: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
    let products: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 100)).collect();
    let sale = sale("drop", &products);
    open(&services, &sale).await;
    let ledger = &services.ledger;
    settle(ledger, &sale, &jobs(&sale, "a", 80)).await;
    run(&services, "SELECT setval('orders_id_seq', 1)").await;
    let lane = async |number: usize| {
        let p = &sale.products[number].id;
        let jobs: Vec<Job> = (0..20)
            .map(|nth| job(&sale, &format!("b{number}-{nth}"), p, "k"))
            .collect();
        let jobs: Vec<&Job> = jobs.iter().collect();
        loop {
            match ledger.settle_alone(&sale.id, p, &jobs).await {
                // Waiting for each other in a ring is told to one of them, who comes again.
                Err(error) if error.fault() == Fault::Server(WaitReason::Locked) => {}
                settled => return settled.unwrap().confirmed,
            }
        }
    };
    let confirmed = futures_util::future::join_all((0..6).map(lane)).await;
    assert_eq!(confirmed, [20; 6]);
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn the_sequence_is_raised_and_never_lowered() {
    let services = Services::start().await;
    let ledger = &services.ledger;
    for (least, last) in [
        ("SELECT raise_order_ids(5000)", 5000),
        ("SELECT raise_order_ids(0)", 5000),
        ("SELECT raise_order_ids(4999)", 5000),
        ("SELECT raise_order_ids(5001)", 5001),
    ] {
        run(&services, least).await;
        assert_eq!(last_value(ledger).await, last, "{least}");
    }
}

#[tokio::test]
async fn widened_ids_go_beyond_32_bits_and_the_ledger_stays_in_use_meanwhile() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100_000)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let first = settle(ledger, &sale, &jobs(&sale, "first", 300)).await;
    // Rows of before there was a status for everyone.
    run(
        &services,
        "ALTER TABLE orders DROP CONSTRAINT orders_status_given;
         UPDATE orders SET status = NULL WHERE id % 100 = 0;
         ALTER TABLE orders ADD CONSTRAINT orders_status_given CHECK (status IS NOT NULL) NOT VALID",
    )
    .await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let selling = async {
        let mut stopped = stopped;
        let mut sold = 0;
        while stopped.try_recv().is_err() {
            let batch = jobs(&sale, &format!("meanwhile{sold}-"), 20);
            sold += settle(ledger, &sale, &batch).await.confirmed;
        }
        sold
    };
    let widening = async {
        let widened = ledger.widen_orders().await.unwrap();
        stop.send(()).unwrap();
        widened
    };
    let (sold, widened) = tokio::join!(selling, widening);
    assert!(sold > 0);
    assert!(
        matches!(widened, Widened::Now(copied) if copied >= 300),
        "{widened:?}"
    );
    assert_eq!(ledger.widen_orders().await.unwrap(), Widened::Before);
    assert_law_1(ledger).await;

    run(&services, "SELECT setval('orders_id_seq', 2147483646)").await;
    let late = jobs(&sale, "late", 3);
    let settled = settle(ledger, &sale, &late).await;
    assert_eq!(
        order_ids(&settled),
        [2_147_483_647, 2_147_483_648, 2_147_483_649]
    );
    let order = ledger.order_of_job(late[2].job_id).await.unwrap().unwrap();
    assert_eq!(order.id, 2_147_483_649);
    let again = settle(ledger, &sale, &jobs(&sale, "first", 300)).await;
    assert_eq!(
        order_ids(&again),
        order_ids(&first),
        "ids stay what they were"
    );
    assert_law_1(ledger).await;

    // A worker of the release before cannot tell such an id: it waits, and buries nobody's buy.
    let error = sqlx::query(
        "SELECT * FROM settle_batch('drop', $1, ARRAY[gen_random_uuid()], ARRAY['old'], ARRAY['k'])",
    )
    .bind(p.as_str())
    .fetch_one(ledger.pool())
    .await
    .unwrap_err();
    assert!(LedgerError::from(error).is_outage());
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn widening_that_was_broken_off_anywhere_is_simply_started_again() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 100)]);
    open(&services, &sale).await;
    let ledger = &services.ledger;
    settle(ledger, &sale, &jobs(&sale, "u", 9)).await;
    // What the steps leave behind: a column half filled, a check, an index that was never finished.
    run(
        &services,
        "ALTER TABLE orders ADD COLUMN wide_id bigint;
         UPDATE orders SET wide_id = id WHERE id < 5;
         ALTER TABLE orders ADD CONSTRAINT orders_wide_id_given CHECK (wide_id IS NOT NULL) NOT VALID;
         CREATE UNIQUE INDEX orders_wide_id ON orders (wide_id);
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_wide_id'::regclass",
    )
    .await;
    assert_eq!(ledger.widen_orders().await.unwrap(), Widened::Now(9));
    settle(ledger, &sale, &jobs(&sale, "v", 9)).await;
    assert_law_1(ledger).await;
}
