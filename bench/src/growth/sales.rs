//! More and more open sales of which one is wanted: what sleeping sales cost gateway, worker and
//! Redis.

use std::time::{Duration, Instant};

use flashsale_core::sale::Sale;

use super::{
    LANES,
    load::{self, Load},
    stopwatch::{self, Seconds},
};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        DEFAULT_BATCH, Measure,
        growth::{Cost, SALES, Size},
    },
    outcomes,
    session::Session,
    shop,
    stores::Stores,
    verification,
};

/// How long nothing happens before sleep is looked at, so that starting is no part of it.
const FALLING_ASLEEP: Duration = Duration::from_secs(2);

/// How long sleep is looked at: as long as the longest pause between two looks that gateway or
/// worker take at anything.
const ASLEEP: Duration = Duration::from_secs(5);

/// Buys through the one sale that is awake.
const BUYS: u32 = 20_000;

/// Milliseconds of a second.
const MILLISECONDS: f64 = 1e3;

/// Measures each size.
pub async fn measure(session: &mut Session) -> Result<(), BenchError> {
    for sales in SALES {
        session.tell(&format!("growth: {sales} open sales"));
        session.stores.empty().await?;
        let mut numbers = Vec::new();
        for _ in 0..sales {
            numbers.push(session.next_sale());
        }
        let mut awake = None;
        for number in numbers {
            let sale = shop::sale(number, 1, i32::try_from(BUYS).unwrap_or(i32::MAX))?;
            shop::open(&session.stores, &sale).await?;
            awake = Some((number, sale));
        }
        if let Some((number, sale)) = awake {
            measure_one(session, sales, number, &sale).await?;
        }
    }
    Ok(())
}

/// Looks at gateway and worker while all of `sales` sales sleep, then at a buy in one of them.
async fn measure_one(
    session: &mut Session,
    sales: u32,
    number: u32,
    awake: &Sale,
) -> Result<(), BenchError> {
    let gateway = Child::gateway(&session.stores).await?;
    gateway
        .wait_for(gateway.address, &format!("/sales/{}", awake.id))
        .await?;
    let worker = Child::worker(&session.stores, "worker", LANES, DEFAULT_BATCH).await?;
    let at = |cost| Measure::Growth(Size::Sales(sales), cost);
    let sleep = sleep(&session.stores, &gateway, &worker).await?;
    session.record(at(Cost::GatewayAsleep), sleep.gateway);
    session.record(at(Cost::WorkerAsleep), sleep.worker);
    session.record(at(Cost::RedisAsleep), sleep.redis);
    session.record(at(Cost::CommandsAsleep), sleep.commands);
    let used = wake(session, &gateway, number).await?;
    session.record(at(Cost::GatewayForBuy), used.child);
    session.record(at(Cost::GatewayMemory), gateway.most_memory()?);
    session.record(at(Cost::WorkerMemory), worker.most_memory()?);
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, awake, BUYS).await
}

/// Buys in one sale, settled at once; answers what a buy cost.
async fn wake(session: &mut Session, gateway: &Child, sale: u32) -> Result<Seconds, BenchError> {
    let run = session.next_sale();
    let stores = &session.stores;
    let load = Load {
        sale,
        products: 1,
        run,
        buys: BUYS,
    };
    let outcomes = outcomes::listen(stores, BUYS).await?;
    let before = stopwatch::look(stores, Some(gateway))?;
    load::send(stores, gateway.address, load).await?;
    let used = stopwatch::look(stores, Some(gateway))?.each_since(before, BUYS);
    outcomes::finish(outcomes).await?;
    Ok(used)
}

/// What is used a second while nothing is asked.
#[derive(Debug, Clone, Copy)]
struct Sleep {
    /// Milliseconds of processor time.
    gateway: f64,
    worker: f64,
    redis: f64,
    /// Commands that Redis executed.
    commands: f64,
}

async fn sleep(stores: &Stores, gateway: &Child, worker: &Child) -> Result<Sleep, BenchError> {
    tokio::time::sleep(FALLING_ASLEEP).await;
    let look = async || {
        let used = [
            gateway.processor_seconds()?,
            worker.processor_seconds()?,
            stores.redis_seconds()?,
        ];
        Ok::<_, BenchError>((used, commands(stores).await?))
    };
    let started = Instant::now();
    let (before, commands_before) = look().await?;
    tokio::time::sleep(ASLEEP).await;
    let (after, commands_after) = look().await?;
    let seconds = started.elapsed().as_secs_f64();
    let used = |index: usize| (after[index] - before[index]) / seconds * MILLISECONDS;
    Ok(Sleep {
        gateway: used(0),
        worker: used(1),
        redis: used(2),
        // The bench's own question is one of them.
        commands: (commands_after - commands_before - 1.0).max(0.0) / seconds,
    })
}

/// Commands that Redis has executed since it started, those in scripts included.
async fn commands(stores: &Stores) -> Result<f64, BenchError> {
    let commands = stores.info("stats").await?.get("total_commands_processed");
    commands.ok_or_else(|| BenchError::Wrong("Redis does not tell its commands".to_owned()))
}
