//! The whole way: from the instant when a buy is due to the instant when `order_confirmed` is read
//! from its shopper's socket, with one gateway and one worker.
//!
//! Shoppers are fewer than buys: each buys again and again, with a new key. What a batch costs the
//! gateway does not depend on it, for it looks each shopper up.

use std::{
    collections::HashMap,
    io::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{id::JobId, sale::Sale};
use flashsale_testbed::{figures::Latencies, program::Program};
use serde::Deserialize;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    environment::{outcomes::Listener, programs, verification},
    error::{Result, check},
    load::{
        open_loop::{self, Answer, CONNECTIONS, Plan, Traffic},
        sockets::Sockets,
    },
    metrics::table::{DEFAULT_BATCH, QUANTILES},
    session::Session,
};

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

/// The stages of a buy, and how many quantiles are shown of each, fewer of those on the way: its
/// answer was read, a worker told of its order, which is then committed, and its confirmation was
/// read from the shopper's socket.
const STAGES: [(&str, usize); 3] = [
    ("acknowledged", 2),
    ("settled", 2),
    ("confirmed", QUANTILES.len()),
];

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    programs::allow_sockets(SHOPPERS)?;
    let way = session.stores.way();
    let gateway = way.gateway().await?;
    let sale = session.open_sale(&gateway, 0).await?;
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
    let ways = finish(listener, sockets, &bought).await?;
    for ((stage, shown), latencies) in STAGES.into_iter().zip(ways) {
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

/// How long after it was due each buy reached a stage, in the order of [`STAGES`].
type Ways = [Latencies; STAGES.len()];

/// Holds buys, what workers told, and what sockets heard against each other.
fn pair(bought: &[Bought], told: &[(JobId, Instant)], heard: &[(JobId, Instant)]) -> Result<Ways> {
    let due: HashMap<JobId, Instant> = bought.iter().map(|buy| (buy.job, buy.due)).collect();
    let acknowledged = bought.iter().map(|buy| buy.acknowledged - buy.due);
    Ok([
        acknowledged.collect(),
        after_due(&due, told, "told by a worker")?,
        after_due(&due, heard, "confirmed on a socket")?,
    ])
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bought {
    job: JobId,
    /// When it should have been sent.
    due: Instant,
    acknowledged: Instant,
}

#[derive(Debug)]
struct Buyers {
    address: SocketAddr,
    product: String,
    /// They take turns.
    users: Arc<[String]>,
    bought: Vec<Bought>,
    /// Whether every answer could be read.
    all_read: Result<(), serde_json::Error>,
}

/// The body of an acknowledgement, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queued {
    job_id: JobId,
}

impl Buyers {
    /// `users` will buy `product` of the gateway at `address` in turn, each time with a new key.
    fn new(address: SocketAddr, product: &str, users: Arc<[String]>) -> Self {
        Self {
            address,
            product: product.to_owned(),
            users,
            bought: Vec::new(),
            all_read: Ok(()),
        }
    }

    /// Sends `count` buys, `rate` a second; each must be acknowledged.
    async fn send(mut self, rate: u32, count: u32) -> Result<Vec<Bought>> {
        let plan = Plan {
            address: self.address,
            rate,
            count,
            connections: CONNECTIONS,
        };
        self.bought.reserve(count as usize);
        let (report, buyers) = open_loop::run(plan, self).await?;
        report.check()?;
        buyers.all_read?;
        let answered = report.succeeded;
        check!(
            answered == count,
            "at {rate} buys/s only {answered} of {count} were answered: the machine is too busy"
        )?;
        Ok(buyers.bought)
    }
}

impl Traffic for Buyers {
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>) {
        let user = &self.users[number as usize % self.users.len()];
        let body = format!(r#"{{"productId":"{}","userId":"{user}"}}"#, self.product);
        // Writing to a vector cannot fail.
        let _ = write!(
            bytes,
            "POST /buy HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            Uuid::new_v4(),
            body.len()
        );
    }

    fn answered(&mut self, answer: &Answer<'_>) {
        if answer.status != 200 {
            return;
        }
        match serde_json::from_slice(answer.body) {
            Ok(Queued { job_id }) => self.bought.push(Bought {
                job: job_id,
                due: answer.due,
                acknowledged: answer.read,
            }),
            Err(error) => self.all_read = Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let medians = ways.map(|latencies| latencies.quantile(0.5).unwrap());
        assert_eq!(medians, [1, 3, 5].map(Duration::from_millis));
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

    #[test]
    fn shoppers_take_turns_and_never_repeat_a_key() {
        let users: Arc<[String]> = ["ann", "bob"].map(str::to_owned).into();
        let mut buyers = Buyers::new(([127, 0, 0, 1], 80).into(), "p", users);
        let [first, second, third] = [0, 1, 2].map(|number| {
            let mut bytes = Vec::new();
            buyers.request(number, &mut bytes);
            String::from_utf8(bytes).unwrap()
        });
        for (request, user) in [(&first, "ann"), (&second, "bob"), (&third, "ann")] {
            let body = format!(r#"{{"productId":"p","userId":"{user}"}}"#);
            assert!(request.ends_with(&body), "{request}");
        }
        assert_ne!(first, third);
    }

    #[test]
    fn the_job_of_an_answer_is_noted_with_its_instants() {
        let [expected, _] = bought(Instant::now());
        let mut buyers = Buyers::new(([127, 0, 0, 1], 80).into(), "p", Arc::new([]));
        let answer = |body| Answer {
            status: 200,
            body,
            due: expected.due,
            read: expected.acknowledged,
        };
        let body =
            br#"{"jobId":"00000000-0000-0000-0000-000000000001","status":"queued","position":1}"#;
        buyers.answered(&answer(body));
        assert_eq!(buyers.bought, [expected]);
        assert!(buyers.all_read.is_ok());
        buyers.answered(&answer(b"{}"));
        assert!(buyers.all_read.is_err());
    }
}
