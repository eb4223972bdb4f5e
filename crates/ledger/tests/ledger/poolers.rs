//! The ledger behind PgBouncer in transaction mode, where each transaction may run on another
//! server connection.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::{Duration, Instant};

use flashsale_domain::{control::WentBack, job::Job, sale::Sale};
use flashsale_ledger::{
    Claim, Fault, Ledger, LedgerConfig, LedgerError, Outcomes, Settlement, Verdict, WaitReason,
};
use flashsale_testbed::{
    fixtures::{
        queue::job,
        sales::{open, sale},
        services::Services,
    },
    pgbouncer::PgBouncer,
};
use futures_util::future::join_all;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use uuid::Uuid;

/// A sale in a ledger that is reached through a pooler.
struct Pooled {
    services: Services,
    pooler: PgBouncer,
    ledger: Ledger,
    sale: Sale,
}

impl Pooled {
    /// A pooler with `pool_size` connections to the server, and a sale of `products`.
    async fn start(pool_size: u32, products: &[(&str, i32)]) -> Self {
        let services = Services::start().await;
        let pooler = PgBouncer::start(&services.data_dir, &services.database_url, pool_size)
            .await
            .unwrap();
        let sale = sale("drop", products);
        open(&services, &sale).await;
        Self {
            ledger: ledger(pooler.url(), true),
            services,
            pooler,
            sale,
        }
    }

    fn job(&self, user: &str, product: usize) -> Job {
        job(&self.sale, user, &self.sale.products[product].id, "k")
    }

    /// Settles `jobs` of product number `product`, again as long as others take the product over
    /// or the machine is busy.
    async fn settle(&self, ledger: &Ledger, product: usize, jobs: &[Job]) -> Settlement {
        let product = &self.sale.products[product].id;
        let jobs: Vec<&Job> = jobs.iter().collect();
        loop {
            match ledger.settle_alone(&self.sale.id, product, &jobs).await {
                Err(error) if error.fault() == Fault::Fenced || error.ran_out_of_time() => {}
                settlement => return settlement.unwrap(),
            }
        }
    }

    /// Holds the row of product `b` until dropped.
    async fn hold_b(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.services.database_url)
            .await
            .unwrap();
        let hold = sqlx::raw_sql("BEGIN; SELECT 1 FROM products WHERE id = 'b' FOR UPDATE");
        hold.execute(&mut connection).await.unwrap();
        connection
    }
}

fn ledger(url: &str, transaction_pooler: bool) -> Ledger {
    Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 4,
        transaction_pooler,
        ping_before_use: false,
        bounds: None,
    })
    .unwrap()
}

async fn assert_laws(pooled: &Pooled, ledger: &Ledger) {
    let mut queue = pooled.services.queue.clone();
    let audit = flashsale_audit::audit(ledger, &mut queue, &pooled.sale.id)
        .await
        .unwrap();
    assert!(audit.holds(), "{audit:?}");
    assert_eq!(ledger.oversold(&pooled.sale.id).await.unwrap(), 0);
}

#[tokio::test]
async fn behind_a_pooler_many_clients_share_two_connections() {
    const CLIENTS: usize = 12;
    let names: Vec<String> = (0..CLIENTS).map(|number| format!("p{number:02}")).collect();
    let products: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 3)).collect();
    let pooled = Pooled::start(2, &products).await;
    let clients = (0..CLIENTS).map(async |client| {
        let ledger = ledger(pooled.pooler.url(), true);
        // Declared by all at once, as by operators that change places.
        let declared = ledger.declare(&pooled.sale).await;
        assert!(declared.is_ok() || declared.unwrap_err().is_outage());
        for batch in 0..2 {
            let users = ["ann", "bob"].map(|name| format!("{name}-{client}-{batch}"));
            let jobs: Vec<Job> = users.iter().map(|user| pooled.job(user, client)).collect();
            let lookups = jobs.iter().map(|job| ledger.order_of_job(job.job_id));
            let (settled, _) =
                futures_util::join!(pooled.settle(&ledger, client, &jobs), join_all(lookups));
            for (job, verdict) in jobs.iter().zip(&settled.verdicts) {
                let order = ledger.order_of_job(job.job_id).await.unwrap();
                let is_sold = matches!(
                    verdict,
                    Verdict::Confirmed { .. } | Verdict::Redelivered { .. }
                );
                assert_eq!(order.is_some(), is_sold, "{verdict:?}");
            }
            assert_eq!(settled.stock, i32::from(batch == 0));
        }
    });
    join_all(clients).await;
    assert_laws(&pooled, &pooled.ledger).await;
}

#[tokio::test]
async fn behind_a_pooler_two_shoppers_do_not_get_the_same_unit() {
    let pooled = Pooled::start(2, &[("p", 1)]).await;
    let (ann, bob) = ([pooled.job("ann", 0)], [pooled.job("bob", 0)]);
    let settled = futures_util::join!(
        pooled.settle(&pooled.ledger, 0, &ann),
        pooled.settle(&pooled.ledger, 0, &bob)
    );
    let sold_out = [&settled.0, &settled.1].map(|one| one.verdicts == [Verdict::SoldOut]);
    assert_eq!(sold_out.iter().filter(|is| **is).count(), 1, "{settled:?}");
    assert_laws(&pooled, &pooled.ledger).await;
}

/// Every call of the ledger, those of the audit included.
async fn call_everything(pooled: &Pooled) {
    let (ledger, sale) = (&pooled.ledger, &pooled.sale);
    let product = &sale.products[0].id;
    ledger.check_writable().await.unwrap();
    ledger.declare(sale).await.unwrap();
    let jobs = [pooled.job("ann", 0), pooled.job("bob", 0)];
    let jobs: Vec<&Job> = jobs.iter().collect();
    let replaced = ledger.take_over(&sale.id, product).await.unwrap();
    let successor = ledger.take_over_from(&sale.id, product, Some(replaced.driver));
    successor.await.unwrap();
    let turn = replaced.next(0..=9);
    let late = ledger.settle(&sale.id, product, &turn, &jobs);
    assert_eq!(late.await.unwrap_err().fault(), Fault::Fenced);
    let settled = ledger.settle_alone(&sale.id, product, &jobs).await.unwrap();
    assert_eq!(settled.confirmed, 1);
    assert_eq!(ledger.stock(&sale.id).await.unwrap()[0].stock, 0);
    assert!(ledger.order_of_job(jobs[0].job_id).await.unwrap().is_some());
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.job_id.0).collect();
    assert_eq!(ledger.jobs_with_order(&ids).await.unwrap().len(), 1);
    let (mut outcomes, mut decided) = (Outcomes::of(&sale.id), 0);
    while let Some(page) = ledger.next_outcomes(&mut outcomes).await.unwrap() {
        decided += page.len();
    }
    assert_eq!(decided, 2);
    let request = Some(Uuid::new_v4());
    for _ in 0..2 {
        let restocked = ledger.restock(&sale.id, product, 2, request).await.unwrap();
        assert_eq!(restocked.level.stock, 2);
    }
    let went_back = WentBack {
        product: product.clone(),
        told: 1_000,
        version: 1,
    };
    ledger.catch_up(&sale.id, &[went_back]).await.unwrap();
    let told = ledger.raise_order_numbers(50).await.unwrap();
    assert!(told);
    let forgotten = pooled.job("cid", 0);
    let claim = Claim {
        job: forgotten.job_id,
        user: forgotten.data.user_id.clone(),
        key: forgotten.data.idempotency_key.clone(),
        told: 7,
        is_paid: true,
    };
    let repaired = ledger.settle_again(&sale.id, product, &[claim]).await;
    assert_eq!(repaired.unwrap().repairs[0].order(), Some(7));
    assert_laws(pooled, ledger).await;
    let mut queue = pooled.services.queue.clone();
    assert_eq!(
        flashsale_audit::sales(ledger, &mut queue)
            .await
            .unwrap()
            .sales
            .len(),
        1
    );
    let other = std::slice::from_ref(&sale.products[1].id);
    ledger.release_products(&sale.id, other).await.unwrap();
    ledger.migrate().await.unwrap();
    ledger.release(&sale.id).await.unwrap();
}

/// With one server connection everything that a call leaves behind is there for the next client.
#[tokio::test]
async fn behind_a_pooler_nothing_outlives_a_call() {
    let pooled = Pooled::start(1, &[("a", 1), ("b", 1)]).await;
    call_everything(&pooled).await;
    let options = pooled.ledger.pool().connect_options();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    for (question, answer) in [
        ("SELECT count(*)::text FROM pg_prepared_statements", "0"),
        (
            "SELECT count(*)::text FROM pg_locks
              WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            "0",
        ),
        ("SHOW lock_timeout", "0"),
        ("SHOW idle_in_transaction_session_timeout", "0"),
        ("SHOW statement_timeout", "0"),
        ("SHOW transaction_isolation", "read committed"),
        ("SHOW transaction_read_only", "off"),
    ] {
        let row = connection.fetch_one(sqlx::raw_sql(question)).await.unwrap();
        assert_eq!(row.get::<String, _>(0), answer, "{question}");
    }
}

#[tokio::test]
async fn behind_a_pooler_the_server_gives_up_waiting_for_a_row() {
    let pooled = Pooled::start(2, &[("a", 9), ("b", 9)]).await;
    let holder = pooled.hold_b().await;
    let (b, job) = (&pooled.sale.products[1].id, pooled.job("ann", 1));
    let error = pooled
        .ledger
        .settle_alone(&pooled.sale.id, b, &[&job])
        .await
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Server(WaitReason::Locked), "{error}");
    drop(holder);
    pooled.settle(&pooled.ledger, 1, &[job]).await;
}

#[tokio::test]
async fn behind_a_pooler_a_call_that_is_given_up_gives_its_server_connection_back() {
    let pooled = Pooled::start(1, &[("a", 9), ("b", 9)]).await;
    let _holder = pooled.hold_b().await;
    let (b, job) = (&pooled.sale.products[1].id, pooled.job("ann", 1));
    let jobs = [&job];
    let settling = pooled.ledger.settle_alone(&pooled.sale.id, b, &jobs);
    let given_up = tokio::time::timeout(Duration::from_millis(300), settling);
    given_up.await.unwrap_err();
    let began = Instant::now();
    pooled
        .settle(&pooled.ledger, 0, &[pooled.job("bob", 0)])
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn behind_a_pooler_the_schema_is_changed_through_the_direct_address() {
    let services = Services::start().await;
    let mut connection = PgConnection::connect(&services.database_url).await.unwrap();
    let name = services.database_url.rsplit_once('/').unwrap().1;
    let create = format!("CREATE DATABASE {name}_behind_a_pooler");
    let create = sqlx::raw_sql(sqlx::AssertSqlSafe(create));
    create.execute(&mut connection).await.unwrap();
    let url = format!("{}_behind_a_pooler", services.database_url);
    let bouncer = PgBouncer::start(&services.data_dir, &url, 2).await.unwrap();
    let pooled = ledger(bouncer.url(), true);
    let error = pooled.migrate().await.unwrap_err();
    assert!(matches!(error, LedgerError::DirectAddressNeeded), "{error}");
    let direct = ledger(&url, false);
    direct.migrate().await.unwrap();
    direct.widen_orders().await.unwrap();
    pooled.migrate().await.unwrap();
    pooled.widen_orders().await.unwrap();
    pooled.declare(&sale("drop", &[("p", 1)])).await.unwrap();
}
