//! The control loop in action: looks every second, decides by [`flashsale_domain::control`], and moves
//! processes and Redis accordingly; looks after the children in between.

use std::time::{Duration, Instant};

use flashsale_domain::{
    control::{Controller, Look, Step},
    id::SaleId,
    lifecycle::{Announced, Phase},
    sale::Sale,
};
use flashsale_ledger::Ledger;
use flashsale_queue::{catalogue, connect::SharedConnection, keys::SaleKeys, orders, stock};
use flashsale_testbed::figures::grouped;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ToolError,
    fleet::Fleet,
    look::{self, Looks},
    stores::Stores,
};
use crate::{
    display::Display,
    view::{LaneView, View},
};

/// How often is looked and decided.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a declaration may take; it waits for the row locks of batches being settled.
const DECLARE_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is told how far the outcomes of a sale are restored.
const RESTORE_PROGRESS: Duration = Duration::from_secs(2);

/// How long it is told how many orders wait for their payment, so that a look may be missed.
const PENDING_LASTS: Duration = Duration::from_secs(10);

/// How often dead children are noticed.
const TEND_INTERVAL: Duration = Duration::from_millis(100);

/// What the loop is made of.
#[derive(Debug)]
pub(super) struct Conductor {
    pub(super) ledger: Ledger,
    pub(super) queue: SharedConnection,
    pub(super) display: Display,
    pub(super) gateways: Fleet,
    pub(super) stores: Stores,
}

/// One sale, its mind and its workers.
#[derive(Debug)]
struct Managed {
    controller: Controller,
    workers: Fleet,
    /// Gives a Redis that lost them the outcomes of the ledger back; ends by itself.
    restoring: Option<JoinHandle<()>>,
}

/// The running loop, from outside.
#[derive(Debug)]
pub(super) struct Running {
    view: watch::Receiver<View>,
    close: CancellationToken,
    stop: CancellationToken,
    task: JoinHandle<Loop>,
}

/// The running loop, from inside.
#[derive(Debug)]
struct Loop {
    conductor: Conductor,
    sales: Vec<Managed>,
    view: watch::Sender<View>,
    started: Instant,
    /// By how much Redis's clock is ahead of ours.
    ahead: SignedDuration,
    /// What could not be read at the last look.
    failures: Vec<String>,
}

impl Conductor {
    /// Starts the loop over these sales and their workers.
    pub(super) fn start<'a>(self, sales: impl Iterator<Item = (&'a Sale, Fleet)>) -> Running {
        let sales = sales.map(|(sale, workers)| Managed {
            controller: Controller::new(Announced {
                sale: sale.clone(),
                closing: false,
            }),
            workers,
            restoring: None,
        });
        let (sender, view) = watch::channel(View::default());
        let state = Loop {
            conductor: self,
            sales: sales.collect(),
            view: sender,
            started: Instant::now(),
            ahead: SignedDuration::ZERO,
            failures: Vec::new(),
        };
        let (close, stop) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(state.run(close.clone(), stop.clone()));
        Running {
            view,
            close,
            stop,
            task,
        }
    }
}

impl Loop {
    async fn run(mut self, close: CancellationToken, stop: CancellationToken) -> Self {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tends = interval(TEND_INTERVAL);
        tends.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                _ = looks.tick() => self.look_and_act().await,
                _ = tends.tick() => self.tend().await,
                () = close.cancelled(), if !closing => {
                    closing = true;
                    self.close().await;
                    self.look_and_act().await;
                }
                () = stop.cancelled() => return self,
            }
        }
    }

    /// Closes intake now, and keeps it closed.
    async fn close(&mut self) {
        for managed in &mut self.sales {
            managed.controller.close();
            let sale = &managed.controller.desired().sale.id;
            if let Err(error) = catalogue::close(&mut self.conductor.queue, sale).await {
                // The next look finds the sale open and closes it.
                tracing::debug!(%sale, %error, "could not close at once: {error}");
            }
        }
    }

    async fn tend(&mut self) {
        let conductor = &mut self.conductor;
        conductor.stores.revive(&conductor.display).await;
        let mut news = conductor.gateways.tend().await;
        for managed in &mut self.sales {
            news.extend(managed.workers.tend().await);
        }
        for line in news {
            conductor.display.warning(line);
        }
    }

    async fn look_and_act(&mut self) {
        let records: Vec<Announced> = self
            .sales
            .iter()
            .map(|managed| managed.controller.record())
            .collect();
        let sales: Vec<&Sale> = records.iter().map(|record| &record.sale).collect();
        let conductor = &mut self.conductor;
        let looks = look::look(&conductor.ledger, &mut conductor.queue, &sales).await;
        if let Some(now) = looks.now {
            self.ahead = now.duration_since(Timestamp::now());
        }
        let now = Timestamp::now().checked_add(self.ahead);
        let now = now.unwrap_or_else(|_| Timestamp::now());
        self.tell_failures(&looks);
        let mut phases = Vec::with_capacity(self.sales.len());
        for (index, look) in looks.sales.iter().enumerate() {
            let managed = &mut self.sales[index];
            let workers = managed.workers.size();
            let step = managed
                .controller
                .step(look, now, self.started.elapsed(), workers);
            self.conductor.act(managed, look, &step).await;
            phases.push((managed.controller.desired().sale.id.clone(), step.phase));
        }
        self.show(&looks, phases);
    }

    /// Says once that something cannot be read, and once that it can again.
    fn tell_failures(&mut self, looks: &Looks) {
        let display = &self.conductor.display;
        match (self.failures.is_empty(), looks.failures.is_empty()) {
            (true, false) => {
                let what = looks.failures.join("; ");
                display.warning(format!("{what}; workers stay as they are"));
            }
            (false, true) => display.line("everything can be read again"),
            _ => {}
        }
        self.failures.clone_from(&looks.failures);
    }

    fn show(&self, looks: &Looks, phases: Vec<(SaleId, Phase)>) {
        let lanes = looks.sales.iter().filter_map(|look| look.lanes.as_ref());
        let all_read = looks.sales.iter().all(|look| look.lanes.is_some());
        let lanes: Vec<LaneView> = lanes
            .flat_map(|sale| &sale.lanes)
            .map(|lane| LaneView {
                product: lane.product.clone(),
                depth: lane.depth,
                stock: lane.stock.stock,
            })
            .collect();
        let workers = self
            .sales
            .iter()
            .map(|managed| managed.workers.running().count());
        let paid = self.sales.iter().zip(&looks.sales);
        let paid = paid.filter(|(managed, _)| managed.controller.desired().sale.payment.is_some());
        let pending: Vec<Option<u64>> = paid.map(|(_, look)| look.pending).collect();
        self.view.send_replace(View {
            pending: (!pending.is_empty()).then(|| pending.into_iter().sum()),
            depth: all_read.then(|| lanes.iter().map(|lane| lane.depth).sum()),
            lanes,
            workers: workers.sum(),
            phases,
        });
    }
}

impl Conductor {
    async fn act(&mut self, managed: &mut Managed, look: &Look, step: &Step) {
        let desired = managed.controller.desired();
        let sale = &desired.sale.id;
        if step.declare {
            self.declare_again(&desired.sale).await;
        }
        if !step.went_back.is_empty() {
            self.correct(&desired.sale, look, step).await;
        }
        if !step.publish.is_empty() {
            // Before the sale is announced: a product without stock is unknown to the turnstile.
            let keys = SaleKeys::new(sale);
            if let Err(error) = stock::publish(&mut self.queue, &keys, &step.publish).await {
                tracing::debug!(%sale, %error, "stock was not told: {error}");
            }
        }
        let keys = SaleKeys::new(sale);
        if let Err(error) = orders::remind(&mut self.queue, &keys, &step.remind).await {
            tracing::debug!(%sale, %error, "no worker was asked to look at orders: {error}");
        }
        if let Some(pending) = look.pending.filter(|_| desired.sale.payment.is_some())
            && let Err(error) =
                orders::tell_pending(&mut self.queue, &keys, pending, PENDING_LASTS).await
        {
            tracing::debug!(%sale, %error, "unpaid orders were not told: {error}");
        }
        self.retire(sale, step).await;
        if let Some(record) = &step.announce {
            let is_news = look.announced.as_ref().is_some_and(|announced| {
                announced
                    .as_ref()
                    .is_none_or(|old| old.sale.retired == record.sale.retired)
            });
            match catalogue::announce(&mut self.queue, &record.sale, record.closing).await {
                Ok(()) if record.closing || !is_news => {}
                Ok(()) => {
                    let line =
                        format!("Redis did not have sale {sale} as it shall be; told it again");
                    self.display.warning(line);
                }
                Err(error) => tracing::debug!(%sale, %error, "the sale was not told: {error}"),
            }
        }
        if let Some(server) = &step.restore {
            self.restore(managed, server);
        }
        let sale = &managed.controller.desired().sale.id;
        let workers = managed.workers.size();
        let wanted = step.workers();
        if wanted != workers {
            let line = format!("workers     {workers} → {wanted} for sale {sale}");
            self.display.line(line);
            for line in managed.workers.scale(wanted).await {
                self.display.warning(line);
            }
        }
    }

    /// Gives Redis the outcomes of the ledger back, beside the loop: there may be many.
    fn restore(&self, managed: &mut Managed, server: &str) {
        let is_under_way = |task: &JoinHandle<()>| !task.is_finished();
        if managed.restoring.as_ref().is_some_and(is_under_way) {
            return;
        }
        let sale = managed.controller.desired().sale.id.clone();
        let (ledger, mut queue) = (self.ledger.clone(), self.queue.clone());
        let (display, server) = (self.display.clone(), server.to_owned());
        managed.restoring = Some(tokio::spawn(async move {
            let mut told = Instant::now();
            let progress = |read| {
                if told.elapsed() >= RESTORE_PROGRESS {
                    told = Instant::now();
                    display.passing(format!("{} outcomes of sale {sale} read", grouped(read)));
                }
            };
            let restored =
                flashsale_recovery::restore_outcomes(&ledger, &mut queue, &sale, &server, progress)
                    .await;
            match restored {
                Ok(0) => {}
                Ok(outcomes) => display.line(format!(
                    "restored    Redis has the outcomes of {} buys of sale {sale}",
                    grouped(outcomes)
                )),
                Err(error) => {
                    tracing::debug!(%sale, %error, "outcomes were not restored yet: {error}");
                }
            }
        }));
    }

    /// Takes products that were taken out of a sale off the shelf, and lets those go whose lanes are
    /// empty.
    async fn retire(&mut self, sale: &SaleId, step: &Step) {
        let keys = SaleKeys::new(sale);
        if let Err(error) = stock::forget(&mut self.queue, &keys, &step.forget).await {
            tracing::debug!(%sale, %error, "stock was not forgotten: {error}");
        }
        if step.release.is_empty() {
            return;
        }
        match self.ledger.release_products(sale, &step.release).await {
            Ok(()) => {
                for product in &step.release {
                    let line = format!("released    product {product}: sale {sale} has let it go");
                    self.display.line(line);
                }
            }
            Err(error) => tracing::debug!(%sale, %error, "products were not released: {error}"),
        }
    }

    /// Declares the products of a sale that the ledger does not offer any more.
    async fn declare_again(&mut self, sale: &Sale) {
        let id = &sale.id;
        let declared = timeout(DECLARE_PATIENCE, self.ledger.declare(sale)).await;
        let levels = match declared {
            Ok(Ok(declared)) => declared.levels,
            Ok(Err(error)) => {
                tracing::debug!(sale = %id, %error, "the sale was not declared: {error}");
                return;
            }
            Err(_) => return,
        };
        self.display.warning(format!(
            "the ledger did not offer the products of sale {id} (was it rebuilt or restored?); \
             declared them again"
        ));
        let told = stock::publish(&mut self.queue, &SaleKeys::new(id), &levels).await;
        if let Err(error) = told {
            tracing::debug!(sale = %id, %error, "stock was not told: {error}");
        }
    }

    /// Has Redis follow a ledger that went back.
    async fn correct(&mut self, sale: &Sale, look: &Look, step: &Step) {
        let id = &sale.id;
        let last_order = look.lanes.as_ref().and_then(|lanes| lanes.last_order);
        let (ledger, queue) = (&self.ledger, &mut self.queue);
        match flashsale_recovery::correct(ledger, queue, id, &step.went_back, last_order).await {
            Ok(corrected) => self.display.warning(format!(
                "the ledger of sale {id} went back (a failover or a restore lost commits): Redis \
                 follows it again, and the next order is number {} or later; orders that shoppers \
                 were told may be gone: flashsale repair --sale {id}",
                corrected.told_order + 1
            )),
            Err(error) => {
                tracing::debug!(sale = %id, %error, "the ledger was not corrected: {error}");
            }
        }
    }
}

impl Running {
    /// What the loop sees.
    pub(super) fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Waits until every sale is closed. False: the loop has ended before that.
    async fn drained(&self, display: &Display) -> bool {
        let mut view = self.view.clone();
        // Reduced to what is needed at once: the view that `wait_for` answers is locked as long as it
        // lives, and the loop, which is still to end, would wait for it at its next look.
        let has_no_jobs = |phase: &Phase| matches!(phase, Phase::Settling | Phase::Closed);
        let settled = view
            .wait_for(|view| view.phases.iter().all(|(_, phase)| has_no_jobs(phase)))
            .await
            .map(|view| view.pending);
        if let Ok(Some(pending)) = settled
            && pending != Some(0)
        {
            let pending = count_or_unknown(pending);
            display.line(format!(
                "settling    every job has its outcome, {pending} orders wait for their payment"
            ));
        }
        view.wait_for(|view| view.phases.iter().all(|(_, phase)| *phase == Phase::Closed))
            .await
            .is_ok()
    }

    /// Closes intake, lets the lanes run empty, and stops everything: workers, gateways, stores.
    pub(super) async fn shut_down(
        self,
        sales: &[Sale],
        display: &Display,
    ) -> Result<(), ToolError> {
        display.line(
            "closing     intake is closed, what is queued is settled (Ctrl-C again: leave now)",
        );
        self.close.cancel();
        let patience = sales.iter().map(|sale| sale.drain_timeout).max();
        let patience = patience.unwrap_or_default();
        let drained = timeout(patience, self.drained(display)).await == Ok(true);
        if drained {
            let orders = self.view.borrow().pending.is_some();
            let orders = if orders {
                ", and no order waits for its payment"
            } else {
                ""
            };
            display.line(format!("drained     every lane is empty{orders}"));
        } else {
            display.warning(left_over(&self.view.borrow()));
        }
        self.stop.cancel();
        let mut state = self.task.await?;
        for managed in &mut state.sales {
            managed.workers.stop().await?;
        }
        display.line("stopped     workers");
        state.conductor.gateways.stop().await?;
        display.line("stopped     gateways");
        state.conductor.stores.stop(display).await
    }
}

fn count_or_unknown(count: Option<u64>) -> String {
    count.map_or_else(|| "an unknown number of".to_owned(), grouped)
}

/// What is not done when a machine stops.
fn left_over(view: &View) -> String {
    let jobs = count_or_unknown(view.depth);
    let jobs = format!("{jobs} jobs still wait; Redis keeps them");
    match view.pending {
        None => jobs,
        Some(pending) => format!(
            "{jobs}; {} orders still wait for their payment; a worker of the sale cancels them once their \
             window is over",
            count_or_unknown(pending)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpaid_orders_are_told_where_orders_are_paid_and_never_as_zero_when_unknown() {
        let view = |pending| View {
            depth: Some(0),
            pending,
            ..View::default()
        };
        assert_eq!(
            left_over(&view(None)),
            "0 jobs still wait; Redis keeps them"
        );
        assert!(left_over(&view(Some(Some(1_200)))).contains("; 1,200 orders still wait for"));
        let unknown = left_over(&view(Some(None)));
        assert!(
            unknown.contains("; an unknown number of orders still wait for"),
            "{unknown}"
        );
    }
}
