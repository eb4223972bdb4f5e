//! Many connected shoppers: what a socket costs the gateway, and how long a stock update takes to
//! the last of them.
//!
//! An update begins with a worker's message of a settled batch, which the bench publishes itself:
//! so it is known when, and nothing else happens at the same time.

use std::time::{Duration, Instant};

use flashsale_domain::{event::Settled, sale::Sale};
use flashsale_queue::{
    keys::{EVENTS, SaleKeys},
    stock,
};
use flashsale_testbed::{figures::Latencies, program::Program};
use redis::AsyncCommands as _;
use tokio::time::{sleep, timeout};

use super::confirmation;
use crate::{
    environment::{Stores, programs, verification},
    error::{Error, Result, check},
    load::sockets::Sockets,
    metrics::table::DEFAULT_BATCH,
    session::Session,
};

/// In a full run, and in a quick one.
const SOCKETS: [u32; 2] = [10_000, 2_000];

/// Stock updates to all.
const UPDATES: u16 = 10;

/// How long one may take: the promise is a second.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two updates: longer than the gateway holds one back that follows another closely, and
/// than allocators take to give memory back.
const PAUSE: Duration = Duration::from_millis(500);

/// After connecting, until the greetings are read and what handshakes needed is given back.
const GREETING: Duration = Duration::from_secs(2);

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    let count = session.arguments.pick(SOCKETS);
    programs::allow_sockets(count)?;
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    let sale = session.open_sale(&gateway, 0).await?;
    let before = programs::memory(&gateway)?;
    let bytes_each =
        || Ok::<_, Error>((programs::memory(&gateway)? - before) * 1e6 / f64::from(count));
    let started = Instant::now();
    let mut sockets = Sockets::connect(gateway.address, count).await?;
    let seconds = started.elapsed().as_secs_f64();
    sleep(GREETING).await;
    session.record("sockets", f64::from(count))?;
    session.record("sockets-per-second", f64::from(count) / seconds)?;
    session.record("socket-memory-connected", bytes_each()?)?;
    update_all(session, &gateway, &mut sockets, &sale).await?;
    session.record("socket-memory-updated", bytes_each()?)?;
    let worker = way.worker("worker", 1, DEFAULT_BATCH).await?;
    let load = confirmation::CROWDED;
    let bought = confirmation::measure(session, &gateway, &mut sockets, &sale, load).await?;
    sockets.close().await?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, bought).await
}

/// Tells all sockets of several updates, one after the other.
async fn update_all(
    session: &mut Session,
    gateway: &Program,
    sockets: &mut Sockets,
    sale: &Sale,
) -> Result<()> {
    let (mut halves, mut lasts) = (Vec::new(), Vec::new());
    let before = programs::processor_seconds(gateway)?;
    for number in 1..=UPDATES {
        let told = update(&session.stores, sockets, sale, number).await?;
        halves.push(told.quantile(0.5)?);
        lasts.push(told.quantile(1.0)?);
        sleep(PAUSE).await;
    }
    let seconds = programs::processor_seconds(gateway)? - before;
    let (halves, lasts) = (Latencies::from_iter(halves), Latencies::from_iter(lasts));
    session.record("update-half", halves.quantile_ms(0.5)?)?;
    session.record("update-last", lasts.quantile_ms(0.5)?)?;
    session.record("update-last-longest", lasts.quantile_ms(1.0)?)?;
    session.record("update-processor-time", seconds * 1e3 / f64::from(UPDATES))
}

/// Publishes the message of a batch after which `number` units fewer are left, and answers how long
/// after it each socket heard that.
async fn update(
    stores: &Stores,
    sockets: &mut Sockets,
    sale: &Sale,
    number: u16,
) -> Result<Latencies> {
    let mut queue = stores.queue.clone();
    let product = &sale.products[0];
    let stock = product.stock - i32::from(number);
    // Newer than what Redis tells by `number` changes: the worker that comes later soon has newer ones.
    let known = stock::read(&mut queue, &SaleKeys::new(&sale.id)).await?;
    let version = known.get(&product.id).map_or(0, |known| known.version);
    let message = Settled {
        sale: sale.id.clone(),
        product: product.id.clone(),
        stock: Some(stock),
        version: version + i64::from(number),
        confirmed: Vec::new(),
        rejected: Vec::new(),
        states: Vec::new(),
    };
    sockets.heard.expect_stock(stock);
    let published = Instant::now();
    let _: u32 = queue.publish(EVENTS, message.to_json()?).await?;
    // Whether all heard it is seen by their number.
    let _ = timeout(UPDATE_TIMEOUT, sockets.heard.everyone()).await;
    sleep(PAUSE).await;
    sockets.check()?;
    let heard = sockets.heard.take_stock();
    let (times, all) = (heard.len(), sockets.users.len());
    check!(
        times == all,
        "{all} sockets heard {times} times of one stock update"
    )?;
    Ok(heard.into_iter().map(|at| at - published).collect())
}
