//! The buys of one sale that wait for their call.

use std::{
    collections::VecDeque,
    num::NonZeroU8,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use flashsale_domain::sale::{Durability, Sale};
use flashsale_fault_point::FaultPoint;
use flashsale_queue::{
    keys::SaleKeys,
    turnstile::{Admission, Buy, TurnstileError},
};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::{
    drain_rate::DrainRate,
    link,
    replicas::Decided,
    shared::{IntakeError, Shared},
};

/// Calls of one sale on their way at a time: while Redis decides one, the next travels. Further
/// ones would only be smaller: with 1 to 4, a buy costs Redis and the gateway the same time
/// (about 20 µs each, measured by the load of `bench/` on 64 and 256 connections).
const CALLS_AT_A_TIME: usize = 2;

/// Buys that wait for a call before another one is made beside those that are on their way. Fewer go
/// with the next call, which costs less than two calls and is sent as soon as one is answered.
const GATHERED: usize = 16;

/// The same as [`CALLS_AT_A_TIME`] for a sale whose calls wait for replicas. A call then takes several
/// times as long, and the next buys are not to wait for it.
const REPLICATED_CALLS_AT_A_TIME: usize = 4;

/// The decision about a buy, or why there is none.
pub type Taken = Result<Admission, IntakeError>;

/// The buys of one sale that wait for their call.
#[derive(Debug)]
pub struct SaleQueue {
    keys: SaleKeys,
    shared: Arc<Shared>,
    /// Replicas that must have a buy before it is acknowledged; changes with the sale's spec.
    replicas: AtomicU8,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Tasks that take from `waiting`.
    callers: usize,
    /// How fast they take buys.
    rate: DrainRate,
}

#[derive(Debug)]
struct Waiting {
    buy: Buy,
    since: Instant,
    answer: oneshot::Sender<Taken>,
}

/// The buys of one call.
struct Batch {
    buys: Vec<Waiting>,
    /// More of them wait than go into a call.
    is_full: bool,
}

impl SaleQueue {
    pub(super) fn new(sale: &Sale, shared: Arc<Shared>) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            callers: 0,
            rate: DrainRate::new(shared.call_timeout),
        };
        Self {
            keys: SaleKeys::new(&sale.id),
            shared,
            replicas: AtomicU8::new(sale.durability.redis_replicas),
            state: Mutex::new(state),
        }
    }

    /// Acknowledges as `durability` says from the next call on.
    pub fn follow(&self, durability: Durability) {
        self.replicas
            .store(durability.redis_replicas, Ordering::Relaxed);
    }

    fn replicas(&self) -> Option<NonZeroU8> {
        NonZeroU8::new(self.replicas.load(Ordering::Relaxed))
    }

    fn calls_at_a_time(&self) -> usize {
        match self.replicas() {
            None => CALLS_AT_A_TIME,
            Some(_) => REPLICATED_CALLS_AT_A_TIME,
        }
    }

    /// Whether one more than `callers` is wanted while so many buys wait.
    fn wants_caller(&self, callers: usize, waiting: usize) -> bool {
        match self.replicas() {
            None => callers == 0 || (callers < CALLS_AT_A_TIME && waiting >= GATHERED),
            Some(_) => callers < REPLICATED_CALLS_AT_A_TIME,
        }
    }

    /// Has the turnstile decide `buy`, which arrived at `since`. Dropping the returned future
    /// gives the buy up as long as it was not sent.
    pub async fn admit(self: &Arc<Self>, buy: Buy, since: Instant) -> Taken {
        let (answer, decision) = oneshot::channel();
        let waiting = Waiting { buy, since, answer };
        if self.push(waiting)? {
            let calls = Arc::clone(self).call_until_empty();
            self.shared.runtime.spawn(calls);
        }
        decision.await.unwrap_or(Err(IntakeError::OutOfReach))
    }

    /// Puts a buy in the queue; true when a further caller is wanted.
    fn push(&self, waiting: Waiting) -> Result<bool, IntakeError> {
        let mut state = self.state.lock();
        let shared = &self.shared;
        // Sales that look at the same time may exceed the limit of all by one buy each.
        let waiting_in_all = shared.metrics.waiting.get();
        let waiting_here = state.waiting.len();
        let wait = state.rate.wait(waiting_here, waiting.since);
        if waiting_here >= shared.backlog
            || waiting_in_all >= shared.total_backlog
            // Half of it: Redis may be slower by the time that this buy has its turn.
            || wait > shared.queue_timeout / 2
        {
            return Err(IntakeError::Backlog);
        }
        state.waiting.push_back(waiting);
        shared.metrics.waiting.inc();
        let wants_caller = self.wants_caller(state.callers, waiting_here + 1);
        state.callers += usize::from(wants_caller);
        Ok(wants_caller)
    }

    async fn call_until_empty(self: Arc<Self>) {
        while let Some(batch) = self.next_batch() {
            self.call(batch).await;
        }
    }

    /// The buys of the next call; none when there are none, and then one caller fewer.
    fn next_batch(&self) -> Option<Batch> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let most = state.rate.most_a_call(self.calls_at_a_time(), now);
        let mut buys = Vec::with_capacity(state.waiting.len().min(most));
        while buys.len() < most {
            let Some(next) = state.waiting.pop_front() else {
                break;
            };
            self.shared.metrics.waiting.dec();
            if now.saturating_duration_since(next.since) > self.shared.queue_timeout {
                // The receiver may be gone, and then nobody needs the answer.
                let _ = next.answer.send(Err(IntakeError::Backlog));
            } else if !next.answer.is_closed() {
                buys.push(next);
            }
        }
        if buys.is_empty() {
            state.callers -= 1;
            return None;
        }
        let is_full = buys.len() == most && !state.waiting.is_empty();
        Some(Batch { buys, is_full })
    }

    async fn call(&self, batch: Batch) {
        let is_full = batch.is_full;
        let (buys, answers): (Vec<Buy>, Vec<_>) = batch
            .buys
            .into_iter()
            .map(|waiting| (waiting.buy, waiting.answer))
            .unzip();
        if let Some(decided) = self.ask(&buys, is_full).await {
            flashsale_fault_point::reach(FaultPoint::AfterScriptBeforeAnswer).await;
            let is_replicated = decided.is_replicated;
            for (answer, admission) in answers.into_iter().zip(decided.admissions) {
                let taken = if is_replicated || !admission.is_acknowledgement() {
                    Ok(admission)
                } else {
                    Err(IntakeError::NotReplicated)
                };
                let _ = answer.send(taken);
            }
        } else {
            for answer in answers {
                let _ = answer.send(Err(IntakeError::OutOfReach));
            }
            self.give_up_waiting();
        }
    }

    /// One call of the turnstile; none when it came to nothing, which is then counted and told.
    async fn ask(&self, buys: &[Buy], is_full: bool) -> Option<Decided> {
        let shared = &self.shared;
        let replicas = self.replicas();
        let started = Instant::now();
        let outcome = timeout(shared.call_timeout, self.send(buys, replicas))
            .await
            .unwrap_or_else(|_| Err(link::no_answer().into()));
        let call_seconds = match replicas {
            None => &shared.metrics.call_seconds,
            Some(_) => &shared.metrics.replicated_call_seconds,
        };
        let now = Instant::now();
        let took = now.saturating_duration_since(started);
        call_seconds.observe(took.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "at most 128")]
        shared.metrics.call_buys.observe(buys.len() as f64);
        if outcome.is_ok() || took >= shared.call_timeout {
            let mut state = self.state.lock();
            state.rate.ended(buys.len(), is_full, started, now);
        }
        match outcome {
            Ok(decided) => {
                shared.link.answered();
                Some(decided)
            }
            Err(error) => {
                shared.metrics.failures.inc();
                match &error {
                    TurnstileError::Redis(redis) => shared.link.failed(redis),
                    TurnstileError::Answer(_) => tracing::error!(%error, "{error}"),
                }
                if replicas.is_some() {
                    self.check_link();
                }
                None
            }
        }
    }

    async fn send(
        &self,
        buys: &[Buy],
        replicas: Option<NonZeroU8>,
    ) -> Result<Decided, TurnstileError> {
        let shared = &self.shared;
        if let Some(replicas) = replicas {
            return shared
                .replicas
                .admit(&shared.turnstile, &self.keys, buys, replicas)
                .await;
        }
        let mut connection = shared.link.connection();
        let call = shared.turnstile.admit(&mut connection, &self.keys, buys);
        Ok(Decided {
            admissions: call.await?,
            is_replicated: true,
        })
    }

    /// Looks at the shared connection, which the calls that wait for replicas do not use: theirs lead
    /// to the same server, and only it is replaced when that one is not the primary any more.
    fn check_link(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            // A failure is told by the link.
            let _ = shared.link.heartbeat(shared.call_timeout).await;
        });
    }

    /// Answers all that wait: they would only meet the same failure, later.
    fn give_up_waiting(&self) {
        let waiting = std::mem::take(&mut self.state.lock().waiting);
        for waiting in waiting {
            self.shared.metrics.waiting.dec();
            let _ = waiting.answer.send(Err(IntakeError::OutOfReach));
        }
    }
}
