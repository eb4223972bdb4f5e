//! The usual stack, `bench/peers/express-bullmq`, in turn with ours: buys acknowledged by one
//! gateway process, and orders of one hot product by one worker process.

pub(crate) mod install;

use std::time::{Duration, Instant};

use flashsale_testbed::{
    launch::Launch,
    process::Process,
    program::{Program, loopback},
};
use redis::AsyncCommands as _;
use sqlx::AssertSqlSafe;

use self::install::Installed;
use super::settlement;
use crate::{
    environment::{Stores, verification::is_plausible},
    error::{Result, check, too_late},
    load::wrk::{CONNECTIONS, How, Load},
    metrics::table::CONCURRENCIES,
    session::Session,
};

/// Jobs that each settlement of the usual stack settles in a full run, some ten seconds, and in a
/// quick one.
const JOBS: [u32; 2] = [5_000, FEW_JOBS];

/// The same for each concurrency that is tried.
const FEW_JOBS: u32 = 2_000;

/// Seconds of load before its acknowledgements are measured: by then its code has been compiled.
const WARM_UP_SECONDS: u32 = 1;

/// Measures one round; the first also looks for the best concurrency.
pub(crate) async fn round(session: &mut Session, installed: &Installed) -> Result<()> {
    their_acknowledgements(session, installed).await?;
    our_acknowledgements(session).await?;
    let concurrency = match best_concurrency(session) {
        Some(known) => known,
        None => try_concurrencies(session, installed).await?,
    };
    let jobs = session.arguments.pick(JOBS);
    let theirs = settle(&session.stores, installed, concurrency, jobs).await?;
    session.record("peer-orders stack=express-bullmq", theirs)?;
    let ours = settlement::hot_product(session).await?;
    session.record("peer-orders stack=flashsale", ours)?;
    clear(&session.stores).await
}

async fn their_acknowledgements(session: &mut Session, installed: &Installed) -> Result<()> {
    open(&session.stores, 0).await?;
    let gateway = their_gateway(&session.stores, installed).await?;
    let how = How {
        seconds: WARM_UP_SECONDS,
        ..session.usual()
    };
    let warm_up = session.send(&gateway, PRODUCT, how).await?;
    session.stores.settle_down().await?;
    let warm = waiting(&session.stores).await?;
    check_taken(warm_up.requests, warm)?;
    let load = session.send(&gateway, PRODUCT, session.usual()).await?;
    gateway.stop().await?;
    let queued = waiting(&session.stores).await?;
    check_taken(load.requests, queued.saturating_sub(warm))?;
    record(session, "express-bullmq", &load)
}

async fn our_acknowledgements(session: &mut Session) -> Result<()> {
    let gateway = session.stores.way().gateway().await?;
    let (load, _) = session.buy(&gateway, session.usual()).await?;
    gateway.stop().await?;
    record(session, "flashsale", &load)
}

/// What was found in an earlier round of this run.
fn best_concurrency(session: &Session) -> Option<u32> {
    let rate = |concurrency| {
        let tried = format!("peer-orders concurrency={concurrency}");
        Some((session.figures.median(&tried)?, concurrency))
    };
    let rates = CONCURRENCIES.into_iter().filter_map(rate);
    let best = rates.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, concurrency)| concurrency)
}

async fn try_concurrencies(session: &mut Session, installed: &Installed) -> Result<u32> {
    for concurrency in CONCURRENCIES {
        let rate = settle(&session.stores, installed, concurrency, FEW_JOBS).await?;
        session.record(&format!("peer-orders concurrency={concurrency}"), rate)?;
    }
    Ok(best_concurrency(session).unwrap_or(CONCURRENCIES[0]))
}

/// Checks that every acknowledged buy was queued, and none twice, as for our own gateway.
fn check_taken(answered: u32, queued: u64) -> Result<()> {
    check!(
        is_plausible(queued, answered, CONNECTIONS),
        "the usual stack acknowledged {answered} buys and queued {queued}"
    )
}

fn record(session: &mut Session, stack: &str, load: &Load) -> Result<()> {
    session.record(&format!("peer-requests stack={stack}"), load.rate())?;
    let series = format!("peer-latency stack={stack}");
    session.record_quantiles(&series, &load.quantiles_ms()[..2])
}

/// What it sells.
const PRODUCT: &str = "sneaker-001";

/// Schema of PostgreSQL that holds its tables, beside ours.
const SCHEMA: &str = "peer";

const TABLES: &str = include_str!("../../peers/express-bullmq/schema.sql");

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
async fn open(stores: &Stores, stock: u32) -> Result<()> {
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

async fn clear(stores: &Stores) -> Result<()> {
    let clearing = sqlx::raw_sql("DROP SCHEMA IF EXISTS peer CASCADE");
    clearing.execute(stores.ledger.pool()).await?;
    Ok(())
}

async fn their_gateway(stores: &Stores, installed: &Installed) -> Result<Program> {
    let address = loopback()?;
    let launch = launch(stores, installed, "gateway")?
        .env("PORT", address.port().to_string())
        .env("RATE_LIMIT", RATE_LIMIT);
    Ok(Program::start(launch, address, address, "/health").await?)
}

/// Jobs that wait in its queue.
async fn waiting(stores: &Stores) -> Result<u64> {
    let mut queue = stores.queue.clone();
    Ok(queue.llen(format!("{QUEUE}:wait")).await?)
}

/// Orders per second that its worker makes of `jobs` that were queued before, with `concurrency` of
/// them in work at a time. The result is held against its tables and its queue.
async fn settle(
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
    let (waiting, active, failed): (u64, u64, u64) = redis::pipe()
        .llen(format!("{QUEUE}:wait"))
        .llen(format!("{QUEUE}:active"))
        .zcard(format!("{QUEUE}:failed"))
        .query_async(&mut stores.queue.clone())
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
