//! Law 2 from the outside: every acknowledged buy is asked for until it has an outcome.

use std::{collections::HashMap, sync::Arc, time::Duration};

use flashsale_domain::{
    id::SaleId,
    order::{MalformedState, OrderState},
    outcome::{JobRecord, JobState, Outcome},
};
use flashsale_queue::{connect::SharedConnection, keys::SaleKeys};
use redis::ErrorKind;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    book::Book,
    record::{self, OrderStatus},
    report::OrderCounts,
    target::Target,
};
use crate::{history::HistoryWriter, http_client::Connection};

/// Buys asked for at a time. Lanes are settled in order, so while the first of them wait there is
/// no use in asking for the rest.
const WINDOW: usize = 1_000;

/// Requests in flight while gateways are asked.
const ASKING: usize = 16;

/// Wait before buys that still wait are asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// A buy and its shopper.
type Buy = (Uuid, u32);

/// What the verifier found out.
#[derive(Debug, Default)]
pub struct Verified {
    /// Acknowledged buys without an outcome.
    pub lost: Vec<Uuid>,
    /// Where the orders of the confirmed ones stand; none when that could not be read.
    pub orders: Option<OrderCounts>,
}

/// What is known of some buys.
#[derive(Debug, Default)]
struct Known {
    /// The outcomes of those that have one.
    outcomes: HashMap<Uuid, Outcome>,
    /// Orders of theirs that Redis knows.
    in_redis: Vec<(SaleId, i64)>,
    /// Where the other orders stand, as gateways say.
    at_gateways: OrderCounts,
}

/// Who is asked.
#[derive(Debug)]
pub struct Verifier {
    /// Redis, asked first where it is known: a thousand buys in one call.
    pub redis: Option<SharedConnection>,
    /// The gateways, asked for what Redis does not know (they look into the ledger, too).
    pub gateways: Vec<Target>,
    /// Without any new outcome for this long, the rest counts as lost.
    pub patience: Duration,
}

impl Verifier {
    /// Asks for every acknowledged buy of `book`, writes the outcomes into it, and answers the
    /// buys that have none, and where the orders of the others stand.
    pub async fn run(mut self, book: &Book, stop: &CancellationToken) -> Verified {
        let mut pending = book.acknowledged();
        let mut counts = OrderCounts::default();
        let mut in_redis = Vec::new();
        let mut progress = Instant::now();
        while !pending.is_empty() && !stop.is_cancelled() {
            let window: Vec<Buy> = pending.iter().copied().take(WINDOW).collect();
            let known = self.ask(book, &window).await;
            let outcomes = known.outcomes;
            counts += known.at_gateways;
            in_redis.extend(known.in_redis);
            for (job, shopper) in &window {
                if let Some(outcome) = outcomes.get(job) {
                    book.settled(*job, *shopper, *outcome, None);
                }
            }
            let before = pending.len();
            pending.retain(|(job, _)| !outcomes.contains_key(job));
            if pending.len() < before {
                progress = Instant::now();
            } else if progress.elapsed() >= self.patience {
                break;
            }
            if window.len() > outcomes.len() {
                // Others may be settled already, so that the next window is another one.
                pending.rotate_left(window.len() - outcomes.len());
                sleep(ASK_AGAIN).await;
            }
        }
        let orders = if stop.is_cancelled() {
            None
        } else {
            self.look_at(in_redis).await.map(|more| counts + more)
        };
        Verified {
            lost: pending.into_iter().map(|(job, _)| job).collect(),
            orders,
        }
    }

    /// Where these orders stand, as Redis says; none when it does not say.
    async fn look_at(&mut self, orders: Vec<(SaleId, i64)>) -> Option<OrderCounts> {
        let mut counts = OrderCounts::default();
        let Some(connection) = &mut self.redis else {
            return orders.is_empty().then_some(counts);
        };
        for window in orders.chunks(WINDOW) {
            match order_states(connection, window).await {
                Ok(states) => states.iter().for_each(|state| counts.count(state)),
                Err(error) => {
                    tracing::debug!(%error, "Redis cannot be asked: {error}");
                    return None;
                }
            }
        }
        Some(counts)
    }

    /// What is known of some buys.
    async fn ask(&mut self, book: &Book, window: &[Buy]) -> Known {
        let mut known = Known::default();
        let mut unknown = window.to_vec();
        if let Some(connection) = &mut self.redis {
            match ask_redis(connection, book, window).await {
                Ok(states) => {
                    unknown.retain(|(job, _)| !states.contains_key(job));
                    for (job, (sale, state)) in states {
                        let JobState::Final { outcome, order_id } = state else {
                            continue;
                        };
                        known.outcomes.insert(job, outcome);
                        known
                            .in_redis
                            .extend(order_id.map(|order| (sale.clone(), order)));
                    }
                }
                Err(error) => tracing::debug!(%error, "Redis cannot be asked: {error}"),
            }
        }
        for (job, outcome, order) in ask_gateways(&self.gateways, unknown, book.history()).await {
            known.outcomes.insert(job, outcome);
            known.at_gateways += order;
        }
        known
    }
}

/// Where these orders stand that are not simply completed.
async fn order_states(
    connection: &mut SharedConnection,
    orders: &[(SaleId, i64)],
) -> redis::RedisResult<Vec<OrderState>> {
    let mut by_sale: HashMap<&SaleId, Vec<i64>> = HashMap::new();
    for (sale, order) in orders {
        by_sale.entry(sale).or_default().push(*order);
    }
    let mut states = Vec::new();
    for (sale, orders) in by_sale {
        let mut command = redis::cmd("HMGET");
        command.arg(SaleKeys::new(sale).orders()).arg(orders);
        let texts: Vec<Option<String>> = command.query_async(connection).await?;
        for text in texts.into_iter().flatten() {
            let state = text.parse();
            states.push(state.map_err(|error: MalformedState| {
                let text = "an order has a state that is none";
                (ErrorKind::UnexpectedReturnType, text, error.to_string())
            })?);
        }
    }
    Ok(states)
}

/// What Redis knows of these buys, each with its sale.
async fn ask_redis<'a>(
    connection: &mut SharedConnection,
    book: &'a Book,
    window: &[Buy],
) -> redis::RedisResult<HashMap<Uuid, (&'a SaleId, JobState)>> {
    let mut by_sale: HashMap<&SaleId, Vec<Uuid>> = HashMap::new();
    for (job, shopper) in window {
        if let Some(offer) = book.crowd().wish(*shopper) {
            by_sale.entry(&offer.sale).or_default().push(*job);
        }
    }
    let mut states = HashMap::new();
    for (sale, jobs) in by_sale {
        let mut command = redis::cmd("HMGET");
        command.arg(SaleKeys::new(sale).jobs());
        for job in &jobs {
            command.arg(job.hyphenated().to_string());
        }
        let sent_us = book.history().map(|history| history.now_us());
        let texts: Vec<Option<String>> = command.query_async(connection).await?;
        states.extend(jobs.into_iter().zip(texts).filter_map(|(job, text)| {
            let record: JobRecord = text?.parse().ok()?;
            if let (Some(history), Some(sent_us)) = (book.history(), sent_us) {
                record::record(history, sent_us, job, &record.state);
            }
            Some((job, (sale, record.state)))
        }));
    }
    Ok(states)
}

/// The outcomes that the gateways know, and where their orders stand; one that cannot be asked knows none.
async fn ask_gateways(
    gateways: &[Target],
    buys: Vec<Buy>,
    history: Option<&Arc<HistoryWriter>>,
) -> Vec<(Uuid, Outcome, OrderCounts)> {
    let mut asking = JoinSet::new();
    let buys = Arc::new(buys);
    for (first, gateway) in (0..ASKING.min(buys.len())).zip(gateways.iter().cycle()) {
        let mut connection = Connection::new(gateway.clone());
        let buys = Arc::clone(&buys);
        let history = history.map(Arc::clone);
        asking.spawn(async move {
            let mut outcomes = Vec::new();
            for (job, _) in buys.iter().skip(first).step_by(ASKING) {
                let sent_us = history.as_ref().map(|history| history.now_us());
                let reply = connection.get(&format!("/orders/{job}")).await;
                let reply = reply.map_err(|error| error.to_string());
                if let (Some(history), Some(sent_us)) = (&history, sent_us) {
                    record::poll(history, sent_us, *job, &reply);
                }
                let Ok(reply) = reply else {
                    break;
                };
                let status = OrderStatus::read(&reply);
                let outcome = status.outcome();
                outcomes.extend(outcome.map(|outcome| (*job, outcome, status.counted())));
            }
            outcomes
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}
