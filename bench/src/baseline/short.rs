//! The short form: what a baseline holds and nothing else, each beside its limit.

use std::sync::Arc;

use flashsale_core::turnstile::Buy;

use crate::{
    acknowledgement,
    children::Child,
    error::BenchError,
    gate::Gate,
    measure::{DEFAULT_BATCH, Measure},
    memory, outcomes, prefill,
    session::Session,
    settlement, shop, verification,
};

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    settlement::load_rows(session).await?;
    settlement::default_batch(session).await?;
    bytes(session).await?;
    acknowledgement::gateway_alone(session).await
}

/// Fills a lane and has a worker empty it; looks at Redis's memory before, between and after.
async fn bytes(session: &mut Session) -> Result<(), BenchError> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let sale = shop::sale(number, 1, i32::try_from(jobs).unwrap_or(i32::MAX))?;
    shop::open(stores, &sale).await?;
    let gate = Gate::close(stores, &sale).await?;
    let worker = Child::worker(stores, "worker", 1, DEFAULT_BATCH).await?;
    let buys: Arc<[Buy]> = shop::buys(&sale, jobs)?.into();
    let empty = stores.redis_memory().await?;
    prefill::admit(stores, &sale, &buys).await?;
    drop(buys);
    stores.settle_down().await?;
    let full = stores.redis_memory().await?;
    let outcomes = outcomes::listen(stores, jobs).await?;
    gate.open().await?;
    outcomes::finish(outcomes).await?;
    stores.settle_down().await?;
    let drained = stores.redis_memory().await?;
    worker.stop().await?;
    verification::settled(stores, &sale, jobs).await?;
    session.record(Measure::RedisQueued, memory::bytes_each(empty, full, jobs));
    session.record(
        Measure::RedisSettled,
        memory::bytes_each(empty, drained, jobs),
    );
    Ok(())
}
