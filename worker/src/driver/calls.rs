//! Carries out what the pipeline asks for, several calls at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use flashsale_fault_point::FaultPoint;
use flashsale_ledger::Succession;
use flashsale_queue::{
    connect::SharedConnection,
    keys::SaleKeys,
    lane::{self, Acknowledgement},
    lease,
    retry::{self, Retry},
};
use flashsale_recovery::RecoveryError;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};

use uuid::Uuid;

use super::{
    pipeline::{Batch, Command, Event},
    reader::Reader,
};
use crate::{
    metrics::Metrics,
    settlement::{Failure, Settler},
};

/// What the end of a call brings besides the event itself.
enum Ended {
    /// Nothing.
    Plain(Event),
    /// The reader, for the next read.
    Read(Box<Reader>, Event),
    /// Redis's clock, and what the last driver noted.
    Loaded(RedisClock, Event),
    /// When the batch was sent.
    Settled(Instant, Event),
}

/// Redis's clock, by which attempts are timed: those of several workers differ.
#[derive(Debug, Clone, Copy)]
struct RedisClock {
    /// What it showed.
    ms: i64,
    /// When.
    at: Instant,
}

impl RedisClock {
    /// The machine's own clock, until Redis was asked.
    fn of_this_machine() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            at: Instant::now(),
        }
    }

    fn now_ms(self) -> i64 {
        let since = i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.ms.saturating_add(since)
    }
}

/// The calls of one driver.
pub(super) struct Calls {
    settler: Settler,
    queue: SharedConnection,
    /// Owner of the lane's lease.
    owner: String,
    keys: SaleKeys,
    metrics: Metrics,
    /// None while it reads.
    reader: Option<Box<Reader>>,
    clock: RedisClock,
    /// When the last batch was answered: one sent ahead is settled from then on.
    answered: Option<Instant>,
    running: FuturesUnordered<BoxFuture<'static, Ended>>,
}

impl Calls {
    pub(super) fn new(
        settler: Settler,
        queue: SharedConnection,
        owner: String,
        metrics: Metrics,
    ) -> Self {
        let keys = SaleKeys::new(&settler.sale);
        let reader = Reader::new(queue.clone(), keys.lane(&settler.product));
        Self {
            settler,
            queue,
            owner,
            keys,
            metrics,
            reader: Some(Box::new(reader)),
            clock: RedisClock::of_this_machine(),
            answered: None,
            running: FuturesUnordered::new(),
        }
    }

    /// Milliseconds since the Unix epoch by Redis's clock.
    pub(super) fn redis_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Whether a batch can be sent ahead without taking the connection of another lane.
    pub(super) fn has_connection_to_spare(&self) -> bool {
        self.settler.ledger.has_connections_to_spare()
    }

    pub(super) fn start(&mut self, command: Command) {
        let call = match command {
            Command::TakeOver { from } => self.take_over(from),
            Command::AskLease => self.ask_lease(),
            Command::Load => self.load(),
            Command::Read { after, count, wait } => match self.reader.take() {
                Some(reader) => read(reader, after, count, wait),
                // The pipeline never asks for two reads at a time.
                None => return,
            },
            Command::ReadRefused(asked) => self.read_refused(asked),
            Command::Settle(batch) => self.settle(batch),
            Command::Acknowledge(acknowledgement) => self.acknowledge(acknowledgement),
            Command::Note { entry_id, retry } => self.note(entry_id, retry),
        };
        self.running.push(call);
    }

    /// The next event; none while no call is running.
    pub(super) async fn next(&mut self) -> Option<Event> {
        Some(match self.running.next().await? {
            Ended::Plain(event) => event,
            Ended::Read(reader, event) => {
                self.reader = Some(reader);
                event
            }
            Ended::Loaded(clock, event) => {
                self.clock = clock;
                event
            }
            Ended::Settled(sent, event) => {
                self.count_settled(sent, &event);
                event
            }
        })
    }

    fn count_settled(&mut self, sent: Instant, event: &Event) {
        let began = self.answered.map_or(sent, |answered| answered.max(sent));
        if let Event::Settled {
            answer: Ok(settlement),
            ..
        } = event
        {
            self.metrics.settled(settlement, began.elapsed());
        }
        self.answered = Some(Instant::now());
    }

    fn ask_lease(&self) -> BoxFuture<'static, Ended> {
        let (mut queue, owner) = (self.queue.clone(), self.owner.clone());
        let key = self.keys.lease(&self.settler.product);
        async move {
            let held = lease::renew(&mut queue, &key, &owner, lease::TERM).await;
            Ended::Plain(Event::LeaseAsked(held.map_err(|error| error.to_string())))
        }
        .boxed()
    }

    fn take_over(&self, from: Option<Uuid>) -> BoxFuture<'static, Ended> {
        let (settler, mut queue) = (self.settler.clone(), self.queue.clone());
        async move {
            let mut taken = settler.take_over(from).await;
            if matches!(taken, Ok(Succession::Done(_))) {
                // Before the first batch: this may be a replica that has not seen the last orders,
                // and would give their numbers to others.
                let kept = flashsale_recovery::keep_order_numbers(
                    &settler.ledger,
                    &mut queue,
                    &settler.sale,
                );
                if let Err(error) = kept.await {
                    taken = Err(match error {
                        RecoveryError::Ledger(error) => error.into(),
                        RecoveryError::Redis(error) => Failure::broken(error.to_string()),
                    });
                }
            }
            Ended::Plain(Event::TakenOver(taken))
        }
        .boxed()
    }

    /// As a task of its own, so that a batch that was sent ahead travels while the driver is busy,
    /// and so that a driver that leaves does not break a connection in the middle of a statement.
    fn settle(&self, batch: Batch) -> BoxFuture<'static, Ended> {
        let settler = self.settler.clone();
        let (sent, turn) = (Instant::now(), batch.turn.clone());
        let settling = tokio::spawn(async move {
            flashsale_fault_point::reach(FaultPoint::AfterClaimBeforeTransaction).await;
            let settled = settler.settle(&batch.turn, &batch.jobs).await;
            if settled.is_ok() {
                flashsale_fault_point::reach(FaultPoint::AfterCommitBeforeAcknowledgement).await;
            }
            settled
        });
        async move {
            let answer = settling
                .await
                .unwrap_or_else(|error| Err(Failure::broken(error.to_string())));
            Ended::Settled(sent, Event::Settled { turn, answer })
        }
        .boxed()
    }

    fn load(&self) -> BoxFuture<'static, Ended> {
        let (mut queue, keys) = (self.queue.clone(), self.keys.clone());
        let product = self.settler.product.clone();
        let now = self.clock;
        async move {
            let loaded = async {
                let ms = lane::now_ms(&mut queue).await?;
                let clock = RedisClock {
                    ms,
                    at: Instant::now(),
                };
                Ok((clock, retry::read(&mut queue, &keys, &product).await?))
            };
            match loaded.await {
                Ok((clock, known)) => Ended::Loaded(clock, Event::Loaded(Ok(known))),
                Err(error) => {
                    let error: redis::RedisError = error;
                    Ended::Loaded(now, Event::Loaded(Err(error.to_string())))
                }
            }
        }
        .boxed()
    }

    fn read_refused(&self, asked: Vec<String>) -> BoxFuture<'static, Ended> {
        let mut queue = self.queue.clone();
        let lane = self.keys.lane(&self.settler.product);
        async move {
            let found = lane::read_each(&mut queue, &lane, &asked).await;
            Ended::Plain(Event::RefusedRead {
                asked,
                found: found.map_err(|error| error.to_string()),
            })
        }
        .boxed()
    }

    fn acknowledge(&self, acknowledgement: Arc<Acknowledgement>) -> BoxFuture<'static, Ended> {
        let (mut queue, keys) = (self.queue.clone(), self.keys.clone());
        let (sale, product) = (self.settler.sale.clone(), self.settler.product.clone());
        let (metrics, clock) = (self.metrics.clone(), self.clock);
        // Failures are the one outcome that the ledger does not know. A driver whose lease has
        // passed on must not tell one: its successor may be settling the job.
        let acknowledgement = if acknowledgement.dead.is_empty() {
            acknowledgement
        } else {
            Arc::new(Acknowledgement {
                holder: Some(self.owner.clone()),
                ..Acknowledgement::clone(&acknowledgement)
            })
        };
        async move {
            let began = Instant::now();
            let told = lane::acknowledge(&mut queue, &keys, &product, &acknowledgement).await;
            if let Ok(acknowledged) = &told {
                flashsale_fault_point::reach(FaultPoint::AfterAcknowledgementBeforeEvent).await;
                metrics
                    .acknowledge_seconds
                    .observe(began.elapsed().as_secs_f64());
                metrics.acknowledged(&sale, &acknowledgement, acknowledged, clock.now_ms());
            }
            let told = told.map(|_| ()).map_err(|error| error.to_string());
            Ended::Plain(Event::Acknowledged(told))
        }
        .boxed()
    }

    fn note(&self, entry_id: String, retry: Retry) -> BoxFuture<'static, Ended> {
        self.metrics.retries.inc();
        let (mut queue, keys) = (self.queue.clone(), self.keys.clone());
        let product = self.settler.product.clone();
        async move {
            let noted = retry::write(&mut queue, &keys, &product, &entry_id, retry).await;
            if let Err(error) = noted {
                // This driver remembers; only a successor would count the attempts from the start.
                tracing::warn!(%product, %error, "could not note a failed attempt in Redis: {error}");
            }
            Ended::Plain(Event::Noted)
        }
        .boxed()
    }
}

fn read(
    mut reader: Box<Reader>,
    after: String,
    count: usize,
    wait: Option<Duration>,
) -> BoxFuture<'static, Ended> {
    async move {
        let entries = reader.read(&after, count, wait).await;
        let entries = entries.map_err(|error| error.to_string());
        Ended::Read(reader, Event::Read(entries))
    }
    .boxed()
}
