//! Growth: what a sale costs when it becomes large, and whether it leaves anything behind.
//!
//! | where | grows | looked at |
//! |---|---|---|
//! | [`whole`] | buys through one sale, 100,000 to 1,000,000 | laws, memory, and the end: everything of a deleted sale is gone |
//! | [`lanes`] | jobs that wait in one lane, 10,000 to 1,000,000 | what an order costs, bytes in Redis |
//! | [`products`] | products of one sale, 1 to 1,000 | what a buy costs, how long their lanes wait for a worker with room for eight |
//! | [`sales`] | open sales, 1 to 100 | what those that sleep cost |
//!
//! It is measured once a run, not once a round: what is compared is sizes that are far apart.

mod sales;
mod whole;

use flashsale_domain::sale::Sale;
use flashsale_testbed::program::Program;

use super::memory;
use crate::{
    environment::{outcomes, shop, verification},
    error::{Result, check},
    metrics::table::{DEFAULT_BATCH, GROWING_BUYS, GROWING_JOBS, GROWING_PRODUCTS},
    session::Session,
};

/// Lanes that the worker may drive: its default.
const LANES: u32 = 8;

/// Measures everything; in a quick run the whole way alone, and only up to its smallest size.
pub(crate) async fn measure(session: &mut Session) -> Result<()> {
    if session.arguments.quick {
        return whole::measure(session, &GROWING_BUYS[..1]).await;
    }
    whole::measure(session, &GROWING_BUYS).await?;
    lanes(session).await?;
    products(session).await?;
    sales::measure(session).await
}

/// One lane with more and more jobs in it: what an order costs may not depend on how many wait behind
/// it. Smaller sizes are measured more often, since a fraction of a second of work says little.
async fn lanes(session: &mut Session) -> Result<()> {
    for (jobs, times) in GROWING_JOBS.into_iter().zip([5, 3, 1]) {
        session.tell(&format!("growth: a lane of {jobs} jobs"));
        for _ in 0..times {
            empty_one(session, jobs).await?;
        }
    }
    Ok(())
}

async fn empty_one(session: &mut Session, jobs: u32) -> Result<()> {
    let emptied = memory::fill_and_empty(session, jobs).await?;
    let at = |id| format!("{id} jobs={jobs}");
    session.record(&at("orders"), emptied.drained.outcomes.rate())?;
    session.record_each(emptied.drained.used.of_orders(at), jobs)?;
    session.record(&at("worker-memory"), emptied.worker_memory)?;
    session.record(&at("queued-bytes"), emptied.queued_bytes)?;
    session.record(&at("settled-bytes"), emptied.settled_bytes)
}

/// Buys, spread over the products: a hundred for each of a thousand.
const BUYS: u32 = 100_000;

/// One sale with more and more products: what a buy costs when its neighbours are for other
/// products, and how long lanes wait when a worker has room for eight of a thousand.
async fn products(session: &mut Session) -> Result<()> {
    let gateway = session.stores.way().gateway().await?;
    for products in GROWING_PRODUCTS {
        session.tell(&format!("growth: {products} products of one sale"));
        let sale = buy(session, &gateway, products).await?;
        settle(session, &sale, products).await?;
    }
    Ok(gateway.stop().await?)
}

/// Opens a sale and sells it out to shoppers whom no worker serves yet.
async fn buy(session: &mut Session, gateway: &Program, products: u32) -> Result<Sale> {
    let number = session.next_sale();
    let sale = shop::sale(number, products, BUYS);
    session.stores.empty().await?;
    session.put_on_sale(gateway, &sale).await?;
    session.stores.settle_down().await?;
    let before = session.stores.used([gateway])?;
    session
        .buy_exactly(gateway, (number, products), BUYS)
        .await?;
    let used = session.stores.used([gateway])?.since(before);
    let queued = verification::waiting(&session.stores, &sale).await?;
    check!(
        queued == u64::from(BUYS),
        "{BUYS} buys were sent and {queued} taken"
    )?;
    let used = [
        ("gateway-for-buy", used.programs),
        ("redis-for-buy", used.redis),
    ];
    session.record_each(
        used.map(|(id, seconds)| (format!("{id} products={products}"), seconds)),
        BUYS,
    )?;
    Ok(sale)
}

/// Starts a worker that has room for few of the lanes, and lets it empty all.
async fn settle(session: &mut Session, sale: &Sale, products: u32) -> Result<()> {
    let stores = &session.stores;
    stores.settle_down().await?;
    let outcomes = outcomes::listen(stores, BUYS).await?;
    let before = stores.used([])?;
    let worker = stores.way().worker("worker", LANES, DEFAULT_BATCH).await?;
    let outcomes = outcomes::finish(outcomes).await?;
    let used = stores.used([&worker])?.since(before);
    worker.stop().await?;
    verification::settled(stores, sale, BUYS).await?;
    let at = |id| format!("{id} products={products}");
    session.record(&at("emptying"), outcomes.seconds() * 1e3)?;
    session.record(&at("orders"), outcomes.rate())?;
    session.record_each(used.of_orders(at), BUYS)
}
