//! Drives one lane: takes it over in the ledger, reads what waits, settles it, acknowledges it, and
//! again, as long as the lane's lease is held and somebody wants its jobs settled.
//!
//! [`pipeline`] decides what is done when, [`calls`] does it, [`size`] and [`refusals`] are what a
//! lane's driver learns. A driver that cannot get on lets go of the lane, and says why
//! ([`departure`]): whether the lane is taken again at once, later, or by another worker is the
//! roster's to say.

mod calls;
pub mod departure;
pub mod known;
mod orders;
mod pipeline;
mod reader;
mod refusals;
pub mod size;

use std::time::{Duration, Instant};

use flashsale_queue::connect::SharedConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, progress::Progress, settlement::Settler};
use calls::Calls;
use departure::Departure;
use known::Known;
use orders::Orders;
use pipeline::{Event, Now, Pipeline};

/// How often to look around when nothing happens.
const LOOK: Duration = Duration::from_millis(200);

/// What a driver is made of.
#[derive(Debug)]
pub struct Driver {
    /// Shared with the worker's other drivers; leads to the connection on which this one waits.
    pub queue: SharedConnection,
    /// Settles the batches; knows sale and product.
    pub settler: Settler,
    /// Whose lease the lane is: only its holder may say that a job has failed.
    pub owner: String,
    /// Whether orders of its sale have to be paid.
    pub is_paid: bool,
    /// What earlier drivers learnt of the lane.
    pub known: Known,
    /// Cancelled when the worker stops, the lease is lost or the sale is gone.
    pub stop: CancellationToken,
    /// True while other lanes wait for room in this worker.
    pub crowded: watch::Receiver<bool>,
    /// Told of each step, since the lease is renewed by them.
    pub progress: Progress,
    /// What is counted.
    pub metrics: Metrics,
}

impl Driver {
    /// Drives until there is a reason to let go of the lane. What was decided is acknowledged
    /// before this returns, if Redis answers; what is in the ledger's hands is waited for, unless
    /// the ledger is the reason. Every call has a time limit, and so has this after `stop`.
    pub async fn drive(self) -> (Departure, Known) {
        let product = self.settler.product.clone();
        let mut pipeline = Pipeline::new(product, self.known, Instant::now());
        let mut orders = Orders::follow(
            self.settler.clone(),
            self.queue.clone(),
            self.owner.clone(),
            self.metrics.clone(),
            self.is_paid,
        );
        let mut calls = Calls::new(self.settler, self.queue, self.owner, self.metrics);
        let mut crowded = self.crowded;
        loop {
            let now = Now {
                at: Instant::now(),
                redis_ms: calls.redis_ms(),
                crowded: *crowded.borrow_and_update(),
                stopping: self.stop.is_cancelled(),
                connection_to_spare: calls.has_connection_to_spare(),
                orders: orders.stand(),
            };
            for command in pipeline.next(&now) {
                calls.start(command);
            }
            if let Some(departure) = pipeline.departure().cloned() {
                if self.is_paid && departure.is_not_offered() {
                    orders.put_off().await;
                }
                return (departure, pipeline.into_known());
            }
            orders.claimed(pipeline.driver());
            let look = Instant::now() + LOOK;
            let wake = pipeline.wake_at().map_or(look, |at| at.min(look));
            tokio::select! {
                Some(event) = calls.next() => {
                    self.progress.step();
                    if event.has_orders() {
                        orders.seen();
                    }
                    let at = Instant::now();
                    pipeline.on(event, &Now { at, redis_ms: calls.redis_ms(), ..now });
                }
                Some(driver) = orders.news() => pipeline.on(Event::OrdersFenced(driver), &now),
                () = self.stop.cancelled(), if !now.stopping => {}
                // An error means that the roster is gone, and with it whoever could wait.
                Ok(()) = crowded.changed() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }
}
