//! One lane with more and more jobs in it: what an order costs may not depend on how many wait
//! behind it.

use super::LANES;
use crate::{
    environment::{
        lane_hold::LaneHold,
        programs::{self, bytes_each},
        shop, verification,
    },
    error::Result,
    load::prefill,
    metrics::table::{DEFAULT_BATCH, GROWING_JOBS},
    session::Session,
};

/// Jobs made up at a time: all of a million at once would be a gigabyte of this program's memory.
const CHUNK: u32 = 100_000;

/// Measures each size; smaller ones more often, since a fraction of a second of work says little.
pub(super) async fn measure(session: &mut Session) -> Result<()> {
    for (jobs, times) in GROWING_JOBS.into_iter().zip([5, 3, 1]) {
        session.tell(&format!("growth: a lane of {jobs} jobs"));
        for _ in 0..times {
            empty_one(session, jobs).await?;
        }
    }
    Ok(())
}

async fn empty_one(session: &mut Session, jobs: u32) -> Result<()> {
    let number = session.next_sale();
    let stores = &session.stores;
    stores.empty().await?;
    let sale = shop::sale(number, 1, jobs);
    shop::open(stores, &sale).await?;
    let hold = LaneHold::take(stores, &sale).await?;
    let worker = [stores.way().worker("worker", LANES, DEFAULT_BATCH).await?];
    let empty = stores.redis_memory().await?;
    for first in (0..jobs).step_by(CHUNK as usize) {
        let buys = shop::buys(&sale, CHUNK.min(jobs - first));
        prefill::admit(stores, &sale, buys).await?;
    }
    let drained = hold.drain(stores, &worker, jobs).await?;
    let worker_memory = programs::most_memory(&worker[0])?;
    let settled = stores.redis_memory_at_rest().await?;
    worker[0].stop().await?;
    verification::settled(stores, &sale, jobs).await?;
    let at = |id| format!("{id} jobs={jobs}");
    session.record(&at("orders"), drained.outcomes.rate())?;
    session.record_each(drained.used.of_orders(at), jobs)?;
    session.record(&at("worker-memory"), worker_memory)?;
    session.record(
        &at("queued-bytes"),
        bytes_each(empty, drained.redis_full, jobs),
    )?;
    session.record(&at("settled-bytes"), bytes_each(empty, settled, jobs))
}
