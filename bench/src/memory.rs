//! Memory: of the gateway after it queued a full lane, of a worker while it drains it, and of
//! Redis for each buy.

use crate::{
    acknowledgement,
    children::Child,
    error::BenchError,
    gate::Gate,
    measure::{DEFAULT_BATCH, Measure},
    outcomes,
    session::Session,
    verification, wrk,
};

/// Jobs in a full lane, at least.
const FULL_LANE: u64 = 100_000;

/// Seconds of load at a time until the lane is full.
const LOAD_SECONDS: u32 = 1;

/// Lanes that the worker may drive: its default.
const LANES: u32 = 8;

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    let gateway = Child::gateway(&session.stores).await?;
    let sale = acknowledgement::open(session, &gateway).await?;
    let gate = Gate::close(&session.stores, &sale).await?;
    let worker = Child::worker(&session.stores, "worker", LANES, DEFAULT_BATCH).await?;
    let empty = session.stores.redis_memory().await?;
    let mut queued = 0;
    while queued < FULL_LANE {
        let (run, product) = (session.next_sale(), sale.products[0].id.as_str());
        wrk::run(&session.stores, gateway.address, product, run, LOAD_SECONDS).await?;
        queued = acknowledgement::taken(&session.stores, &sale).await?;
    }
    let queued = u32::try_from(queued).unwrap_or(u32::MAX);
    session.stores.settle_down().await?;
    let full = session.stores.redis_memory().await?;
    let gateway_memory = gateway.memory()?;
    let outcomes = outcomes::listen(&session.stores, queued).await?;
    gate.open().await?;
    outcomes::finish(outcomes).await?;
    session.stores.settle_down().await?;
    let drained = session.stores.redis_memory().await?;
    let worker_memory = worker.most_memory()?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, queued).await?;
    session.record(Measure::JobsQueued, f64::from(queued));
    session.record(Measure::GatewayMemory, gateway_memory);
    session.record(Measure::WorkerMemory, worker_memory);
    session.record(Measure::RedisQueued, bytes_each(empty, full, queued));
    session.record(Measure::RedisSettled, bytes_each(empty, drained, queued));
    Ok(())
}

/// Bytes that Redis needs for each of `count` things that came `before` and `after`.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn bytes_each(before: u64, after: u64, count: u32) -> f64 {
    after.saturating_sub(before) as f64 / f64::from(count)
}
