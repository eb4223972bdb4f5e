//! One lane with more and more jobs in it: what an order costs may not depend on how many wait
//! behind it.

use std::sync::Arc;

use flashsale_core::{sale::Sale, turnstile::Buy};

use super::{LANES, each, stopwatch};
use crate::{
    children::Child,
    error::BenchError,
    gate::Gate,
    measure::{
        DEFAULT_BATCH, Measure,
        growth::{Cost, JOBS, Size},
    },
    outcomes, prefill,
    session::Session,
    shop,
    stores::Stores,
    verification,
};

/// Jobs made up at a time: all of a million at once would be a gigabyte of this program's memory.
const CHUNK: u32 = 100_000;

/// Measures each size; smaller ones more often, since a fraction of a second of work says little.
pub async fn measure(session: &mut Session) -> Result<(), BenchError> {
    for (jobs, times) in JOBS.into_iter().zip([5, 3, 1]) {
        session.tell(&format!("growth: a lane of {jobs} jobs"));
        for _ in 0..times {
            empty_one(session, jobs).await?;
        }
    }
    Ok(())
}

async fn empty_one(session: &mut Session, jobs: u32) -> Result<(), BenchError> {
    let stores = &session.stores;
    stores.empty().await?;
    let number = session.next_sale();
    let stores = &session.stores;
    let sale = shop::sale(number, 1, i32::try_from(jobs).unwrap_or(i32::MAX))?;
    shop::open(stores, &sale).await?;
    let gate = Gate::close(stores, &sale).await?;
    let worker = Child::worker(stores, "worker", LANES, DEFAULT_BATCH).await?;
    let empty = stores.redis_memory().await?;
    fill(stores, &sale, jobs).await?;
    stores.settle_down().await?;
    let full = stores.redis_memory().await?;
    let outcomes = outcomes::listen(stores, jobs).await?;
    let before = stopwatch::look(stores, Some(&worker))?;
    gate.open().await?;
    let outcomes = outcomes::finish(outcomes).await?;
    let used = stopwatch::look(stores, Some(&worker))?.each_since(before, jobs);
    let worker_memory = worker.most_memory()?;
    stores.settle_down().await?;
    let settled = stores.redis_memory().await?;
    worker.stop().await?;
    verification::settled(stores, &sale, jobs).await?;
    let at = |cost| Measure::Growth(Size::Jobs(jobs), cost);
    session.record(at(Cost::Orders), outcomes.rate());
    session.record(at(Cost::PostgresForOrder), used.postgres);
    session.record(at(Cost::WorkerForOrder), used.child);
    session.record(at(Cost::RedisForOrder), used.redis);
    session.record(at(Cost::WorkerMemory), worker_memory);
    session.record(at(Cost::RedisQueued), each(empty, full, jobs));
    session.record(at(Cost::RedisSettled), each(empty, settled, jobs));
    Ok(())
}

async fn fill(stores: &Stores, sale: &Sale, jobs: u32) -> Result<(), BenchError> {
    let mut missing = jobs;
    while missing > 0 {
        let chunk = missing.min(CHUNK);
        let buys: Arc<[Buy]> = shop::buys(sale, chunk)?.into();
        prefill::admit(stores, sale, &buys).await?;
        missing -= chunk;
    }
    Ok(())
}
