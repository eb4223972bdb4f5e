//! Memory: of the gateway after it queued a full lane, of a worker while it drains it, and of
//! Redis for each buy.

use crate::{
    environment::{
        lane_hold::LaneHold,
        programs::{self, bytes_each},
        verification,
    },
    error::Result,
    load::wrk::{self, Buys},
    metrics::table::DEFAULT_BATCH,
    session::Session,
};

/// Jobs in a full lane, at least.
const FULL_LANE: u64 = 100_000;

/// Lanes that the worker may drive: its default.
const LANES: u32 = 8;

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    let sale = session.open_sale(&gateway).await?;
    let hold = LaneHold::take(&session.stores, &sale).await?;
    let worker = [way.worker("worker", LANES, DEFAULT_BATCH).await?];
    let empty = session.stores.redis_memory().await?;
    while verification::taken(&session.stores, &sale).await? < FULL_LANE {
        let run = session.next_sale();
        let buys = Buys::of(&gateway, sale.products[0].id.as_str(), run, 1);
        wrk::run(session.stores.data_dir.path(), buys).await?;
    }
    // Once it is at rest: wrk gives up the last buys while they are on their way.
    session.stores.settle_down().await?;
    let queued = u32::try_from(verification::taken(&session.stores, &sale).await?)?;
    let gateway_memory = programs::memory(&gateway)?;
    let drained = hold.drain(&session.stores, &worker, queued).await?;
    let settled = session.stores.redis_memory_at_rest().await?;
    let worker_memory = programs::most_memory(&worker[0])?;
    worker[0].stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, queued).await?;
    session.record("jobs-queued", f64::from(queued))?;
    session.record("gateway-resident", gateway_memory)?;
    session.record("worker-most-resident", worker_memory)?;
    session.record(
        "redis-queued",
        bytes_each(empty, drained.redis_full, queued),
    )?;
    session.record("redis-settled", bytes_each(empty, settled, queued))
}
