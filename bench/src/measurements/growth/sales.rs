//! More and more open sales of which one is wanted: what sleeping sales cost gateway, worker and
//! Redis.

use std::time::{Duration, Instant};

use flashsale_domain::sale::Sale;
use flashsale_testbed::program::Program;

use super::LANES;
use crate::{
    environment::{
        Stores, outcomes,
        programs::{most_memory, processor_seconds},
        shop, verification,
    },
    error::{Error, Result, wrong},
    metrics::table::{DEFAULT_BATCH, GROWING_SALES},
    session::Session,
};

/// How long nothing happens before sleep is looked at, so that starting is no part of it.
const FALLING_ASLEEP: Duration = Duration::from_secs(2);

/// How long sleep is looked at: as long as the longest pause between two looks that gateway or
/// worker take at anything.
const ASLEEP: Duration = Duration::from_secs(5);

/// Buys through the one sale that is awake.
const BUYS: u32 = 20_000;

pub(super) async fn measure(session: &mut Session) -> Result<()> {
    for sales in GROWING_SALES {
        session.tell(&format!("growth: {sales} open sales"));
        session.stores.empty().await?;
        for _ in 1..sales {
            let asleep = shop::sale(session.next_sale(), 1, BUYS);
            shop::open(&session.stores, &asleep).await?;
        }
        let number = session.next_sale();
        measure_one(session, sales, number, &shop::sale(number, 1, BUYS)).await?;
    }
    Ok(())
}

/// Looks at gateway and worker while all of `sales` sales sleep, then at a buy in one of them.
async fn measure_one(session: &mut Session, sales: u32, number: u32, awake: &Sale) -> Result<()> {
    shop::open(&session.stores, awake).await?;
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    gateway
        .answers(gateway.address, &format!("/sales/{}", awake.id))
        .await?;
    let worker = way.worker("worker", LANES, DEFAULT_BATCH).await?;
    let at = |id| format!("{id} sales={sales}");
    for (id, value) in sleep(&session.stores, &gateway, &worker).await? {
        session.record(&at(id), value)?;
    }
    let used = wake(session, &gateway, number).await?;
    session.record_each([(at("gateway-for-buy"), used)], BUYS)?;
    session.record(&at("gateway-memory"), most_memory(&gateway)?)?;
    session.record(&at("worker-memory"), most_memory(&worker)?)?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, awake, BUYS).await
}

/// Buys in one sale, settled at once; answers the seconds that the gateway used.
async fn wake(session: &mut Session, gateway: &Program, sale: u32) -> Result<f64> {
    let outcomes = outcomes::listen(&session.stores, BUYS).await?;
    let before = processor_seconds(gateway)?;
    session.buy_exactly(gateway, (sale, 1), BUYS).await?;
    let used = processor_seconds(gateway)? - before;
    outcomes::finish(outcomes).await?;
    Ok(used)
}

/// What is used per second while nothing is asked: milliseconds of processor time, and commands that
/// Redis executes.
async fn sleep(
    stores: &Stores,
    gateway: &Program,
    worker: &Program,
) -> Result<[(&'static str, f64); 4]> {
    tokio::time::sleep(FALLING_ASLEEP).await;
    let look = async || {
        let milliseconds = [
            processor_seconds(gateway)? * 1e3,
            processor_seconds(worker)? * 1e3,
            stores.redis_seconds()? * 1e3,
        ];
        Ok::<_, Error>((milliseconds, commands(stores).await?))
    };
    let started = Instant::now();
    let (before, commands_before) = look().await?;
    tokio::time::sleep(ASLEEP).await;
    let (after, commands_after) = look().await?;
    let seconds = started.elapsed().as_secs_f64();
    // The bench's own question is one of them.
    let commands = (commands_after - commands_before - 1.0).max(0.0);
    Ok([
        ("gateway-asleep", (after[0] - before[0]) / seconds),
        ("worker-asleep", (after[1] - before[1]) / seconds),
        ("redis-asleep", (after[2] - before[2]) / seconds),
        ("commands-asleep", commands / seconds),
    ])
}

/// Commands that Redis has executed since it started, those in scripts included.
async fn commands(stores: &Stores) -> Result<f64> {
    let commands = stores.info("stats").await?.get("total_commands_processed");
    commands.ok_or_else(|| wrong("Redis does not tell its commands"))
}
