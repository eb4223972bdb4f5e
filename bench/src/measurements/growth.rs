//! Growth: what a sale costs when it becomes large, and whether it leaves anything behind.
//!
//! | where | grows | looked at |
//! |---|---|---|
//! | [`whole`] | buys through one sale, 100,000 to 1,000,000 | laws, memory, and the end: everything of a deleted sale is gone |
//! | [`lanes`] | jobs that wait in one lane, 10,000 to 1,000,000 | what an order costs, bytes in Redis |
//! | [`products`] | products of one sale, 1 to 1,000 | what a buy costs, how long their lanes wait for a worker with room for eight |
//! | [`sales`] | open sales, 1 to 100 | what those that sleep cost |
//!
//! It is measured once a run, not once a round: what is compared is sizes that are far apart.

use std::time::{Duration, Instant};

use flashsale_domain::sale::Sale;
use flashsale_queue::{catalogue, keys::SaleKeys};
use flashsale_testbed::program::Program;
use redis::AsyncCommands as _;
use tokio::time::sleep;

use super::memory::{self, LANES};
use crate::{
    environment::{
        Stores, outcomes,
        programs::{bytes_each, megabytes, most_memory, processor_seconds},
        shop, verification,
    },
    error::{Error, Result, check},
    load::prefill,
    metrics::table::{DEFAULT_BATCH, GROWING_BUYS, GROWING_JOBS, GROWING_PRODUCTS, GROWING_SALES},
    session::Session,
};

/// Measures everything; in a quick run the whole way alone, and only up to its smallest size.
pub(crate) async fn measure(session: &mut Session) -> Result<()> {
    if session.arguments.quick {
        return whole(session, &GROWING_BUYS[..1]).await;
    }
    whole(session, &GROWING_BUYS).await?;
    lanes(session).await?;
    let gateway = session.stores.way().gateway().await?;
    for size in GROWING_PRODUCTS {
        products(session, &gateway, size).await?;
    }
    gateway.stop().await?;
    for size in GROWING_SALES {
        sales(session, size).await?;
    }
    Ok(())
}

/// How long Redis may take to give memory back after the last key is gone: it does so beside its
/// other work.
const FREEING_TIMEOUT: Duration = Duration::from_secs(30);

const FREEING_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes by which its memory differs from minute to minute without any sale.
const NOTHING: u64 = 2_000_000;

/// The whole way of a large sale: from `POST /buy` to the order, gateway and worker at work at the
/// same time, until the last unit is sold; then the sale is deleted. Sells as many units as the last
/// of `sizes` says, and looks at memory at each of them.
async fn whole(session: &mut Session, sizes: &[u32]) -> Result<()> {
    let Some(units) = sizes.last().copied() else {
        return Ok(());
    };
    session.tell(&format!("growth: {units} buys through one sale"));
    session.stores.empty().await?;
    let empty = session.stores.redis_memory().await?;
    let number = session.next_sale();
    let sale = shop::sale(number, 1, units);
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    session.put_on_sale(&gateway, &sale).await?;
    let worker = way.worker("worker", LANES, DEFAULT_BATCH).await?;
    let mut sold = 0;
    for size in sizes {
        let at = |id| format!("{id} buys={size}");
        let buys = size - sold;
        let outcomes = outcomes::listen(&session.stores, buys).await?;
        let started = Instant::now();
        session.buy_exactly(&gateway, (number, 1), buys).await?;
        outcomes::finish(outcomes).await?;
        session.record(&at("orders"), prefill::rate(buys, started))?;
        sold = *size;
        session.record(&at("gateway-memory"), most_memory(&gateway)?)?;
        session.record(&at("worker-memory"), most_memory(&worker)?)?;
        let settled = session.stores.redis_memory_at_rest().await?;
        session.record(&at("settled-bytes"), bytes_each(empty, settled, sold))?;
    }
    worker.stop().await?;
    verification::settled(&session.stores, &sale, units).await?;
    let milliseconds = delete(&session.stores, &sale).await?;
    session.record(&format!("deleting buys={units}"), milliseconds)?;
    gateway.stop().await?;
    check_nothing_left(&session.stores, &sale).await?;
    let left = megabytes(left(&session.stores, empty).await?);
    session.record(&format!("redis-left buys={units}"), left)
}

/// Deletes the sale as the operator does once its lanes are empty and its workers are gone; answers
/// how many milliseconds that took.
async fn delete(stores: &Stores, sale: &Sale) -> Result<f64> {
    let started = Instant::now();
    let mut queue = stores.queue.clone();
    catalogue::close(&mut queue, &sale.id).await?;
    catalogue::withdraw(&mut queue, &sale.id).await?;
    stores.ledger.release(&sale.id).await?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// Waits until Redis has freed in the background what was unlinked and has shrunk its tables, which
/// it does not do while it rewrites its append-only file. What it still holds after
/// [`FREEING_TIMEOUT`] is a figure, not an error. Answers bytes beyond `empty`.
async fn left(stores: &Stores, empty: u64) -> Result<u64> {
    let started = Instant::now();
    loop {
        let left = stores.redis_memory().await?.saturating_sub(empty);
        if left < NOTHING || started.elapsed() > FREEING_TIMEOUT {
            return Ok(left);
        }
        sleep(FREEING_INTERVAL).await;
    }
}

/// Checks that a deleted sale left no key of any kind, but that of its withdrawal, which goes by
/// itself.
async fn check_nothing_left(stores: &Stores, sale: &Sale) -> Result<()> {
    let mut queue = stores.queue.clone();
    let _: u64 = queue.del(SaleKeys::new(&sale.id).withdrawn()).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut queue).await?;
    let example: Option<String> = redis::cmd("RANDOMKEY").query_async(&mut queue).await?;
    check!(
        keys == 0,
        "a deleted sale left {keys} keys in Redis, e.g. {example:?}"
    )
}

/// One lane with more and more jobs in it: what an order costs may not depend on how many wait behind
/// it. Smaller sizes are measured more often, since a fraction of a second of work says little.
async fn lanes(session: &mut Session) -> Result<()> {
    for (jobs, times) in GROWING_JOBS.into_iter().zip([5, 3, 1]) {
        session.tell(&format!("growth: a lane of {jobs} jobs"));
        for _ in 0..times {
            let emptied = memory::fill_and_empty(session, jobs).await?;
            let at = |id| format!("{id} jobs={jobs}");
            session.record(&at("orders"), emptied.drained.outcomes.rate())?;
            session.record_each(emptied.drained.used.of_orders(at), jobs)?;
            session.record(&at("worker-memory"), emptied.worker_memory)?;
            session.record(&at("queued-bytes"), emptied.queued_bytes)?;
            session.record(&at("settled-bytes"), emptied.settled_bytes)?;
        }
    }
    Ok(())
}

/// Buys, spread over the products: a hundred for each of a thousand.
const BUYS: u32 = 100_000;

/// One sale with more and more products: what a buy costs when its neighbours are for other
/// products, and how long lanes wait when a worker has room for eight of a thousand. It is sold out
/// to shoppers whom no worker serves yet; then one comes and empties all lanes.
async fn products(session: &mut Session, gateway: &Program, products: u32) -> Result<()> {
    session.tell(&format!("growth: {products} products of one sale"));
    let at = |id| format!("{id} products={products}");
    let number = session.next_sale();
    let sale = shop::sale(number, products, BUYS);
    session.stores.empty().await?;
    session.put_on_sale(gateway, &sale).await?;
    session.stores.settle_down().await?;
    let before = session.stores.used([gateway])?;
    let lanes = (number, products);
    session.buy_exactly(gateway, lanes, BUYS).await?;
    let used = session.stores.used([gateway])?.since(before);
    let queued = verification::waiting(&session.stores, &sale).await?;
    check!(
        queued == u64::from(BUYS),
        "{BUYS} buys were sent and {queued} taken"
    )?;
    session.record_each(used.of_buys(at), BUYS)?;

    let stores = &session.stores;
    stores.settle_down().await?;
    let outcomes = outcomes::listen(stores, BUYS).await?;
    let before = stores.used([])?;
    let worker = stores.way().worker("worker", LANES, DEFAULT_BATCH).await?;
    let outcomes = outcomes::finish(outcomes).await?;
    let used = stores.used([&worker])?.since(before);
    worker.stop().await?;
    verification::settled(stores, &sale, BUYS).await?;
    session.record(&at("emptying"), outcomes.seconds() * 1e3)?;
    session.record(&at("orders"), outcomes.rate())?;
    session.record_each(used.of_orders(at), BUYS)
}

/// How long nothing happens before sleep is looked at, so that starting is no part of it.
const FALLING_ASLEEP: Duration = Duration::from_secs(2);

/// How long sleep is looked at: as long as the longest pause between two looks that gateway or
/// worker take at anything.
const ASLEEP: Duration = Duration::from_secs(5);

/// Buys through the one sale that is awake.
const BUYS_AWAKE: u32 = 20_000;

/// More and more open sales of which one is wanted: what sleeping sales cost gateway, worker and
/// Redis while all of them sleep, and then a buy in one of them.
async fn sales(session: &mut Session, sales: u32) -> Result<()> {
    session.tell(&format!("growth: {sales} open sales"));
    let at = |id| format!("{id} sales={sales}");
    session.stores.empty().await?;
    for _ in 1..sales {
        let asleep = shop::sale(session.next_sale(), 1, BUYS_AWAKE);
        shop::open(&session.stores, &asleep).await?;
    }
    let number = session.next_sale();
    let awake = shop::sale(number, 1, BUYS_AWAKE);
    shop::open(&session.stores, &awake).await?;
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    session.until_known(&gateway, &awake).await?;
    let worker = way.worker("worker", LANES, DEFAULT_BATCH).await?;
    for (id, value) in asleep(&session.stores, &gateway, &worker).await? {
        session.record(&at(id), value)?;
    }
    let outcomes = outcomes::listen(&session.stores, BUYS_AWAKE).await?;
    let before = processor_seconds(&gateway)?;
    let lane = (number, 1);
    session.buy_exactly(&gateway, lane, BUYS_AWAKE).await?;
    let used = processor_seconds(&gateway)? - before;
    outcomes::finish(outcomes).await?;
    session.record_each([(at("gateway-for-buy"), used)], BUYS_AWAKE)?;
    session.record(&at("gateway-memory"), most_memory(&gateway)?)?;
    session.record(&at("worker-memory"), most_memory(&worker)?)?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &awake, BUYS_AWAKE).await
}

/// What is used per second while nothing is asked: milliseconds of processor time, and commands that
/// Redis executes.
async fn asleep(
    stores: &Stores,
    gateway: &Program,
    worker: &Program,
) -> Result<Vec<(&'static str, f64)>> {
    sleep(FALLING_ASLEEP).await;
    let look = async || {
        Ok::<_, Error>([
            ("gateway-asleep", processor_seconds(gateway)? * 1e3),
            ("worker-asleep", processor_seconds(worker)? * 1e3),
            ("redis-asleep", stores.redis_seconds()? * 1e3),
            ("commands-asleep", stores.redis_commands().await?),
        ])
    };
    let started = Instant::now();
    let mut before = look().await?;
    // The bench's own question is one of the commands.
    before[3].1 += 1.0;
    sleep(ASLEEP).await;
    let after = look().await?;
    let seconds = started.elapsed().as_secs_f64();
    let both = after.into_iter().zip(before);
    let rates = both.map(|((id, after), (_, before))| (id, (after - before).max(0.0) / seconds));
    Ok(rates.collect())
}
