//! The usual stack, `bench/peers/express-bullmq`, in turn with ours: buys acknowledged by one
//! gateway process, and orders of one hot product by one worker process.

mod contestant;
pub(crate) mod install;

use super::settlement;
use crate::{
    environment::verification::is_plausible,
    error::{Result, check},
    load::wrk::{CONNECTIONS, How, Load},
    metrics::table::CONCURRENCIES,
    session::Session,
};

use contestant::PRODUCT;
use install::Installed;

/// Jobs that each settlement of the usual stack settles in a full run, some ten seconds, and in a
/// quick one.
const JOBS: [u32; 2] = [5_000, FEW_JOBS];

/// The same for each concurrency that is tried.
const FEW_JOBS: u32 = 2_000;

/// Seconds of load before its acknowledgements are measured: by then its code has been compiled.
const WARM_UP_SECONDS: u32 = 1;

/// Measures one round; the first also looks for the best concurrency.
pub(crate) async fn round(session: &mut Session, installed: &Installed) -> Result<()> {
    their_acknowledgements(session, installed).await?;
    our_acknowledgements(session).await?;
    let concurrency = match best_concurrency(session) {
        Some(known) => known,
        None => try_concurrencies(session, installed).await?,
    };
    let jobs = session.arguments.pick(JOBS);
    let theirs = contestant::settle(&session.stores, installed, concurrency, jobs).await?;
    session.record("peer-orders stack=express-bullmq", theirs)?;
    let ours = settlement::hot_product(session).await?;
    session.record("peer-orders stack=flashsale", ours)?;
    contestant::clear(&session.stores).await
}

async fn their_acknowledgements(session: &mut Session, installed: &Installed) -> Result<()> {
    contestant::open(&session.stores, 0).await?;
    let gateway = contestant::gateway(&session.stores, installed).await?;
    let how = How {
        seconds: WARM_UP_SECONDS,
        ..session.usual()
    };
    let warm_up = session.send(&gateway, PRODUCT, how).await?;
    session.stores.settle_down().await?;
    let warm = contestant::waiting(&session.stores).await?;
    check_taken(warm_up.requests, warm)?;
    let load = session.send(&gateway, PRODUCT, session.usual()).await?;
    gateway.stop().await?;
    let queued = contestant::waiting(&session.stores).await?;
    check_taken(load.requests, queued.saturating_sub(warm))?;
    record(session, "express-bullmq", &load)
}

async fn our_acknowledgements(session: &mut Session) -> Result<()> {
    let gateway = session.stores.way().gateway().await?;
    let (load, _) = session.buy(&gateway, session.usual()).await?;
    gateway.stop().await?;
    record(session, "flashsale", &load)
}

/// What was found in an earlier round of this run.
fn best_concurrency(session: &Session) -> Option<u32> {
    let rate = |concurrency| {
        let tried = format!("peer-orders concurrency={concurrency}");
        Some((session.figures.median(&tried)?, concurrency))
    };
    let rates = CONCURRENCIES.into_iter().filter_map(rate);
    let best = rates.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, concurrency)| concurrency)
}

async fn try_concurrencies(session: &mut Session, installed: &Installed) -> Result<u32> {
    for concurrency in CONCURRENCIES {
        let rate = contestant::settle(&session.stores, installed, concurrency, FEW_JOBS).await?;
        session.record(&format!("peer-orders concurrency={concurrency}"), rate)?;
    }
    Ok(best_concurrency(session).unwrap_or(CONCURRENCIES[0]))
}

/// Checks that every acknowledged buy was queued, and none twice, as for our own gateway.
fn check_taken(answered: u32, queued: u64) -> Result<()> {
    check!(
        is_plausible(queued, answered, CONNECTIONS),
        "the usual stack acknowledged {answered} buys and queued {queued}"
    )
}

fn record(session: &mut Session, stack: &str, load: &Load) -> Result<()> {
    session.record(&format!("peer-requests stack={stack}"), load.rate())?;
    session.record_quantiles(
        &format!("peer-latency stack={stack}"),
        &load.quantiles_ms()[..2],
    )
}
