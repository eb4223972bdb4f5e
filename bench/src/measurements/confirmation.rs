//! The whole way: from the instant when a buy is due to the instant when `order_confirmed` is read
//! from its shopper's socket, with one gateway and one worker.
//!
//! Shoppers are fewer than buys: each buys again and again, with a new key. What a batch costs the
//! gateway does not depend on it, for it looks each shopper up.

mod buyers;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{id::JobId, sale::Sale};
use flashsale_testbed::program::Program;
use tokio::time::sleep;

use crate::{
    environment::{outcomes::Listener, programs, verification},
    error::{Result, check},
    latencies::Latencies,
    load::sockets::Sockets,
    metrics::table::{DEFAULT_BATCH, QUANTILES},
    session::Session,
};

use buyers::{Bought, Buyers};

const SHOPPERS: u32 = 1_000;

/// Seconds of each load in a full run, and in a quick one.
const SECONDS: [u32; 2] = [10, 2];

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
    let count = rate * session.arguments.pick(SECONDS);
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
        session.record_latencies(&format!("{stage} load={load}"), &latencies, shown)?;
    }
    Ok(count)
}

/// Waits for all confirmations, or until it is certain that they will not come, and for some that
/// must not. Which of them are missing is told by [`pair`].
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
    pair(bought, &told, &sockets.heard.take_confirmations())
}

/// How long after it was due each buy reached a stage.
#[derive(Debug)]
struct Ways {
    /// Its answer was read.
    acknowledged: Latencies,
    /// A worker told of its order, which is then committed.
    settled: Latencies,
    /// Its confirmation was read from the shopper's socket.
    confirmed: Latencies,
}

/// Holds buys, what workers told, and what sockets heard against each other.
fn pair(bought: &[Bought], told: &[(JobId, Instant)], heard: &[(JobId, Instant)]) -> Result<Ways> {
    let due: HashMap<JobId, Instant> = bought.iter().map(|buy| (buy.job, buy.due)).collect();
    Ok(Ways {
        acknowledged: bought
            .iter()
            .map(|buy| buy.acknowledged - buy.due)
            .collect(),
        settled: after_due(&due, told, "told by a worker")?,
        confirmed: after_due(&due, heard, "confirmed on a socket")?,
    })
}

/// How long after it was due each buy's event came. One event a buy, neither more nor less.
fn after_due(
    due: &HashMap<JobId, Instant>,
    events: &[(JobId, Instant)],
    what: &str,
) -> Result<Latencies> {
    let mut first: HashMap<JobId, Duration> = HashMap::with_capacity(due.len());
    let (mut unknown, mut repeated) = (0, 0);
    for (job, at) in events {
        match due.get(job) {
            None => unknown += 1,
            Some(due) => repeated += u32::from(first.insert(*job, *at - *due).is_some()),
        }
    }
    let missing = due.len() - first.len();
    check!(
        missing + unknown == 0 && repeated == 0,
        "of {} acknowledged buys {missing} were not {what} and {repeated} more than once, and \
             {unknown} that nobody was told of were",
        due.len()
    )?;
    Ok(first.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn bought(due: Instant) -> [Bought; 2] {
        [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2))].map(|job| Bought {
            job,
            due,
            acknowledged: due + Duration::from_millis(1),
        })
    }

    #[test]
    fn ways_are_measured_from_when_a_buy_was_due() {
        let due = Instant::now();
        let bought = bought(due);
        let at = due + Duration::from_millis(3);
        let told = bought.map(|buy| (buy.job, at));
        let heard = bought.map(|buy| (buy.job, at + Duration::from_millis(2)));
        let ways = pair(&bought, &told, &heard).unwrap();
        let medians = [ways.acknowledged, ways.settled, ways.confirmed];
        assert_eq!(
            medians.map(|latencies| latencies.quantile_ms(0.5).unwrap().to_bits()),
            [1.0_f64, 3.0, 5.0].map(f64::to_bits)
        );
    }

    #[test]
    fn a_missing_a_repeated_and_a_made_up_event_are_errors() {
        let due = Instant::now();
        let jobs = bought(due).map(|buy| (buy.job, due));
        let expected: HashMap<_, _> = jobs.into();
        let made_up = (JobId(Uuid::from_u128(3)), due);
        assert!(after_due(&expected, &jobs, "heard").is_ok());
        for wrong in [
            vec![jobs[0]],
            vec![jobs[0], jobs[1], jobs[1]],
            vec![jobs[0], jobs[1], made_up],
        ] {
            assert!(after_due(&expected, &wrong, "heard").is_err(), "{wrong:?}");
        }
    }
}
