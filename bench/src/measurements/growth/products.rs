//! One sale with more and more products: what a buy costs when its neighbours are for other
//! products, and how long lanes wait when a worker has room for eight of a thousand.

use flashsale_core::sale::Sale;
use flashsale_testbed::program::Program;

use super::LANES;
use crate::{
    environment::{outcomes, shop, verification},
    error::{Result, check},
    metrics::table::{DEFAULT_BATCH, GROWING_PRODUCTS},
    session::Session,
};

/// Buys, spread over the products: a hundred for each of a thousand.
const BUYS: u32 = 100_000;

pub(super) async fn measure(session: &mut Session) -> Result<()> {
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
    check(queued == u64::from(BUYS), || {
        format!("{BUYS} buys were sent and {queued} taken")
    })?;
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
