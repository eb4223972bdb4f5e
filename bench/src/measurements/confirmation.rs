//! The whole way: from the instant when a buy is due to the instant when `order_confirmed` is read
//! from its shopper's socket, with one gateway and one worker.
//!
//! Shoppers are fewer than buys: each buys again and again, with a new key. What a batch costs the
//! gateway does not depend on it, for it looks each shopper up.

mod buyers;
mod pairing;

use std::{sync::Arc, time::Duration};

use flashsale_core::sale::Sale;
use flashsale_testbed::program::Program;
use tokio::time::{Instant, sleep};

use crate::{
    environment::{outcomes::Listener, programs, verification},
    error::Result,
    load::sockets::Sockets,
    metrics::table::{DEFAULT_BATCH, QUANTILES},
    session::Session,
};

use buyers::{Bought, Buyers};
use pairing::Ways;

const SHOPPERS: u32 = 1_000;

/// Seconds of each load.
const SECONDS: u32 = 10;

/// The same in a quick run.
const QUICK_SECONDS: u32 = 2;

/// How long the last confirmations may take.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked whether they are there.
const INTERVAL: Duration = Duration::from_millis(10);

/// Wait for an event that must not come: a second one for the same buy.
const AFTERTHOUGHT: Duration = Duration::from_millis(500);

/// The name of a load in the table, and buys per second.
pub(crate) type Load = (&'static str, u32);

/// By a thousand connected shoppers.
const LOADS: [Load; 2] = [("steady", 1_000), ("busy", 5_000)];

/// By all shoppers of the part `sockets`, who also hear every stock update.
pub(crate) const CROWDED: Load = ("crowded", 5_000);

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    programs::allow_sockets(SHOPPERS)?;
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    let sale = session.open_sale(&gateway).await?;
    let worker = way.worker("worker", 1, DEFAULT_BATCH).await?;
    let mut sockets = Sockets::connect(gateway.address, SHOPPERS).await?;
    let mut bought = 0;
    for load in LOADS {
        bought += measure(session, &gateway, &mut sockets, &sale, load).await?;
    }
    sockets.close().await?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, bought).await
}

/// Sends the buys of a load by the shoppers of `sockets`; answers how many. A worker must be there.
pub(crate) async fn measure(
    session: &mut Session,
    gateway: &Program,
    sockets: &mut Sockets,
    sale: &Sale,
    (load, rate): Load,
) -> Result<u32> {
    session.stores.settle_down().await?;
    let count = rate
        * if session.arguments.quick {
            QUICK_SECONDS
        } else {
            SECONDS
        };
    let (product, users) = (sale.products[0].id.as_str(), Arc::clone(&sockets.users));
    let buyers = Buyers::new(gateway.address, product, users);
    let listener = Listener::start(&session.stores).await?;
    let bought = buyers.send(rate, count).await?;
    let Ways {
        acknowledged,
        settled,
        confirmed,
    } = finish(listener, sockets, &bought).await?;
    // Of the stages on the way less is shown than of the end.
    for (stage, latencies, shown) in [
        ("acknowledged", acknowledged, 2),
        ("settled", settled, 2),
        ("confirmed", confirmed, QUANTILES.len()),
    ] {
        for (quantile, share) in &QUANTILES[..shown] {
            let series = format!("{stage} load={load} quantile={quantile}");
            session.record(&series, latencies.quantile_ms(*share))?;
        }
    }
    Ok(count)
}

/// Waits for all confirmations, or until it is certain that they will not come, and for some that
/// must not. Which of them are missing is told by [`pairing`].
async fn finish(listener: Listener, sockets: &mut Sockets, bought: &[Bought]) -> Result<Ways> {
    let started = Instant::now();
    while sockets.heard.confirmed_so_far() < bought.len()
        && started.elapsed() < CONFIRMATION_TIMEOUT
    {
        sockets.check()?;
        sleep(INTERVAL).await;
    }
    sleep(AFTERTHOUGHT).await;
    let told = listener.take().await?;
    sockets.check()?;
    pairing::pair(bought, &told, &sockets.heard.take_confirmations())
}
