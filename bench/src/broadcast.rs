//! Many connected shoppers: what a socket costs the gateway, and how long a stock update takes to
//! the last of them.
//!
//! An update begins with a worker's message of a settled batch, which the bench publishes itself:
//! so it is known when, and nothing else happens at the same time.

use std::time::{Duration, Instant};

use flashsale_core::{
    event::Settled,
    keys::{EVENTS, SaleKeys},
    sale::Sale,
    stock,
};
use redis::AsyncCommands as _;
use tokio::time::{sleep, timeout};

use crate::{
    acknowledgement,
    children::Child,
    confirmation,
    crowd::Crowd,
    error::BenchError,
    latencies::Latencies,
    measure::{DEFAULT_BATCH, Measure, confirmation::Load, sockets::SocketFigure},
    open_files,
    session::Session,
    shop::HUGE_STOCK,
    stores::Stores,
    verification,
};

/// Connected shoppers.
const SOCKETS: u32 = 10_000;

/// The same in a quick run.
const QUICK_SOCKETS: u32 = 2_000;

/// Stock updates to all.
const UPDATES: u16 = 10;

/// How long one may take: the promise is a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two updates: longer than the gateway holds one back that follows another closely, and
/// than allocators take to give memory back.
const PAUSE: Duration = Duration::from_millis(500);

/// After connecting, until the greetings are read and what handshakes needed is given back.
const GREETING: Duration = Duration::from_secs(2);

/// Bytes of a megabyte, in which a child's memory is told.
const BYTES_PER_MEGABYTE: f64 = 1e6;

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    let sockets = if session.arguments.quick {
        QUICK_SOCKETS
    } else {
        SOCKETS
    };
    open_files::allow(sockets)?;
    let gateway = Child::gateway(&session.stores).await?;
    let sale = acknowledgement::open(session, &gateway).await?;
    let before = gateway.memory()?;
    let mut crowd = connect(session, &gateway, sockets).await?;
    record_memory(
        session,
        SocketFigure::MemoryConnected,
        &gateway,
        &crowd,
        before,
    )?;
    tell_all(session, &gateway, &mut crowd, &sale).await?;
    record_memory(session, SocketFigure::MemoryTold, &gateway, &crowd, before)?;
    let worker = Child::worker(&session.stores, "worker", 1, DEFAULT_BATCH).await?;
    let bought = confirmation::measure(session, &gateway, &mut crowd, &sale, Load::Crowded).await?;
    crowd.close().await?;
    worker.stop().await?;
    gateway.stop().await?;
    verification::settled(&session.stores, &sale, bought).await
}

async fn connect(
    session: &mut Session,
    gateway: &Child,
    sockets: u32,
) -> Result<Crowd, BenchError> {
    let started = Instant::now();
    let crowd = Crowd::connect(gateway.address, sockets).await?;
    let seconds = started.elapsed().as_secs_f64();
    sleep(GREETING).await;
    let sockets = f64::from(sockets);
    session.record(Measure::Sockets(SocketFigure::Connected), sockets);
    session.record(
        Measure::Sockets(SocketFigure::ConnectedASecond),
        sockets / seconds,
    );
    Ok(crowd)
}

/// Notes what each socket of `crowd` costs `gateway`, which had `before` megabytes without them.
fn record_memory(
    session: &mut Session,
    figure: SocketFigure,
    gateway: &Child,
    crowd: &Crowd,
    before: f64,
) -> Result<(), BenchError> {
    let bytes = (gateway.memory()? - before) * BYTES_PER_MEGABYTE;
    session.record(Measure::Sockets(figure), bytes / f64::from(crowd.len()));
    Ok(())
}

/// Tells all sockets of several updates, one after the other.
async fn tell_all(
    session: &mut Session,
    gateway: &Child,
    crowd: &mut Crowd,
    sale: &Sale,
) -> Result<(), BenchError> {
    let (mut halves, mut lasts) = (Vec::new(), Vec::new());
    let before = gateway.processor_seconds()?;
    for update in 1..=UPDATES {
        let told = tell(&session.stores, crowd, sale, update).await?;
        halves.push(told.quantile(0.5));
        lasts.push(told.quantile(1.0));
        sleep(PAUSE).await;
    }
    let seconds = gateway.processor_seconds()? - before;
    let (halves, lasts) = (Latencies::from_iter(halves), Latencies::from_iter(lasts));
    let mut record = |figure, value| session.record(Measure::Sockets(figure), value);
    record(SocketFigure::ToldHalf, halves.quantile_ms(0.5));
    record(SocketFigure::ToldLast, lasts.quantile_ms(0.5));
    record(SocketFigure::ToldLastLongest, lasts.quantile_ms(1.0));
    let each = seconds * 1e3 / f64::from(UPDATES);
    record(SocketFigure::UpdateProcessorTime, each);
    Ok(())
}

/// Publishes the message of a batch after which `update` units fewer are left, and answers how long
/// after it each socket heard that.
async fn tell(
    stores: &Stores,
    crowd: &mut Crowd,
    sale: &Sale,
    update: u16,
) -> Result<Latencies, BenchError> {
    let message = settled(stores, sale, update).await?;
    let mut queue = stores.queue.clone();
    crowd.heard.expect_stock(HUGE_STOCK - i32::from(update));
    let published = Instant::now();
    let _: u32 = queue.publish(EVENTS, message.to_json()?).await?;
    // Whether all heard it is seen by their number.
    let _ = timeout(PATIENCE, crowd.heard.everyone()).await;
    sleep(PAUSE).await;
    crowd.check()?;
    let heard = crowd.heard.take_stock();
    if heard.len() != crowd.len() as usize {
        let (heard, sockets) = (heard.len(), crowd.len());
        let text = format!("{sockets} sockets heard {heard} times of one stock update");
        return Err(BenchError::Wrong(text));
    }
    Ok(heard.into_iter().map(|at| at - published).collect())
}

/// A message as a worker sends it, newer than what Redis tells by `update` changes: the worker that
/// comes later soon has newer ones.
async fn settled(stores: &Stores, sale: &Sale, update: u16) -> Result<Settled, BenchError> {
    let mut queue = stores.queue.clone();
    let product = sale.products[0].id.clone();
    let known = stock::read(&mut queue, &SaleKeys::new(&sale.id)).await?;
    let version = known.get(&product).map_or(0, |known| known.version);
    Ok(Settled {
        sale: sale.id.clone(),
        product,
        stock: Some(HUGE_STOCK - i32::from(update)),
        version: version + i64::from(update),
        confirmed: Vec::new(),
        rejected: Vec::new(),
    })
}
