//! Runs the usual stack: its tables, its two processes, and what came out.

use std::time::{Duration, Instant};

use flashsale_testbed::{
    launch::Launch,
    process::Process,
    program::{Program, loopback},
};
use redis::AsyncCommands as _;
use sqlx::AssertSqlSafe;

use super::install::Installed;
use crate::{
    environment::Stores,
    error::{Result, check, too_late},
};

pub(super) const PRODUCT: &str = "sneaker-001";

/// Schema of PostgreSQL that holds its tables, beside ours.
const SCHEMA: &str = "peer";

const TABLES: &str = include_str!("../../../peers/express-bullmq/schema.sql");

/// What the keys of its queue begin with.
const QUEUE: &str = "bull:purchases";

/// Orders that are made before the clock starts: by then its code has been compiled and its
/// statements are prepared.
const WARM_UP: u32 = 500;

/// Units that must be left in the end, so that a wrong stock is seen on either side.
const LEFT_OVER: u32 = 1_000;

/// Requests per second that one shopper may send: never reached, as with ours.
const RATE_LIMIT: &str = "1000000";

/// How often its orders are counted.
const COUNTING_INTERVAL: Duration = Duration::from_millis(250);

/// How long there may be no new order.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a process may take to end in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Empties both servers and makes its tables anew, with `stock` units on sale.
pub(super) async fn open(stores: &Stores, stock: u32) -> Result<()> {
    stores.empty().await?;
    clear(stores).await?;
    let tables = AssertSqlSafe(format!(
        "BEGIN; CREATE SCHEMA {SCHEMA}; SET LOCAL search_path TO {SCHEMA}; {TABLES}
         INSERT INTO products (id, name, price, stock_quantity)
           VALUES ('{PRODUCT}', '{PRODUCT}', 9900, {stock});
         COMMIT"
    ));
    sqlx::raw_sql(tables).execute(stores.ledger.pool()).await?;
    Ok(())
}

pub(super) async fn clear(stores: &Stores) -> Result<()> {
    sqlx::raw_sql("DROP SCHEMA IF EXISTS peer CASCADE")
        .execute(stores.ledger.pool())
        .await?;
    Ok(())
}

pub(super) async fn gateway(stores: &Stores, installed: &Installed) -> Result<Program> {
    let address = loopback()?;
    let launch = launch(stores, installed, "gateway")?
        .env("PORT", address.port().to_string())
        .env("RATE_LIMIT", RATE_LIMIT);
    Ok(Program::start(launch, address, address, "/health").await?)
}

/// Jobs that wait in its queue.
pub(super) async fn waiting(stores: &Stores) -> Result<u64> {
    let mut queue = stores.queue.clone();
    Ok(queue.llen(format!("{QUEUE}:wait")).await?)
}

/// Orders per second that its worker makes of `jobs` that were queued before, with `concurrency` of
/// them in work at a time. The result is held against its tables and its queue.
pub(super) async fn settle(
    stores: &Stores,
    installed: &Installed,
    concurrency: u32,
    jobs: u32,
) -> Result<f64> {
    open(stores, jobs + LEFT_OVER).await?;
    fill(stores, installed, jobs).await?;
    stores.settle_down().await?;
    let launch = launch(stores, installed, "worker")?.env("CONCURRENCY", concurrency.to_string());
    let worker = Process::start(launch).await?;
    wait_for_orders(stores, &worker, jobs).await?;
    ended(&worker, worker.stop(STOP_TIMEOUT).await?)?;
    verify(stores, jobs).await?;
    rate(stores).await
}

async fn fill(stores: &Stores, installed: &Installed, jobs: u32) -> Result<()> {
    let launch = launch(stores, installed, "fill")?
        .env("PRODUCT", PRODUCT)
        .env("JOBS", jobs.to_string());
    let fill = Process::start(launch).await?;
    ended(&fill, fill.wait(SILENCE).await?)?;
    let queued = waiting(stores).await?;
    check!(
        queued == u64::from(jobs),
        "of {jobs} jobs {queued} are in the queue of the usual stack"
    )
}

async fn wait_for_orders(stores: &Stores, worker: &Process, jobs: u32) -> Result<()> {
    let (mut made, mut since) = (0, Instant::now());
    while made < i64::from(jobs) {
        tokio::time::sleep(COUNTING_INTERVAL).await;
        let now = orders(stores).await?;
        if now > made {
            (made, since) = (now, Instant::now());
        } else if since.elapsed() > SILENCE || !worker.is_running() {
            let log = worker.log_tail();
            let what = format!("after {made} of {jobs} orders the usual stack made none ({log})");
            return Err(too_late(what, since.elapsed()));
        }
    }
    Ok(())
}

async fn orders(stores: &Stores) -> Result<i64> {
    count(stores, "SELECT count(*) FROM peer.orders").await
}

async fn count(stores: &Stores, statement: &'static str) -> Result<i64> {
    let count = sqlx::query_scalar(statement).fetch_one(stores.ledger.pool());
    Ok(count.await?)
}

/// Checks that each job made one order, that each order took one unit, and that no job is left.
async fn verify(stores: &Stores, jobs: u32) -> Result<()> {
    let made = orders(stores).await?;
    let stock = count(stores, "SELECT sum(stock_quantity) FROM peer.products").await?;
    let mut queue = stores.queue.clone();
    let (waiting, active, failed): (u64, u64, u64) = redis::pipe()
        .llen(format!("{QUEUE}:wait"))
        .llen(format!("{QUEUE}:active"))
        .zcard(format!("{QUEUE}:failed"))
        .query_async(&mut queue)
        .await?;
    let is_right = made == i64::from(jobs)
        && stock == i64::from(LEFT_OVER)
        && (waiting, active, failed) == (0, 0, 0);
    check!(
        is_right,
        "the usual stack made {made} orders of {jobs} jobs, has {stock} units left where \
             {LEFT_OVER} should be, and {waiting} jobs wait, {active} are in work, {failed} failed"
    )
}

/// Orders per second behind those of the warm-up, by the times that the orders bear.
async fn rate(stores: &Stores) -> Result<f64> {
    Ok(sqlx::query_scalar(
        "SELECT ((count(*) - 1) / extract(epoch FROM max(created_at) - min(created_at)))::float8
           FROM (SELECT created_at FROM peer.orders ORDER BY id OFFSET $1) AS measured",
    )
    .bind(i64::from(WARM_UP))
    .fetch_one(stores.ledger.pool())
    .await?)
}

/// One of its programs, with what all of them are told.
fn launch(stores: &Stores, installed: &Installed, name: &str) -> Result<Launch> {
    let mut database = stores.postgres_url()?;
    let schema = format!("-c search_path={SCHEMA}");
    database.query_pairs_mut().append_pair("options", &schema);
    let log = stores.data_dir.path().join(format!("peer-{name}.log"));
    Ok(
        Launch::new(format!("the usual stack's {name}"), &installed.node, log)
            .arg(format!("src/{name}.js"))
            .current_dir(&installed.directory)
            .env("NODE_ENV", "production")
            .env("REDIS_URL", stores.redis.url())
            .env("DATABASE_URL", database.as_str()),
    )
}

fn ended(process: &Process, status: std::process::ExitStatus) -> Result<()> {
    if !status.success() {
        let (name, log) = (process.name(), process.log_tail());
        Err(format!(
            "{name} did not end in order but with {status}; the end of its log:\n{log}"
        ))?;
    }
    Ok(())
}
