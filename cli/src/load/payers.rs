//! What shoppers do with orders that wait for their payment: most pay, some never do, some pay too late, and
//! some give their order back.
//!
//! They pay by sending the form of the provider's page, as that of the stand-in provider that `flashsale up`
//! starts. A real provider's page asks for more than a crowd has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flashsale_domain::{event::Settled, id::JobId, order::OrderState};
use http::{Request, header};
use http_body_util::Full;
use jiff::Timestamp;
use rand::Rng as _;
use serde::Deserialize;
use tokio::{sync::Semaphore, time::sleep};
use url::Url;

use super::{crowd::Crowd, target::Target};
use crate::http_client::{Connection, Reply};

/// Shoppers who talk to a gateway or the provider at a time.
const AT_A_TIME: usize = 32;

/// How long a shopper thinks before paying at most.
const LONGEST_THOUGHT: Duration = Duration::from_secs(10);

/// How long after window and grace late money arrives.
const LATE: Duration = Duration::from_secs(2);

/// How often a call is made that finds gateway or provider broken, and the wait in between.
const ATTEMPTS: u32 = 20;
const REPEAT_WAIT: Duration = Duration::from_millis(250);

/// How many of those who won do not simply pay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Share of those who never pay.
    pub never: f64,
    /// Share of those whose money arrives after window and grace.
    pub late: f64,
    /// Share of those who give their order back.
    pub cancel: f64,
}

/// What shoppers did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PayerCounts {
    /// Paid in time.
    pub paid: u64,
    /// Paid so that the money arrives late.
    pub late: u64,
    /// Gave their order back.
    pub cancelled: u64,
    /// Did nothing.
    pub never: u64,
    /// Wanted to pay or to give back and could not: the window was over, or nobody answered.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Tally {
    paid: AtomicU64,
    late: AtomicU64,
    cancelled: AtomicU64,
    never: AtomicU64,
    failed: AtomicU64,
}

/// Shoppers who pay. Clones are the same.
#[derive(Debug, Clone)]
pub struct Payers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gateways: Vec<Target>,
    habits: Habits,
    /// How long orders are kept after their window.
    grace: Duration,
    turns: Semaphore,
    tally: Tally,
    at_work: AtomicU64,
}

#[derive(Deserialize)]
struct Checkout {
    url: String,
}

impl Payers {
    /// Shoppers who pay by way of these gateways.
    pub fn new(gateways: Vec<Target>, habits: Habits, grace: Duration) -> Self {
        Self(Arc::new(Shared {
            gateways,
            habits,
            grace,
            turns: Semaphore::new(AT_A_TIME),
            tally: Tally::default(),
            at_work: AtomicU64::new(0),
        }))
    }

    /// What they did so far.
    pub fn counts(&self) -> PayerCounts {
        let tally = &self.0.tally;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PayerCounts {
            paid: read(&tally.paid),
            late: read(&tally.late),
            cancelled: read(&tally.cancelled),
            never: read(&tally.never),
            failed: read(&tally.failed),
        }
    }

    /// How many have heard of their order and are not done with it; late money included that is still to arrive.
    pub fn at_work(&self) -> u64 {
        self.0.at_work.load(Ordering::Relaxed)
    }

    /// Shoppers of this crowd hear what they won, and do as is their habit.
    pub(super) fn hear(&self, crowd: &Crowd, settled: &Settled) {
        for ((user, job, _), state) in settled.confirmed.iter().zip(&settled.states) {
            if crowd.shopper(user.as_str()).is_none() {
                continue;
            }
            if let Ok(OrderState::Pending {
                expires_ms: Some(expires_ms),
            }) = state.parse()
            {
                let payers = self.clone();
                let job = *job;
                self.0.at_work.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    payers.act(job, expires_ms).await;
                    payers.0.at_work.fetch_sub(1, Ordering::Relaxed);
                });
            }
        }
    }

    async fn act(&self, job: JobId, expires_ms: i64) {
        let Habits {
            never,
            late,
            cancel,
        } = self.0.habits;
        let tally = &self.0.tally;
        let drawn: f64 = rand::random();
        if drawn < never {
            tally.never.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left = expires_ms.saturating_sub(Timestamp::now().as_millisecond());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        let most = (left / 2).min(LONGEST_THOUGHT);
        let thought = most.mul_f64(rand::rng().random());
        sleep(thought).await;
        let (done, counter) = if drawn < never + late {
            let after = left.saturating_sub(thought) + self.0.grace + LATE;
            let form = format!("method=transfer&after={}", after.as_secs());
            let is_on_its_way = self.pay(job, &form).await;
            if is_on_its_way {
                sleep(after + LATE).await;
            }
            (is_on_its_way, &tally.late)
        } else if drawn < never + late + cancel {
            (self.ask(job, "cancel").await.is_some(), &tally.cancelled)
        } else {
            (self.pay(job, "method=card").await, &tally.paid)
        };
        let counter = if done { counter } else { &tally.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends the form of the provider's page. True when it was taken.
    async fn pay(&self, job: JobId, form: &str) -> bool {
        let Some(reply) = self.ask(job, "checkout").await else {
            return false;
        };
        let page = serde_json::from_slice::<Checkout>(&reply.body).ok();
        let page = page.and_then(|checkout| Url::parse(&checkout.url).ok());
        let Some(page) = page else { return false };
        let Ok(provider) = Target::parse(&page[..url::Position::BeforePath]) else {
            return false;
        };
        let form = (page.path(), "application/x-www-form-urlencoded", form);
        let reply = self.post(&provider, form).await;
        reply.is_some_and(|reply| reply.status.is_success() || reply.status.is_redirection())
    }

    /// Asks a gateway to do something with an order. None: it refused, or nobody answered.
    async fn ask(&self, job: JobId, action: &str) -> Option<Reply> {
        let gateways = &self.0.gateways;
        let gateway = gateways.get(rand::rng().random_range(0..gateways.len().max(1)))?;
        let path = gateway.path(&format!("/orders/{job}/{action}"));
        let reply = self.post(gateway, (&path, "application/json", "")).await;
        reply.filter(|reply| reply.status.is_success())
    }

    /// The answer, when there is one that is not about a trouble that passes.
    async fn post(&self, to: &Target, call: (&str, &str, &str)) -> Option<Reply> {
        let (path, media_type, body) = call;
        for _ in 0..ATTEMPTS {
            let turn = self.0.turns.acquire().await.ok()?;
            let request = Request::post(path)
                .header(header::HOST, to.authority())
                .header(header::CONTENT_TYPE, media_type)
                .body(Full::new(Bytes::from(body.to_owned())))
                .ok()?;
            match Connection::new(to.clone()).exchange(request).await {
                Ok(reply) if !reply.status.is_server_error() => return Some(reply),
                Ok(_) | Err(_) => {}
            }
            drop(turn);
            sleep(REPEAT_WAIT).await;
        }
        None
    }
}
