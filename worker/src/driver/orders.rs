//! Follows the orders of a lane beside its driver: cancels those that were not paid in time, and tells Redis
//! and shoppers of every order that changed, be it by this, by a payment or by the shop's own SQL.
//!
//! It has the driver's claim in the ledger and its lease in Redis, and needs no place of its own in the
//! pipeline: each of its calls may be repeated, may be late, and is refused once another drives the lane.
//! The row of the product is locked for one batch at a time, so that settlement goes on in between.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use flashsale_domain::{
    id::{JobId, ProductId, SaleId, UserId},
    order::OrderState,
    stock::StockLevel,
};
use flashsale_ledger::{ChangedOrder, Expiry, Fault, OrderChanges, OrderPlace, WaitReason};
use flashsale_queue::{
    connect::SharedConnection,
    keys::SaleKeys,
    orders::{self, Known, NextLook, Telling, Told},
};
use redis::RedisError;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::size::BatchSize;
use crate::{
    metrics::Metrics,
    patience::Patience,
    settlement::{Failure, Settler},
};

/// Orders that are cancelled in one transaction, and told in one message, at most.
const BATCH: usize = 1_000;

/// Changes that are read at a time. Each is what one statement did to the product's orders.
const CHANGES: u32 = 4;

/// How often changes are read in one look: what is due is not to wait for a shop that changes orders faster than
/// they can be told.
const ROUNDS: usize = 16;

/// How often to look when nothing is due sooner.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait before another look at what could not be done yet: somebody else holds the orders that are
/// due, or jobs in the lane keep the stock from being told.
const AGAIN: Duration = Duration::from_millis(200);

/// The shortest time between two looks at orders that are due one after the other.
const SHORTEST: Duration = Duration::from_millis(20);

/// How long orders that wait for payment are left alone where nobody drives the lane.
const PENDING_LEFT_ALONE: Duration = Duration::from_secs(5);

/// How long a lane without such orders is: somebody may cancel one that is completed, and a Redis that went
/// back, or a worker of the release before, may not have said that orders wait.
const QUIET_LEFT_ALONE: Duration = Duration::from_mins(1);

/// What is known of the orders of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Nobody has looked yet.
    Unknown,
    /// Some wait for their payment, or may do so.
    Pending,
    /// None waits.
    Quiet,
}

/// What the driver tells its follower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Claim {
    /// Token of the takeover that the ledger knows.
    driver: Option<Uuid>,
    /// Whether orders were seen that are not completed at once.
    has_orders: bool,
}

/// What the follower tells its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct News {
    stand: Stand,
    /// The claim that the ledger refused.
    fenced: Option<Uuid>,
}

/// The driver's side of a follower, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Orders {
    claim: watch::Sender<Claim>,
    news: watch::Receiver<News>,
    lane: (SharedConnection, SaleKeys, ProductId),
    _stop: DropGuard,
}

impl Orders {
    /// Follows the orders of the lane of `settler`, whose lease `owner` has. Without `is_paid`, that is once
    /// there is something to follow.
    pub(super) fn follow(
        settler: Settler,
        queue: SharedConnection,
        owner: String,
        metrics: Metrics,
        is_paid: bool,
    ) -> Self {
        let stand = if is_paid {
            Stand::Unknown
        } else {
            Stand::Quiet
        };
        let (news, heard) = watch::channel(News {
            stand,
            fenced: None,
        });
        let claim = watch::Sender::new(Claim {
            driver: None,
            has_orders: is_paid,
        });
        let stop = CancellationToken::new();
        let keys = SaleKeys::new(&settler.sale);
        let lane = (queue.clone(), keys, settler.product.clone());
        let follower = Follower {
            keys: SaleKeys::new(&settler.sale),
            settler,
            queue,
            owner,
            metrics,
            claim: claim.subscribe(),
            news,
            stop: stop.clone(),
            known: None,
            size: BatchSize::new(BATCH),
        };
        // A task of its own: a driver that leaves does not break a connection in the middle of a statement.
        tokio::spawn(follower.run());
        Self {
            claim,
            news: heard,
            lane,
            _stop: stop.drop_guard(),
        }
    }

    /// Says which takeover is in force.
    pub(super) fn claimed(&self, driver: Option<Uuid>) {
        self.claim
            .send_if_modified(|claim| std::mem::replace(&mut claim.driver, driver) != driver);
    }

    /// Says that there are orders which are not completed at once.
    pub(super) fn seen(&self) {
        self.claim
            .send_if_modified(|claim| !std::mem::replace(&mut claim.has_orders, true));
    }

    /// Has nobody take the lane for its orders for a while: another sale offers its product, and looks after them.
    pub(super) async fn put_off(&mut self) {
        let (queue, keys, product) = &mut self.lane;
        if let Err(error) = orders::put_off(queue, keys, product).await {
            tracing::debug!(%product, %error, "the orders of lane {product} were not put off: {error}");
        }
    }

    /// What is known of the orders.
    pub(super) fn stand(&self) -> Stand {
        self.news.borrow().stand
    }

    /// Waits for news: the claim that the ledger refused, if that is among it. Pends for ever once the
    /// follower has ended.
    pub(super) async fn news(&mut self) -> Option<Uuid> {
        if self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.news.borrow_and_update().fenced
    }
}

struct Follower {
    settler: Settler,
    queue: SharedConnection,
    keys: SaleKeys,
    /// Owner of the lane's lease.
    owner: String,
    metrics: Metrics,
    claim: watch::Receiver<Claim>,
    news: watch::Sender<News>,
    stop: CancellationToken,
    /// What Redis knows; none until it was asked.
    known: Option<Known>,
    /// How many orders are cancelled in one transaction: fewer after the ledger was too slow.
    size: BatchSize,
}

/// Why a look came to nothing.
enum Interrupted {
    /// The lane is another's by now, or the sale is gone: nothing more is to be done here.
    Over,
    /// A store failed; the look is made again.
    Failed(Failure),
    /// Redis knows another change as the last than was thought; the look is made again, from there.
    Misfit,
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<RedisError> for Interrupted {
    fn from(error: RedisError) -> Self {
        Self::Failed(Failure::broken(error.to_string()))
    }
}

impl Follower {
    async fn run(mut self) {
        let stop = self.stop.clone();
        // What is on its way when the driver leaves is finished, by calls with time limits.
        let mut patience = Patience::default();
        let mut is_failing = false;
        loop {
            let driver = tokio::select! {
                driver = self.next_claim() => driver,
                () = stop.cancelled() => return,
            };
            let Some(driver) = driver else { return };
            match self.look(driver).await {
                Ok(pause) => {
                    (patience, is_failing) = (Patience::default(), false);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => return,
                    }
                }
                Err(Interrupted::Over) => return,
                Err(Interrupted::Misfit) => {
                    if !patience.wait(&stop).await {
                        return;
                    }
                }
                Err(Interrupted::Failed(failure)) => {
                    self.failed(driver, &failure, std::mem::replace(&mut is_failing, true));
                    if !patience.wait(&stop).await {
                        return;
                    }
                }
            }
        }
    }

    /// The takeover in force, once there is one that was not refused and something to follow. None: the
    /// driver is gone.
    async fn next_claim(&mut self) -> Option<Uuid> {
        loop {
            let claim = *self.claim.borrow_and_update();
            let refused = self.news.borrow().fenced;
            let driver = claim.driver.filter(|driver| Some(*driver) != refused);
            if driver.is_some() && (claim.has_orders || self.has_changes().await) {
                return driver;
            }
            tokio::select! {
                changed = self.claim.changed() => changed.ok()?,
                () = tokio::time::sleep(LOOK), if driver.is_some() => {}
            }
        }
    }

    /// Whether somebody has to look at the orders by now: the control loop has seen that some were changed, of a
    /// sale whose orders need not be paid.
    async fn has_changes(&mut self) -> bool {
        let known = orders::known(&mut self.queue, &self.keys, &self.settler.product);
        // If this fails, the next look asks.
        self.known = known.await.ok();
        self.known.is_some_and(|known| known.is_due)
    }

    fn failed(&mut self, driver: Uuid, failure: &Failure, is_failing: bool) {
        if failure.fault == Fault::TooSlow {
            let now = Instant::now();
            let size = self.size.at(now);
            self.size.shrink(size, now);
        }
        let is_fenced = failure.fault == Fault::Fenced;
        self.news.send_modify(|news| {
            news.stand = Stand::Pending;
            news.fenced = is_fenced.then_some(driver);
        });
        if is_fenced {
            return;
        }
        self.metrics.order_follow_failures.inc();
        let (product, message) = (&self.settler.product, &failure.message);
        if is_failing {
            tracing::debug!(%product, "the orders of lane {product} still wait: {message}");
        } else {
            tracing::warn!(%product,
                "could not look after the orders of lane {product} yet: {message}");
        }
    }

    /// Cancels what is due and tells all that changed. Returns how long to pause.
    async fn look(&mut self, driver: Uuid) -> Result<Duration, Interrupted> {
        let known = match self.known {
            Some(known) => known,
            None => orders::known(&mut self.queue, &self.keys, &self.settler.product).await?,
        };
        self.known = Some(known);
        let size = self.size.at(Instant::now());
        let limit = u32::try_from(size).unwrap_or(u32::MAX);
        let expiry = match self.settler.expire_orders(driver, limit).await {
            Err(failure) if failure.fault == Fault::Server(WaitReason::NotOffered) => None,
            expiry => Some(expiry?),
        };
        let next = NextLook {
            within: left_alone(expiry),
            ended: known.ended,
        };
        let has_stock = match expiry {
            Some(expiry) => {
                let sale = self.settler.sale.as_str();
                self.metrics
                    .orders_expired
                    .with_label_values(&[sale])
                    .inc_by(expiry.expired.into());
                self.tell_changes(next).await?
            }
            // Whoever offers the product now looks after its orders.
            None => self.tell(None, Vec::new(), next).await?,
        };
        let is_pending = expiry.is_some_and(|expiry| expiry.next.is_some());
        self.news.send_if_modified(|news| {
            let stand = if is_pending {
                Stand::Pending
            } else {
                Stand::Quiet
            };
            std::mem::replace(&mut news.stand, stand) != stand
        });
        let is_full = expiry.is_some_and(|expiry| expiry.expired >= limit);
        Ok(if is_full {
            Duration::ZERO
        } else {
            pause(expiry, has_stock)
        })
    }

    /// Tells all that changed, and when to look `next`. Returns whether Redis has the stock.
    async fn tell_changes(&mut self, next: NextLook) -> Result<bool, Interrupted> {
        for _ in 0..ROUNDS {
            if self.stop.is_cancelled() {
                return Err(Interrupted::Over);
            }
            let told = self.told();
            let changes = self.settler.order_changes(told, CHANGES).await?;
            if changes.missed {
                self.tell_all(next).await?;
            }
            let is_last = changes.last == told;
            let OrderChanges {
                last,
                stock,
                version,
                settled_version,
                orders,
                ..
            } = changes;
            let level = StockLevel {
                product: self.settler.product.clone(),
                stock,
                version,
                settled_version,
            };
            let sale = self.settler.sale.clone();
            let (orders, others) = orders.into_iter().partition(|order| order.sale == sale);
            self.tell_of_other_sales(others).await?;
            let has_stock = self.tell(Some((last, level)), parts(orders), next).await?;
            if is_last {
                return Ok(has_stock);
            }
        }
        // There are more; what is due comes first.
        Ok(false)
    }

    /// Tells of orders of sales that offered the product before, as far as they are still in force.
    async fn tell_of_other_sales(&mut self, orders: Vec<ChangedOrder>) -> Result<(), Interrupted> {
        let mut by_sale: HashMap<SaleId, Vec<ChangedOrder>> = HashMap::new();
        for order in orders {
            by_sale.entry(order.sale.clone()).or_default().push(order);
        }
        for (sale, orders) in by_sale {
            let keys = SaleKeys::new(&sale);
            let product = &self.settler.product;
            orders::tell_after_sale(&mut self.queue, &keys, product, &parts(orders)).await?;
        }
        Ok(())
    }

    /// Tells where all orders stand: Redis lost what it knew of their changes, or never knew it.
    async fn tell_all(&mut self, next: NextLook) -> Result<(), Interrupted> {
        let product = &self.settler.product;
        tracing::info!(%product, "Redis does not know the orders of lane {product}; all are told anew");
        let limit = u32::try_from(BATCH).unwrap_or(u32::MAX);
        let mut place = Some(OrderPlace::default());
        while let Some(behind) = place {
            if self.stop.is_cancelled() {
                return Err(Interrupted::Over);
            }
            let (orders, next_place) = self.settler.order_states(&behind, limit).await?;
            place = next_place;
            if !orders.is_empty() {
                self.tell(None, parts(orders), next).await?;
            }
        }
        Ok(())
    }

    /// Number of the last change that Redis knows of.
    fn told(&self) -> i64 {
        self.known.and_then(|known| known.told).unwrap_or(0)
    }

    /// Tells `orders`, a batch at a time, of which the last brings the number of the last change. Returns
    /// whether Redis has the stock.
    async fn tell(
        &mut self,
        upto: Option<(i64, StockLevel)>,
        mut orders: Vec<(UserId, JobId, i64, OrderState)>,
        next: NextLook,
    ) -> Result<bool, Interrupted> {
        let (upto, stock) = upto.unzip();
        loop {
            let rest = orders.split_off(orders.len().min(BATCH));
            let from = self.told();
            let telling = Telling {
                holder: &self.owner,
                from,
                upto: upto.filter(|_| rest.is_empty()).unwrap_or(from),
                orders: std::mem::replace(&mut orders, rest),
                stock: stock.clone(),
                next: Some(next),
            };
            let (queue, product) = (&mut self.queue, &self.settler.product);
            let told = orders::tell(queue, &self.keys, product, &telling).await?;
            let known = self.known.unwrap_or_default();
            match told {
                Told::Yes { ended, has_stock } => {
                    let sale = self.settler.sale.as_str();
                    let count = self.metrics.order_changes_told.with_label_values(&[sale]);
                    count.inc_by(telling.orders.len() as u64);
                    self.known = Some(Known {
                        told: Some(telling.upto),
                        ended,
                        ..known
                    });
                    if orders.is_empty() {
                        return Ok(has_stock);
                    }
                }
                Told::Misfit(last) => {
                    self.known = Some(Known {
                        told: Some(last),
                        ..known
                    });
                    return Err(Interrupted::Misfit);
                }
                Told::NotHolder | Told::NotInForce => return Err(Interrupted::Over),
            }
        }
    }
}

fn parts(orders: Vec<ChangedOrder>) -> Vec<(UserId, JobId, i64, OrderState)> {
    let orders = orders.into_iter();
    orders
        .map(|order| (order.user, order.job, order.order, order.state))
        .collect()
}

/// In what time somebody has to look again if nobody does so sooner.
fn left_alone(expiry: Option<Expiry>) -> Duration {
    match expiry.and_then(|expiry| expiry.next) {
        Some(next) => next.min(PENDING_LEFT_ALONE),
        None => QUIET_LEFT_ALONE,
    }
}

/// How long to pause after a look that left nothing due behind.
fn pause(expiry: Option<Expiry>, has_stock: bool) -> Duration {
    let longest = if has_stock { LOOK } else { AGAIN };
    match expiry {
        // Others hold what is due.
        Some(Expiry {
            expired: 0,
            next: Some(Duration::ZERO),
        }) => AGAIN,
        Some(Expiry {
            next: Some(next), ..
        }) => next.clamp(SHORTEST, longest),
        Some(Expiry { next: None, .. }) | None => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(expired: u32, next_ms: Option<u64>) -> Expiry {
        Expiry {
            expired,
            next: next_ms.map(Duration::from_millis),
        }
    }

    #[test]
    fn what_is_due_is_looked_at_then_and_everything_within_a_second() {
        assert_eq!(pause(Some(expiry(3, Some(0))), true), SHORTEST);
        assert_eq!(
            pause(Some(expiry(0, Some(0))), true),
            AGAIN,
            "others hold them"
        );
        assert_eq!(pause(Some(expiry(0, Some(400))), true).as_millis(), 400);
        assert_eq!(pause(Some(expiry(0, Some(400))), false), AGAIN);
        assert_eq!(pause(Some(expiry(0, Some(9_000))), true), LOOK);
        assert_eq!(pause(Some(expiry(0, None)), true), LOOK);
        assert_eq!(pause(None, true), LOOK);
    }

    #[test]
    fn pending_orders_are_never_left_alone_for_long() {
        assert_eq!(left_alone(Some(expiry(0, Some(400)))).as_millis(), 400);
        assert_eq!(
            left_alone(Some(expiry(0, Some(600_000)))),
            PENDING_LEFT_ALONE
        );
        assert_eq!(left_alone(Some(expiry(0, None))), QUIET_LEFT_ALONE);
        assert_eq!(left_alone(None), QUIET_LEFT_ALONE);
    }
}
