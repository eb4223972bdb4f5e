//! The control loop in action: looks every second, decides by [`flashsale_core::control`], and moves
//! processes and Redis accordingly; looks after the children in between.

use std::time::{Duration, Instant};

use flashsale_core::{
    catalogue::{self, Announced},
    connect::SharedConnection,
    control::{Controller, Step},
    keys::SaleKeys,
    ledger::Ledger,
    lifecycle::Phase,
    sale::Sale,
    stock,
};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    UpError,
    fleet::Fleet,
    look::{self, Looks},
    stores::Stores,
    view::{LaneView, View},
};
use crate::{display::Display, figures::grouped};

/// How often is looked and decided.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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
        let sales: Vec<&Sale> = self
            .sales
            .iter()
            .map(|managed| &managed.controller.desired().sale)
            .collect();
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
            self.conductor.act(managed, &step).await;
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

    fn show(&self, looks: &Looks, phases: Vec<(flashsale_core::id::SaleId, Phase)>) {
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
        self.view.send_replace(View {
            depth: all_read.then(|| lanes.iter().map(|lane| lane.depth).sum()),
            lanes,
            workers: workers.sum(),
            phases,
        });
    }
}

impl Conductor {
    async fn act(&mut self, managed: &mut Managed, step: &Step) {
        let desired = managed.controller.desired();
        let sale = &desired.sale.id;
        if !step.publish.is_empty() {
            // Before the sale is announced: a product without stock is unknown to the turnstile.
            let keys = SaleKeys::new(sale);
            if let Err(error) = stock::publish(&mut self.queue, &keys, &step.publish).await {
                tracing::debug!(%sale, %error, "stock was not told: {error}");
            }
        }
        if step.announce {
            match catalogue::announce(&mut self.queue, &desired.sale, desired.closing).await {
                Ok(()) if desired.closing => {}
                Ok(()) => {
                    let line =
                        format!("Redis did not have sale {sale} as it shall be; told it again");
                    self.display.warning(line);
                }
                Err(error) => tracing::debug!(%sale, %error, "the sale was not told: {error}"),
            }
        }
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
}

impl Running {
    /// What the loop sees.
    pub(super) fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Closes intake, lets the lanes run empty, and stops everything: workers, gateways, stores.
    pub(super) async fn shut_down(self, sales: &[Sale], display: &Display) -> Result<(), UpError> {
        display.line(
            "closing     intake is closed, what is queued is settled (Ctrl-C again: leave now)",
        );
        self.close.cancel();
        let patience = sales.iter().map(|sale| sale.drain_timeout).max();
        let mut view = self.view.clone();
        // Reduced to a flag at once: the view that `wait_for` answers is locked as long as it
        // lives, and the loop, which is still to end, would wait for it at its next look.
        let drained = tokio::time::timeout(
            patience.unwrap_or_default(),
            view.wait_for(|view| view.phases.iter().all(|(_, phase)| *phase == Phase::Closed)),
        )
        .await
        .is_ok();
        if drained {
            display.line("drained     every lane is empty");
        } else {
            let depth = self.view.borrow().depth;
            let depth = depth.map_or_else(|| "an unknown number of".to_owned(), grouped);
            display.warning(format!("{depth} jobs still wait; Redis keeps them"));
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
