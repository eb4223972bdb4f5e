//! What follows from a look: decides for each sale, remembers what was seen, and does what is to be
//! done at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{
    control::Step,
    id::SaleId,
    lifecycle::{Announced, Phase},
};
use flashsale_ledger::SaleStock;
use flashsale_queue::{
    catalogue::{self, CatalogueError},
    connect::SharedConnection,
    keys::SaleKeys,
    orders, stock,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::{
    look::{Looks, Seen},
    next_look, opening,
};
use crate::{
    context::Context,
    events::Draft,
    roster::{Entry, Observation, WriteMode},
    scale,
    stores::Stores,
    workers::Workers,
};

/// Sales whose replicas are written at once: where hundreds open at one instant, the API server gets their
/// requests one after the other.
const SCALED_AT_ONCE: usize = 32;

/// Sales that the stores are told of at once.
const TOLD_AT_ONCE: usize = 128;

/// How long it is told at least how many orders wait for their payment.
const PENDING_LASTS: Duration = Duration::from_secs(10);

/// Looks after which that is unknown if none has told it anew: a sale at rest is looked at rarely.
const LOOKS_MISSED: u32 = 3;

/// Outcomes after which it is told how far they are restored.
const PROGRESS: u64 = 50_000;

/// What is to be done for one sale.
#[derive(Debug)]
struct Deed {
    /// The sale as it shall be.
    desired: Announced,
    /// The revision of the desired state that this was decided for.
    revision: u64,
    /// What the control rule asks for.
    step: Step,
    /// Orders that wait for their payment, in a sale with payment, if that was read; and how long it is told.
    pending: Option<(u64, Duration)>,
    /// The greatest order number that Redis remembers as told.
    last_order: Option<i64>,
    /// What may be written.
    mode: WriteMode,
    /// Its Deployment, if there is one.
    workers: Option<Workers>,
    /// What to tell of the opening.
    news: Vec<opening::News>,
    /// Whether the status is to be written.
    visit: bool,
}

/// When it is acted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// A clock that never jumps.
    pub(super) uptime: Duration,
    /// How often the numbers of a status are brought up to date while nothing else changes.
    pub(super) show_every: Duration,
}

/// Decides and acts for `sales`, which were just looked at.
pub(super) async fn act(
    context: &Context,
    stores: &Arc<Stores>,
    sales: &[Announced],
    mut looks: Looks,
    now: Now,
) {
    let seen = std::mem::take(&mut looks.sales);
    let deeds = sales.iter().zip(seen);
    let deeds = deeds.filter_map(|(sale, seen)| decide(context, &sale.sale.id, seen, &looks, now));
    let deeds: Vec<Deed> = deeds.collect();
    for deed in deeds.iter().filter(|deed| deed.visit) {
        context.ask_visit(&deed.desired.sale.id);
    }
    let events = Mutex::new(Vec::new());
    // A slow API server holds up no store, nor the other way round.
    let scaled = deeds
        .iter()
        .map(|deed| set_workers(context, deed, &events).boxed());
    let told = deeds
        .iter()
        .map(|deed| set_stores(context, stores, deed).boxed());
    tokio::join!(
        some_at_once(SCALED_AT_ONCE, scaled.collect()),
        some_at_once(TOLD_AT_ONCE, told.collect()),
    );
    // Events last: they have to wait for their turn at the API server, and no write may wait for them.
    let mut events = events.into_inner();
    for deed in &deeds {
        events.extend(opening::drafts(context, &deed.desired.sale.id, &deed.news));
    }
    context.events.publish_all(events).await;
}

fn some_at_once(limit: usize, writes: Vec<BoxFuture<'_, ()>>) -> BoxFuture<'_, ()> {
    let writes = stream::iter(writes);
    writes.for_each_concurrent(limit, |write| write).boxed()
}

fn decide(
    context: &Context,
    sale: &SaleId,
    seen: Seen,
    looks: &Looks,
    Now { uptime, show_every }: Now,
) -> Option<Deed> {
    let workers = context.workers(sale);
    let mut entries = context.roster.entries();
    // It may have been withdrawn while it was looked at.
    let entry = entries.get_mut(sale)?;
    entry.follow();
    let clock_ahead = looks.clock_ahead.unwrap_or(entry.observed().clock_ahead);
    let now = jiff::Timestamp::now();
    let now = now.checked_add(clock_ahead).unwrap_or(now);
    let asked = workers.unwrap_or_default().asked;
    let step = entry.memory.controller.step(&seen.look, now, uptime, asked);
    let last_order = seen.look.lanes.as_ref().and_then(|lanes| lanes.last_order);
    let pending = seen.look.pending;
    if step.decision.workers <= asked {
        entry.memory.satisfied = Instant::now();
    }
    let observed = observe(entry, seen, looks, &step, clock_ahead);
    let before = entry.observed();
    let is_new = observed.lanes != before.lanes
        || observed.stock != before.stock
        || observed.decision != before.decision;
    entry.memory.is_to_show |= is_new;
    // What was found after its end says nothing of a sale that was opened anew.
    entry.memory.ended_well &= observed.phase == Some(Phase::Closed);
    let news = opening::news(entry, &observed, workers.unwrap_or_default(), now);
    let sales = &context.metrics.sales;
    sales.show(sale, &observed, workers.unwrap_or_default());
    let told = entry.observe(observed);
    let memory = &mut entry.memory;
    // A watch that had to begin anew does not tell what was deleted meanwhile.
    let before = std::mem::replace(&mut memory.workers, workers);
    let is_lost = before.is_some() && workers.is_none();
    let visit = told || is_lost || (memory.is_to_show && memory.shown.elapsed() >= show_every);
    if visit {
        memory.shown = Instant::now();
        memory.is_to_show = false;
    }
    let desired = entry.desired().sale.clone();
    let next = next_look(&desired, entry.observed(), now);
    let pending = pending.filter(|_| desired.sale.payment.is_some());
    if entry.memory.due > Instant::now() {
        // Unless somebody asked for another look meanwhile. A look that took long, because a store
        // is away, does not put off the next one.
        entry.memory.due = looks.started + next;
    }
    Some(Deed {
        desired,
        revision: entry.desired().revision,
        step,
        pending: pending.map(|pending| (pending, PENDING_LASTS.max(next * LOOKS_MISSED))),
        last_order,
        mode: entry.desired().mode,
        workers,
        news,
        visit,
    })
}

fn observe(
    entry: &Entry,
    Seen {
        look,
        stock,
        unreadable,
    }: Seen,
    looks: &Looks,
    step: &Step,
    clock_ahead: jiff::SignedDuration,
) -> Observation {
    let before = entry.observed();
    let announced = look
        .announced
        .map(|announced| entry.memory.controller.is_record(announced.as_ref()));
    Observation {
        looked: true,
        announced,
        lanes: look.lanes.or_else(|| before.lanes.clone()),
        undeclared: match &stock {
            Some(_) => step.declare,
            None => before.undeclared,
        },
        // What a sale sold stays told when another one has its products.
        stock: stock
            .filter(|stock| !has_let_go(&entry.desired().sale, stock, step.phase))
            .or_else(|| before.stock.clone()),
        queue_error: looks.queue_error.clone().or(unreadable),
        ledger_error: looks.ledger_error.clone(),
        phase: Some(step.phase),
        decision: Some(step.decision),
        durability: before.durability.clone(),
        ledger_durability: before.ledger_durability.clone(),
        oversold: before.oversold,
        obstacle: before.obstacle.clone(),
        clock_ahead,
        revision: entry.desired().revision,
        durability_replicas: before.durability_replicas,
    }
}

/// Whether the sale is over and another one has taken some of its products.
fn has_let_go(announced: &Announced, stock: &SaleStock, phase: Phase) -> bool {
    phase == Phase::Closed && stock.levels.len() < announced.sale.products.len()
}

/// Sets the replicas of the workers, if they are still to be so many; what tells it goes to `events`.
async fn set_workers(context: &Context, deed: &Deed, events: &Mutex<Vec<Draft>>) {
    let wanted = deed.step.decision.workers;
    let sale = &deed.desired.sale.id;
    let asked = match deed.workers {
        Some(workers) if workers.asked != wanted => workers.asked,
        // Without a Deployment the reconciler makes it at its next visit, which the decision has asked for.
        _ => return,
    };
    // Asked once it is this deed's turn: a later look may have decided anew meanwhile.
    if !context.fence.is_open() || !context.roster.may_scale(sale, deed.revision, wanted) {
        return;
    }
    let event = scale::set(context, sale, asked, wanted).await;
    let mut events = events.lock();
    events.extend(event);
}

async fn set_stores(context: &Context, stores: &Arc<Stores>, deed: &Deed) {
    // Whoever leads by now may have put another sale in force.
    if deed.mode == WriteMode::ReadOnly || !context.fence.is_open() {
        return;
    }
    if !context
        .roster
        .may_tell(&deed.desired.sale.id, deed.revision)
    {
        return;
    }
    set_queue(context, stores, deed).await;
    restore(context, stores, deed);
}

/// Tells Redis what it does not hold as it shall.
async fn set_queue(context: &Context, stores: &Stores, deed: &Deed) {
    let sale = &deed.desired.sale.id;
    let mut queue = stores.queue.clone();
    if !deed.step.went_back.is_empty() {
        correct(stores, deed).await;
    }
    if !deed.step.publish.is_empty() {
        let (keys, levels) = (SaleKeys::new(sale), &deed.step.publish);
        // Before the sale is announced: a product without stock is unknown to the turnstile. An
        // announcement that comes too late takes the stock away again; without one nobody would.
        let told = if deed.step.announce.is_some() {
            stock::publish(&mut queue, &keys, levels).await
        } else {
            stock::update(&mut queue, &keys, levels).await
        };
        if let Err(error) = told {
            tracing::debug!(%sale, %error, "stock was not told: {error}");
        }
    }
    let keys = SaleKeys::new(sale);
    if let Err(error) = orders::remind(&mut queue, &keys, &deed.step.remind).await {
        tracing::debug!(%sale, %error, "no worker was asked to look at orders: {error}");
    }
    if let Some((pending, lasts)) = deed.pending
        && let Err(error) = orders::tell_pending(&mut queue, &keys, pending, lasts).await
    {
        tracing::debug!(%sale, %error, "unpaid orders were not told: {error}");
    }
    retire(stores, deed).await;
    let Some(record) = &deed.step.announce else {
        return;
    };
    match announce(context, &mut queue, record, deed.revision).await {
        Ok(true) => look_again(context, record),
        Ok(false) => {
            tracing::info!(%sale, "{sale} was withdrawn or changed, so this record is not announced");
        }
        Err(error) => tracing::debug!(%sale, %error, "the sale was not announced: {error}"),
    }
}

/// Announces a sale unless it was withdrawn since it was announced first: by this operator, which
/// takes a sale out of the roster before it withdraws it, or by the one that leads now. Nor is it
/// announced if it shall be another than at `revision` by now. False when it was not announced.
async fn announce(
    context: &Context,
    queue: &mut SharedConnection,
    record: &Announced,
    revision: u64,
) -> Result<bool, CatalogueError> {
    let sale = &record.sale.id;
    let known = context.roster.generation(sale);
    let read = match known {
        Some(generation) => generation,
        None => catalogue::generation(queue, sale).await?,
    };
    // Asked after it was read: a sale that is still here is withdrawn after that, if at all.
    let Some(generation) = context.roster.remember_generation(sale, read) else {
        return Ok(false);
    };
    // The stock that was published before may have taken a while.
    if !context.roster.may_tell(sale, revision) {
        return Ok(false);
    }
    catalogue::announce_unless_withdrawn(queue, &record.sale, record.closing, generation).await
}

/// Takes products that were taken out of the sale off the shelf, and lets those go whose lanes are
/// empty.
async fn retire(stores: &Stores, deed: &Deed) {
    let sale = &deed.desired.sale.id;
    let mut queue = stores.queue.clone();
    let keys = SaleKeys::new(sale);
    if let Err(error) = stock::forget(&mut queue, &keys, &deed.step.forget).await {
        tracing::debug!(%sale, %error, "stock was not forgotten: {error}");
    }
    if deed.step.release.is_empty() {
        return;
    }
    let products = &deed.step.release;
    match stores.ledger.release_products(sale, products).await {
        Ok(()) => tracing::info!(%sale, ?products, "{sale} has let products go: {products:?}"),
        Err(error) => tracing::warn!(%sale, %error, "products were not released yet: {error}"),
    }
}

/// Gives Redis the outcomes of the ledger back, beside the control loop: there may be many. One
/// sale is restored once at a time.
fn restore(context: &Context, stores: &Arc<Stores>, deed: &Deed) {
    let Some(server) = deed.step.restore.clone() else {
        return;
    };
    let sale = deed.desired.sale.id.clone();
    let mut entries = context.roster.entries();
    let Some(entry) = entries.get_mut(&sale) else {
        return;
    };
    let is_under_way = |task: &JoinHandle<()>| !task.is_finished();
    if entry.memory.restoring.as_ref().is_some_and(is_under_way) {
        return;
    }
    let stores = stores.clone();
    entry.memory.restoring = Some(tokio::spawn(async move {
        let (ledger, mut queue) = (&stores.ledger, stores.queue.clone());
        let progress = |read: u64| {
            if read.is_multiple_of(PROGRESS) {
                tracing::info!(%sale, read, "restoring the outcomes of {sale}: {read} read");
            }
        };
        match flashsale_recovery::restore_outcomes(ledger, &mut queue, &sale, &server, progress)
            .await
        {
            Ok(outcomes) => {
                tracing::info!(%sale, outcomes, "Redis has all {outcomes} outcomes of {sale}");
            }
            Err(error) => {
                tracing::warn!(%sale, %error, "the outcomes of {sale} are not restored yet: {error}");
            }
        }
    }));
}

/// Has Redis follow a ledger that went back. The mark that this leaves in the sale's record is what
/// people are told by, from the next look on.
async fn correct(stores: &Stores, deed: &Deed) {
    let sale = &deed.desired.sale.id;
    let mut queue = stores.queue.clone();
    let (ledger, back) = (&stores.ledger, &deed.step.went_back);
    match flashsale_recovery::correct(ledger, &mut queue, sale, back, deed.last_order).await {
        Ok(corrected) => tracing::error!(
            %sale,
            told_order = corrected.told_order,
            numbers_raised = corrected.numbers_raised,
            "the ledger of {sale} went back: Redis follows it again; see docs/runbook.md"
        ),
        Err(error) => {
            tracing::warn!(%sale, %error, "the ledger of {sale} went back and was not corrected yet: {error}");
        }
    }
}

/// Has a sale looked at again at once after it was announced: only a look tells that nothing was
/// queued before the record was there.
fn look_again(context: &Context, announced: &Announced) {
    let mut entries = context.roster.entries();
    let Some(entry) = entries.get_mut(&announced.sale.id) else {
        return;
    };
    let is_news = entry.memory.announced.as_ref() != Some(announced);
    if is_news {
        entry.memory.announced = Some(announced.clone());
        entry.memory.due = Instant::now();
    }
    drop(entries);
    if is_news {
        context.roster.wake.notify_one();
    }
}
