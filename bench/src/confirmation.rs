//! The whole way: from the instant when a buy is due to the instant when `order_confirmed` is read
//! from its shopper's socket, with one gateway and one worker.
//!
//! Shoppers are fewer than buys: each buys again and again, with a new key. What a batch costs the
//! gateway does not depend on it, for it looks each shopper up.

mod buyers;
mod pairing;
mod told;

use std::{sync::Arc, time::Duration};

use flashsale_core::sale::Sale;
use tokio::time::{Instant, sleep};

use crate::{
    acknowledgement,
    children::Child,
    crowd::Crowd,
    error::BenchError,
    measure::{DEFAULT_BATCH, Measure, confirmation::Load},
    open_files,
    session::Session,
    verification,
};

use buyers::{Bought, Buyers};
use pairing::Ways;
use told::Listener;

/// Connected shoppers.
const SHOPPERS: u32 = 1_000;

/// Seconds of each load.
const SECONDS: u32 = 10;

/// The same in a quick run.
const QUICK_SECONDS: u32 = 2;

/// How long the last confirmations may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether they are there.
const INTERVAL: Duration = Duration::from_millis(10);

/// Wait for an event that must not come: a second one for the same buy.
const AFTERTHOUGHT: Duration = Duration::from_millis(500);

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    open_files::allow(SHOPPERS)?;
    let gateway = Child::gateway(&session.stores).await?;
    let sale = acknowledgement::open(session, &gateway).await?;
    let worker = Child::worker(&session.stores, "worker", 1, DEFAULT_BATCH).await?;
    let mut crowd = Crowd::connect(gateway.address, SHOPPERS).await?;
    let mut bought = 0;
    for load in [Load::Steady, Load::Busy] {
        bought += measure(session, &gateway, &mut crowd, &sale, load).await?;
    }
    crowd.close().await?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, bought).await
}

/// Sends the buys of `load` by the shoppers of `crowd`; answers how many. A worker must be there.
pub async fn measure(
    session: &mut Session,
    gateway: &Child,
    crowd: &mut Crowd,
    sale: &Sale,
    load: Load,
) -> Result<u32, BenchError> {
    session.stores.settle_down().await?;
    let quick = session.arguments.quick;
    let count = load.rate() * if quick { QUICK_SECONDS } else { SECONDS };
    let (product, users) = (sale.products[0].id.as_str(), Arc::clone(&crowd.users));
    let buyers = Buyers::new(gateway.address, product, users);
    let listener = Listener::start(&session.stores).await?;
    let bought = buyers.send(load.rate(), count).await?;
    let ways = finish(listener, crowd, &bought).await?;
    for row in crate::measure::confirmation::rows(load) {
        if let Measure::Confirmation(_, stage, quantile) = row {
            session.record(row, ways.of(stage).quantile_ms(quantile.share()));
        }
    }
    Ok(count)
}

/// Waits for all confirmations, and for some that must not come.
async fn finish(
    listener: Listener,
    crowd: &mut Crowd,
    bought: &[Bought],
) -> Result<Ways, BenchError> {
    wait_for(crowd, bought.len()).await?;
    sleep(AFTERTHOUGHT).await;
    let told = listener.take().await?;
    crowd.check()?;
    pairing::pair(bought, &told, &crowd.heard.take_confirmations())
}

/// Waits until the sockets heard of `count` orders, or it is certain that they will not: which of
/// them are missing is told by [`pairing`].
async fn wait_for(crowd: &mut Crowd, count: usize) -> Result<(), BenchError> {
    let started = Instant::now();
    while crowd.heard.confirmed_so_far() < count && started.elapsed() < PATIENCE {
        crowd.check()?;
        sleep(INTERVAL).await;
    }
    Ok(())
}
