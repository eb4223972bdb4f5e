//! The whole way of a large sale: from `POST /buy` to the order, gateway and worker at work at the
//! same time, until the last unit is sold; then the sale is deleted.

use std::time::{Duration, Instant};

use flashsale_core::{catalogue, keys::SaleKeys, sale::Sale};
use redis::AsyncCommands;

use super::{
    LANES, each,
    load::{self, Load},
};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        DEFAULT_BATCH, Measure,
        growth::{Cost, Size},
    },
    outcomes,
    session::Session,
    shop,
    stores::Stores,
    verification,
};

/// How long Redis may take to give memory back after the last key is gone: it does so beside its
/// other work.
const FREEING_PATIENCE: Duration = Duration::from_secs(30);

/// How often it is asked.
const FREEING_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes by which its memory differs from minute to minute without any sale.
const NOTHING: u64 = 2_000_000;

/// Sells as many units as the last of `sizes` says, and looks at memory at each of them.
pub async fn measure(session: &mut Session, sizes: &[u32]) -> Result<(), BenchError> {
    let Some(units) = sizes.last().copied() else {
        return Ok(());
    };
    session.tell(&format!("growth: {units} buys through one sale"));
    session.stores.empty().await?;
    let empty = session.stores.redis_memory().await?;
    let number = session.next_sale();
    let sale = shop::sale(number, 1, i32::try_from(units).unwrap_or(i32::MAX))?;
    shop::open(&session.stores, &sale).await?;
    let gateway = Child::gateway(&session.stores).await?;
    gateway
        .wait_for(gateway.address, &format!("/sales/{}", sale.id))
        .await?;
    let worker = Child::worker(&session.stores, "worker", LANES, DEFAULT_BATCH).await?;
    let mut sold = 0;
    for size in sizes {
        let at = |cost| Measure::Growth(Size::Buys(*size), cost);
        let rate = sell(session, &gateway, number, size - sold).await?;
        session.record(at(Cost::Orders), rate);
        sold = *size;
        session.record(at(Cost::GatewayMemory), gateway.most_memory()?);
        session.record(at(Cost::WorkerMemory), worker.most_memory()?);
        session.stores.settle_down().await?;
        let settled = session.stores.redis_memory().await?;
        session.record(at(Cost::RedisSettled), each(empty, settled, sold));
    }
    worker.stop().await?;
    verification::settled(&session.stores, &sale, units).await?;
    delete(session, &sale, units).await?;
    gateway.stop().await?;
    check_nothing_left(&session.stores, &sale).await?;
    let left = left(&session.stores, empty).await?;
    let at = |cost| Measure::Growth(Size::Buys(units), cost);
    session.record(at(Cost::RedisLeft), each(0, left, BYTES_A_MEGABYTE));
    Ok(())
}

/// Bytes of a megabyte, in which figures are told.
const BYTES_A_MEGABYTE: u32 = 1_000_000;

/// Sells `units` units and waits for the last order; answers orders a second.
async fn sell(
    session: &mut Session,
    gateway: &Child,
    sale: u32,
    units: u32,
) -> Result<f64, BenchError> {
    let load = Load {
        sale,
        products: 1,
        run: session.next_sale(),
        buys: units,
    };
    let outcomes = outcomes::listen(&session.stores, units).await?;
    let started = Instant::now();
    load::send(&session.stores, gateway.address, load).await?;
    outcomes::finish(outcomes).await?;
    Ok(f64::from(units) / started.elapsed().as_secs_f64())
}

/// Deletes the sale as the operator does once its lanes are empty and its workers are gone, and
/// notes how long that takes.
async fn delete(session: &mut Session, sale: &Sale, units: u32) -> Result<(), BenchError> {
    let started = Instant::now();
    let mut queue = session.stores.queue.clone();
    catalogue::close(&mut queue, &sale.id).await?;
    catalogue::withdraw(&mut queue, &sale.id).await?;
    session.stores.ledger.release(&sale.id).await?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    session.record(Measure::Growth(Size::Buys(units), Cost::Deleting), took);
    Ok(())
}

/// Waits until Redis has freed in the background what was unlinked and has shrunk its tables, which
/// it does not do while it rewrites its append-only file. What it still holds after
/// [`FREEING_PATIENCE`] is a figure, not an error. Answers bytes beyond `empty`.
async fn left(stores: &Stores, empty: u64) -> Result<u64, BenchError> {
    let started = Instant::now();
    loop {
        let left = stores.redis_memory().await?.saturating_sub(empty);
        if left < NOTHING || started.elapsed() > FREEING_PATIENCE {
            return Ok(left);
        }
        tokio::time::sleep(FREEING_INTERVAL).await;
    }
}

/// Checks that a deleted sale left no key of any kind, but that of its withdrawal, which goes by
/// itself.
async fn check_nothing_left(stores: &Stores, sale: &Sale) -> Result<(), BenchError> {
    let mut queue = stores.queue.clone();
    let _: u64 = queue.del(SaleKeys::new(&sale.id).withdrawn()).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut queue).await?;
    if keys == 0 {
        return Ok(());
    }
    let example: Option<String> = redis::cmd("RANDOMKEY").query_async(&mut queue).await?;
    let text = format!(
        "a deleted sale left {keys} keys in Redis, e.g. {}",
        example.as_deref().unwrap_or("none any more")
    );
    Err(BenchError::Wrong(text))
}
