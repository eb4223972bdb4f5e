//! Migrations of a large ledger while it sells: no statement may hold settlement up for a time that
//! grows with the number of orders.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use flashsale_e2e::{
    sales::sale,
    schema::{open_at_previous_schema, use_previous_schema},
    services::Services,
};
use flashsale_ledger::Ledger;
use uuid::Uuid;

use crate::programs::{Release, told, unfenced};

/// Orders of earlier sales in the small and in the large ledger.
const SIZES: [i64; 2] = [100_000, 3_000_000];

/// Orders of a batch that is settled meanwhile.
const BATCH: usize = 10;

/// The longest that one batch may take while the schema is changed. Most of it is for other load on
/// the machine: the locks themselves are held for milliseconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Orders of earlier sales. Indexes are built afterwards, which is faster by far.
const FILL: &str = "
    ALTER TABLE orders DROP CONSTRAINT orders_of_one_job, DROP CONSTRAINT orders_of_one_key;
    INSERT INTO products (id, name, price, stock_quantity, initial_stock, sold)
      VALUES ('old', 'Old', 9900, 0, COUNT, COUNT);
    INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
      SELECT 'u' || n, 'old', 'COMPLETED', 'past-' || n % 50, gen_random_uuid(), 'k', 9900
        FROM generate_series(1, COUNT) AS n;
    ALTER TABLE orders ADD CONSTRAINT orders_of_one_job UNIQUE (job_id),
      ADD CONSTRAINT orders_of_one_key UNIQUE (sale_id, user_id, idempotency_key);";

async fn fill(services: &Services, orders: i64) {
    let statements = sqlx::AssertSqlSafe(FILL.replace("COUNT", &orders.to_string()));
    sqlx::raw_sql(statements)
        .execute(services.ledger.pool())
        .await
        .unwrap();
}

/// How the batches fared that were settled meanwhile.
#[derive(Debug, Default)]
struct Settled {
    batches: usize,
    longest: Duration,
}

/// Settles batches, one after the other, as a worker of the previous release does, until stopped.
async fn settle(ledger: Ledger, stop: Arc<AtomicBool>) -> Settled {
    let mut settled = Settled::default();
    while !stop.load(Ordering::Relaxed) {
        let jobs: Vec<Uuid> = (0..BATCH).map(|_| Uuid::now_v7()).collect();
        let users: Vec<String> = jobs.iter().map(Uuid::to_string).collect();
        let begun = Instant::now();
        let outcomes: String = sqlx::query_scalar(
            "SELECT outcomes FROM settle_batch('drop', 'p', $1, $2, $3, NULL::uuid)",
        )
        .bind(jobs)
        .bind(users)
        .bind(vec!["k"; BATCH])
        .fetch_one(ledger.pool())
        .await
        .unwrap();
        settled.longest = settled.longest.max(begun.elapsed());
        assert_eq!(outcomes, "c".repeat(BATCH));
        settled.batches += 1;
    }
    settled
}

/// Runs this release's `flashsale migrate` with these arguments while batches are settled.
async fn migrate(services: &Services, arguments: &[&str]) -> (Settled, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let settling = tokio::spawn(settle(services.ledger.clone(), stop.clone()));
    let begun = Instant::now();
    let migrated = Release::This.flashsale(services, arguments).await;
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    assert!(migrated.status.success(), "{}", told(&migrated));
    (settling.await.unwrap(), took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute or two: make compat-schema"]
async fn a_ledger_of_millions_of_orders_is_migrated_without_a_pause() {
    for orders in SIZES {
        let mut services = Services::start().await;
        use_previous_schema(&mut services).await;
        open_at_previous_schema(&services, &sale("drop", &[("p", 1_000_000)])).await;
        fill(&services, orders).await;
        let steps: &[&[&str]] = if orders == SIZES[0] {
            &[&["migrate"], &["migrate", "--widen-orders"]]
        } else {
            &[&["migrate"]]
        };
        for step in steps {
            let (settled, took) = migrate(&services, step).await;
            println!(
                "{orders} orders, {}: {took:.1?}, {} batches meanwhile, the longest {:.0?}",
                step.join(" "),
                settled.batches,
                settled.longest
            );
            assert!(settled.batches > 10, "{settled:?}");
            assert!(settled.longest < LONGEST_PAUSE, "{settled:?}");
        }
        assert!(unfenced(&services).await > 0);
    }
}
