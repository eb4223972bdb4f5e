//! The short form: what a baseline holds and nothing else, each beside its limit.

use super::{acknowledgement, settlement};
use crate::{
    environment::{lane_hold::LaneHold, programs::bytes_each, shop, verification},
    error::Result,
    load::prefill,
    metrics::table::DEFAULT_BATCH,
    session::Session,
};

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    settlement::load_rows(session).await?;
    settlement::default_batch(session).await?;
    bytes(session).await?;
    acknowledgement::gateway_alone(session).await
}

/// Fills a lane and has a worker empty it; looks at Redis's memory before, between and after.
async fn bytes(session: &mut Session) -> Result<()> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let sale = shop::sale(number, 1, jobs);
    shop::open(stores, &sale).await?;
    let hold = LaneHold::take(stores, &sale).await?;
    let worker = [stores.way().worker("worker", 1, DEFAULT_BATCH).await?];
    let empty = stores.redis_memory().await?;
    prefill::admit(stores, &sale, shop::buys(&sale, jobs)).await?;
    let drained = hold.drain(stores, &worker, jobs).await?;
    let settled = stores.redis_memory_at_rest().await?;
    worker[0].stop().await?;
    verification::settled(stores, &sale, jobs).await?;
    session.record("redis-queued", bytes_each(empty, drained.redis_full, jobs))?;
    session.record("redis-settled", bytes_each(empty, settled, jobs))
}
