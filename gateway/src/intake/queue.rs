//! The buys of one sale that wait for their call.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use flashsale_core::{
    fault_point::{self, FaultPoint},
    id::SaleId,
    keys::SaleKeys,
    turnstile::{Admission, Buy, MAX_BUYS_A_CALL, TurnstileError},
};
use tokio::{sync::oneshot, time::timeout};

use super::{IntakeError, Shared, link};

/// Calls of one sale on their way at a time: while Redis decides one, the next travels. Further
/// ones would only be smaller: with 1 to 4, a buy costs Redis and the gateway the same time
/// (about 20 µs each, measured by the load of `bench/` on 64 and 256 connections).
const CALLS_AT_A_TIME: usize = 2;

/// The decision about a buy, or why there is none.
pub type Taken = Result<Admission, IntakeError>;

/// The buys of one sale that wait for their call.
#[derive(Debug)]
pub struct SaleQueue {
    keys: SaleKeys,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Tasks that take from `waiting`; at most [`CALLS_AT_A_TIME`].
    callers: usize,
}

#[derive(Debug)]
struct Waiting {
    buy: Buy,
    since: Instant,
    answer: oneshot::Sender<Taken>,
}

impl SaleQueue {
    pub(super) fn new(sale: &SaleId, shared: Arc<Shared>) -> Self {
        Self {
            keys: SaleKeys::new(sale),
            shared,
            state: Mutex::default(),
        }
    }

    /// Has the turnstile decide `buy`, which arrived at `since`. Dropping the returned future
    /// gives the buy up as long as it was not sent.
    pub async fn admit(self: &Arc<Self>, buy: Buy, since: Instant) -> Taken {
        let (answer, decision) = oneshot::channel();
        let waiting = Waiting { buy, since, answer };
        if self.push(waiting)? {
            tokio::spawn(Arc::clone(self).call_until_empty());
        }
        decision.await.unwrap_or(Err(IntakeError::OutOfReach))
    }

    /// Puts a buy in the queue; true when a further caller is wanted.
    fn push(&self, waiting: Waiting) -> Result<bool, IntakeError> {
        let mut state = self.state();
        if state.waiting.len() >= self.shared.backlog {
            return Err(IntakeError::Backlog);
        }
        state.waiting.push_back(waiting);
        let wants_caller = state.callers < CALLS_AT_A_TIME;
        state.callers += usize::from(wants_caller);
        Ok(wants_caller)
    }

    async fn call_until_empty(self: Arc<Self>) {
        while let Some(batch) = self.next_batch() {
            self.call(batch).await;
        }
    }

    /// The buys of the next call; none when there are none, and then one caller fewer.
    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let now = Instant::now();
        let mut state = self.state();
        let mut batch = Vec::with_capacity(state.waiting.len().min(MAX_BUYS_A_CALL));
        while batch.len() < MAX_BUYS_A_CALL {
            let Some(next) = state.waiting.pop_front() else {
                break;
            };
            if now.saturating_duration_since(next.since) > self.shared.queue_timeout {
                // The receiver may be gone, and then nobody needs the answer.
                let _ = next.answer.send(Err(IntakeError::Backlog));
            } else if !next.answer.is_closed() {
                batch.push(next);
            }
        }
        if batch.is_empty() {
            state.callers -= 1;
            return None;
        }
        Some(batch)
    }

    async fn call(&self, batch: Vec<Waiting>) {
        let (buys, answers): (Vec<Buy>, Vec<_>) = batch
            .into_iter()
            .map(|waiting| (waiting.buy, waiting.answer))
            .unzip();
        if let Some(admissions) = self.ask(&buys).await {
            fault_point::reach(FaultPoint::AfterScriptBeforeAnswer).await;
            for (answer, admission) in answers.into_iter().zip(admissions) {
                let _ = answer.send(Ok(admission));
            }
        } else {
            for answer in answers {
                let _ = answer.send(Err(IntakeError::OutOfReach));
            }
            self.give_up_waiting();
        }
    }

    /// One call of the turnstile; none when it came to nothing, which is then counted and told.
    async fn ask(&self, buys: &[Buy]) -> Option<Vec<Admission>> {
        let shared = &self.shared;
        let mut connection = shared.link.connection();
        let started = Instant::now();
        let call = shared.turnstile.admit(&mut connection, &self.keys, buys);
        let outcome = timeout(shared.call_timeout, call)
            .await
            .unwrap_or_else(|_| Err(link::no_answer().into()));
        shared
            .metrics
            .call_seconds
            .observe(started.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "at most 128")]
        shared.metrics.call_buys.observe(buys.len() as f64);
        match outcome {
            Ok(admissions) => {
                shared.link.answered();
                Some(admissions)
            }
            Err(error) => {
                shared.metrics.failures.inc();
                match &error {
                    TurnstileError::Redis(redis) => shared.link.failed(redis),
                    TurnstileError::Answer(_) => tracing::error!(%error, "{error}"),
                }
                None
            }
        }
    }

    /// Answers all that wait: they would only meet the same failure, later.
    fn give_up_waiting(&self) {
        let waiting = std::mem::take(&mut self.state().waiting);
        for waiting in waiting {
            let _ = waiting.answer.send(Err(IntakeError::OutOfReach));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
