//! Memory: of the gateway after it queued a full lane, of a worker while it drains it, and of
//! Redis for each buy.

use flashsale_domain::sale::Sale;
use flashsale_testbed::program::Program;

use crate::{
    environment::{
        Drained, LaneHold, Stores,
        programs::{self, bytes_each},
        shop, verification,
    },
    error::Result,
    load::{prefill, wrk::How},
    metrics::table::DEFAULT_BATCH,
    session::Session,
};

/// Jobs in a full lane, at least.
const FULL_LANE: u64 = 100_000;

/// Lanes that the worker may drive: its default.
pub(super) const LANES: u32 = 8;

/// Jobs made up at a time: all of a million at once would be a gigabyte of this program's memory.
const CHUNK: u32 = 100_000;

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    let gateway = session.stores.way().gateway().await?;
    let sale = session.open_sale(&gateway, 0).await?;
    let lane = OpenLane::new(&session.stores, sale).await?;
    let how = How {
        seconds: 1,
        ..session.usual()
    };
    while verification::taken(&session.stores, &lane.sale).await? < FULL_LANE {
        let product = lane.sale.products[0].id.as_str();
        session.send(&gateway, product, how).await?;
    }
    // Once it is at rest: wrk gives up the last buys while they are on their way.
    session.stores.settle_down().await?;
    let queued = u32::try_from(verification::taken(&session.stores, &lane.sale).await?)?;
    session.record("gateway-resident", programs::memory(&gateway)?)?;
    let emptied = lane.empty(&session.stores, queued).await?;
    gateway.stop().await?;
    session.record("jobs-queued", f64::from(queued))?;
    session.record("worker-most-resident", emptied.worker_memory)?;
    session.record("redis-queued", emptied.queued_bytes)?;
    session.record("redis-settled", emptied.settled_bytes)
}

/// Fills a lane of a new sale through the turnstile's script and has a worker empty it.
pub(crate) async fn fill_and_empty(session: &mut Session, jobs: u32) -> Result<Emptied> {
    let sale = shop::sale(session.next_sale(), 1, jobs);
    let stores = &session.stores;
    stores.empty().await?;
    shop::open(stores, &sale).await?;
    let lane = OpenLane::new(stores, sale).await?;
    for first in (0..jobs).step_by(CHUNK as usize) {
        let buys = shop::buys(&lane.sale, CHUNK.min(jobs - first));
        prefill::admit(stores, &lane.sale, buys).await?;
    }
    lane.empty(stores, jobs).await
}

/// A lane that is filled, with a worker that waits for it.
struct OpenLane {
    sale: Sale,
    hold: LaneHold,
    worker: [Program; 1],
    /// Bytes of Redis before the first job was queued.
    redis_empty: u64,
}

/// What emptying a lane came to.
pub(crate) struct Emptied {
    pub(crate) drained: Drained,
    /// Megabytes that the worker had at most.
    pub(crate) worker_memory: f64,
    /// Bytes of Redis for one buy that waits.
    pub(crate) queued_bytes: f64,
    /// The same once it is settled.
    pub(crate) settled_bytes: f64,
}

impl OpenLane {
    async fn new(stores: &Stores, sale: Sale) -> Result<Self> {
        Ok(Self {
            hold: LaneHold::take(stores, &sale).await?,
            worker: [stores.way().worker("worker", LANES, DEFAULT_BATCH).await?],
            redis_empty: stores.redis_memory().await?,
            sale,
        })
    }

    async fn empty(self, stores: &Stores, jobs: u32) -> Result<Emptied> {
        let drained = self.hold.drain(stores, &self.worker, jobs).await?;
        let settled = stores.redis_memory_at_rest().await?;
        let [worker] = self.worker;
        let worker_memory = programs::most_memory(&worker)?;
        worker.stop().await?;
        verification::settled(stores, &self.sale, jobs).await?;
        Ok(Emptied {
            queued_bytes: bytes_each(self.redis_empty, drained.redis_full, jobs),
            settled_bytes: bytes_each(self.redis_empty, settled, jobs),
            drained,
            worker_memory,
        })
    }
}
