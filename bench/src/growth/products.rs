//! One sale with more and more products: what a buy costs when its neighbours are for other
//! products, and how long lanes wait when a worker has room for eight of a thousand.

use flashsale_core::{keys::SaleKeys, lane, sale::Sale};

use super::{
    LANES,
    load::{self, Load},
    stopwatch,
};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        DEFAULT_BATCH, Measure,
        growth::{Cost, PRODUCTS, Size},
    },
    outcomes,
    session::Session,
    shop,
    stores::Stores,
    verification,
};

/// Buys, spread over the products: a hundred for each of a thousand.
const BUYS: u32 = 100_000;

/// Measures each size.
pub async fn measure(session: &mut Session) -> Result<(), BenchError> {
    let gateway = Child::gateway(&session.stores).await?;
    for products in PRODUCTS {
        session.tell(&format!("growth: {products} products of one sale"));
        let sale = buy(session, &gateway, products).await?;
        settle(session, &sale, products).await?;
    }
    gateway.stop().await
}

/// Opens a sale and sells it out to shoppers whom no worker serves yet.
async fn buy(session: &mut Session, gateway: &Child, products: u32) -> Result<Sale, BenchError> {
    let (number, run) = (session.next_sale(), session.next_sale());
    let stores = &session.stores;
    let stock = i32::try_from(BUYS / products).unwrap_or(i32::MAX);
    let sale = shop::sale(number, products, stock)?;
    stores.empty().await?;
    shop::open(stores, &sale).await?;
    gateway
        .wait_for(gateway.address, &format!("/sales/{}", sale.id))
        .await?;
    stores.settle_down().await?;
    let load = Load {
        sale: number,
        products,
        run,
        buys: BUYS,
    };
    let before = stopwatch::look(stores, Some(gateway))?;
    load::send(stores, gateway.address, load).await?;
    let used = stopwatch::look(stores, Some(gateway))?.each_since(before, BUYS);
    check_queued(stores, &sale).await?;
    let at = |cost| Measure::Growth(Size::Products(products), cost);
    session.record(at(Cost::GatewayForBuy), used.child);
    session.record(at(Cost::RedisForBuy), used.redis);
    Ok(sale)
}

/// Starts a worker that has room for few of the lanes, and lets it empty all.
async fn settle(session: &mut Session, sale: &Sale, products: u32) -> Result<(), BenchError> {
    let stores = &session.stores;
    stores.settle_down().await?;
    let outcomes = outcomes::listen(stores, BUYS).await?;
    let before = stopwatch::look(stores, None)?;
    let worker = Child::worker(stores, "worker", LANES, DEFAULT_BATCH).await?;
    let outcomes = outcomes::finish(outcomes).await?;
    let used = stopwatch::look(stores, Some(&worker))?.each_since(before, BUYS);
    worker.stop().await?;
    verification::settled(stores, sale, BUYS).await?;
    let at = |cost| Measure::Growth(Size::Products(products), cost);
    session.record(at(Cost::Emptying), outcomes.seconds() * 1e3);
    session.record(at(Cost::Orders), outcomes.rate());
    session.record(at(Cost::PostgresForOrder), used.postgres);
    session.record(at(Cost::WorkerForOrder), used.child);
    session.record(at(Cost::RedisForOrder), used.redis);
    Ok(())
}

/// Checks that every buy waits in a lane.
async fn check_queued(stores: &Stores, sale: &Sale) -> Result<(), BenchError> {
    let mut queue = stores.queue.clone();
    let keys = SaleKeys::new(&sale.id);
    let lanes: Vec<String> = sale
        .products
        .iter()
        .map(|product| keys.lane(&product.id))
        .collect();
    let queued: u64 = lane::depths(&mut queue, &lanes).await?.iter().sum();
    if queued == u64::from(BUYS) {
        return Ok(());
    }
    let text = format!("{BUYS} buys were sent and {queued} taken");
    Err(BenchError::Wrong(text))
}
