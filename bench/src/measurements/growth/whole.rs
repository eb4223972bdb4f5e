//! The whole way of a large sale: from `POST /buy` to the order, gateway and worker at work at the
//! same time, until the last unit is sold; then the sale is deleted.

use std::time::{Duration, Instant};

use flashsale_domain::sale::Sale;
use flashsale_queue::{catalogue, keys::SaleKeys};
use flashsale_testbed::program::Program;
use redis::AsyncCommands;

use super::LANES;
use crate::{
    environment::{
        Stores, outcomes,
        programs::{bytes_each, megabytes, most_memory},
        shop, verification,
    },
    error::{Result, check},
    metrics::table::DEFAULT_BATCH,
    session::Session,
};

/// How long Redis may take to give memory back after the last key is gone: it does so beside its
/// other work.
const FREEING_TIMEOUT: Duration = Duration::from_secs(30);

const FREEING_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes by which its memory differs from minute to minute without any sale.
const NOTHING: u64 = 2_000_000;

/// Sells as many units as the last of `sizes` says, and looks at memory at each of them.
pub(super) async fn measure(session: &mut Session, sizes: &[u32]) -> Result<()> {
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
        let rate = sell(session, &gateway, number, size - sold).await?;
        session.record(&at("orders"), rate)?;
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
    let left = left(&session.stores, empty).await?;
    session.record(&format!("redis-left buys={units}"), megabytes(left))
}

/// Sells `units` units and waits for the last order; answers orders per second.
async fn sell(session: &mut Session, gateway: &Program, sale: u32, units: u32) -> Result<f64> {
    let outcomes = outcomes::listen(&session.stores, units).await?;
    let started = Instant::now();
    session.buy_exactly(gateway, (sale, 1), units).await?;
    outcomes::finish(outcomes).await?;
    Ok(f64::from(units) / started.elapsed().as_secs_f64())
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
        tokio::time::sleep(FREEING_INTERVAL).await;
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
