//! The usual stack, `bench/peers/express-bullmq`, in turn with ours: buys acknowledged by one
//! gateway process, and orders of one hot product by one worker process.

pub mod contestant;
pub mod install;

use crate::{
    acknowledgement,
    children::Child,
    error::BenchError,
    measure::{
        Aspect, Measure,
        peer::{CONCURRENCIES, Contest, Stack},
    },
    session::Session,
    settlement,
    wrk::{self, CONNECTIONS, Load},
};

use contestant::PRODUCT;
use install::Installed;

/// Jobs that each settlement of the usual stack settles in a full run: some ten seconds.
const JOBS: u32 = 5_000;

/// The same for each concurrency that is tried, and in a quick run.
const FEW_JOBS: u32 = 2_000;

/// Seconds of load before its acknowledgements are measured: by then its code has been compiled.
const WARM_UP_SECONDS: u32 = 1;

/// Measures one round; the first also looks for the best concurrency.
pub async fn round(session: &mut Session, installed: &Installed) -> Result<(), BenchError> {
    their_acknowledgements(session, installed).await?;
    our_acknowledgements(session).await?;
    let concurrency = match best_concurrency(session) {
        Some(known) => known,
        None => try_concurrencies(session, installed).await?,
    };
    let jobs = if session.arguments.quick {
        FEW_JOBS
    } else {
        JOBS
    };
    let theirs = contestant::settle(&session.stores, installed, concurrency, jobs).await?;
    record(session, Contest::Settled(Stack::ExpressBullmq), theirs);
    let ours = settlement::hot_product(session).await?;
    record(session, Contest::Settled(Stack::Flashsale), ours);
    contestant::clear(&session.stores).await
}

async fn their_acknowledgements(
    session: &mut Session,
    installed: &Installed,
) -> Result<(), BenchError> {
    let runs = [session.next_sale(), session.next_sale()];
    let seconds = session.arguments.load_seconds();
    let stores = &session.stores;
    contestant::open(stores, 0).await?;
    let gateway = contestant::gateway(stores, installed).await?;
    let warm_up = wrk::run(stores, gateway.address, PRODUCT, runs[0], WARM_UP_SECONDS).await?;
    stores.settle_down().await?;
    let warm = contestant::waiting(stores).await?;
    check_taken(warm_up.requests, warm)?;
    let load = wrk::run(stores, gateway.address, PRODUCT, runs[1], seconds).await?;
    gateway.stop().await?;
    let taken = contestant::waiting(stores).await?.saturating_sub(warm);
    check_taken(load.requests, taken)?;
    record_load(session, Stack::ExpressBullmq, &load);
    Ok(())
}

async fn our_acknowledgements(session: &mut Session) -> Result<(), BenchError> {
    let gateway = Child::gateway(&session.stores).await?;
    let sale = acknowledgement::open(session, &gateway).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let product = sale.products[0].id.as_str();
    let load = wrk::run(&session.stores, gateway.address, product, run, seconds).await?;
    acknowledgement::check_taken(&session.stores, &sale, load.requests).await?;
    gateway.stop().await?;
    record_load(session, Stack::Flashsale, &load);
    Ok(())
}

/// What was found in an earlier round of this run.
fn best_concurrency(session: &Session) -> Option<u32> {
    let rate = |concurrency| {
        let tried = Measure::Peer(Contest::SettledWith(concurrency));
        Some((session.figures.median(tried)?, concurrency))
    };
    let rates = CONCURRENCIES.into_iter().filter_map(rate);
    let best = rates.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, concurrency)| concurrency)
}

async fn try_concurrencies(
    session: &mut Session,
    installed: &Installed,
) -> Result<u32, BenchError> {
    for concurrency in CONCURRENCIES {
        let rate = contestant::settle(&session.stores, installed, concurrency, FEW_JOBS).await?;
        record(session, Contest::SettledWith(concurrency), rate);
    }
    Ok(best_concurrency(session).unwrap_or(CONCURRENCIES[0]))
}

/// Checks that every acknowledged buy was queued, and none twice, as for our own gateway.
fn check_taken(answered: u32, queued: u64) -> Result<(), BenchError> {
    let (least, most) = (u64::from(answered), u64::from(answered + CONNECTIONS));
    if (least..=most).contains(&queued) {
        return Ok(());
    }
    let text = format!("the usual stack acknowledged {answered} buys and queued {queued}");
    Err(BenchError::Wrong(text))
}

fn record_load(session: &mut Session, stack: Stack, load: &Load) {
    let figures = [
        (Aspect::Rate, load.rate()),
        (Aspect::Median, load.median_ms()),
        (Aspect::Percentile99, load.percentile99_ms()),
    ];
    for (aspect, value) in figures {
        record(session, Contest::Acknowledged(stack, aspect), value);
    }
}

fn record(session: &mut Session, contest: Contest, value: f64) {
    session.record(Measure::Peer(contest), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buy_that_was_acknowledged_and_not_queued_is_a_wrong_result() {
        assert!(check_taken(100, 99).is_err());
        assert!(check_taken(100, 100).is_ok());
        assert!(check_taken(100, 100 + u64::from(CONNECTIONS) + 1).is_err());
    }
}
