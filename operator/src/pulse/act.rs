//! What follows from a look: decides for each sale, remembers what was seen, and does what is to be
//! done at once.

use std::time::{Duration, Instant};

use flashsale_core::{
    catalogue::{self, Announced},
    control::{Look, Step},
    id::SaleId,
    keys::SaleKeys,
    ledger::SaleStock,
    stock,
};
use futures_util::future::join_all;

use super::{figures, look::Looks, next_look, opening, scale::scale};
use crate::{
    context::{Context, Workers},
    roster::{Entry, Hands, Sight},
    stores::Stores,
};

/// How often the numbers of a status are brought up to date while nothing else changes.
const SHOW_NUMBERS: Duration = Duration::from_secs(3);

/// What is to be done for one sale.
#[derive(Debug)]
struct Deed {
    /// The sale as it shall be.
    desired: Announced,
    /// What the control rule asks for.
    step: Step,
    /// How much may be written.
    hands: Hands,
    /// Its Deployment, if there is one.
    workers: Option<Workers>,
    /// What to tell of the opening.
    news: Vec<opening::News>,
    /// Whether the status is to be written.
    visit: bool,
}

/// Decides and acts for `sales`, which were just looked at. `uptime` is a clock that never jumps.
pub(super) async fn act(
    context: &Context,
    stores: &Stores,
    sales: &[Announced],
    mut looks: Looks,
    uptime: Duration,
) {
    let parts = std::mem::take(&mut looks.sales);
    let mut stocks = std::mem::take(&mut looks.stocks).into_iter();
    let deeds = sales.iter().zip(parts).filter_map(|(announced, look)| {
        let stock = stocks.next();
        decide(
            context,
            &announced.sale.id,
            Part { look, stock },
            &looks,
            uptime,
        )
    });
    let deeds: Vec<Deed> = deeds.collect();
    join_all(deeds.iter().map(|deed| carry_out(context, stores, deed))).await;
}

/// What was read of one sale.
struct Part {
    look: Look,
    stock: Option<SaleStock>,
}

fn decide(
    context: &Context,
    sale: &SaleId,
    part: Part,
    looks: &Looks,
    uptime: Duration,
) -> Option<Deed> {
    let workers = context.workers(sale);
    let mut entries = context.roster.entries();
    // It may have been withdrawn while it was looked at.
    let entry = entries.get_mut(sale)?;
    let clock_ahead = looks.clock_ahead.unwrap_or(entry.sight.clock_ahead);
    let now = jiff::Timestamp::now();
    let now = now.checked_add(clock_ahead).unwrap_or(now);
    let asked = workers.unwrap_or_default().asked;
    let step = entry.mind.step(&part.look, now, uptime, asked);
    if step.decision.workers <= asked {
        entry.calm = Instant::now();
    }
    let sight = sight(entry, part, looks, &step, clock_ahead);
    let numbers = sight.lanes != entry.sight.lanes || sight.stock != entry.sight.stock;
    let news = opening::news(entry, &sight, workers.unwrap_or_default());
    figures::show(&context.metrics, sale, &sight, workers.unwrap_or_default());
    let told = entry.see(sight);
    let visit = told || (numbers && entry.shown.elapsed() >= SHOW_NUMBERS);
    if visit {
        entry.shown = Instant::now();
    }
    let desired = entry.mind.desired().clone();
    if entry.due > Instant::now() {
        // Unless somebody asked for another look meanwhile. A look that took long, because a store
        // is away, does not put off the next one.
        entry.due = looks.started + next_look(&desired, &entry.sight);
    }
    Some(Deed {
        desired,
        step,
        hands: entry.hands,
        workers,
        news,
        visit,
    })
}

fn sight(
    entry: &Entry,
    Part { look, stock }: Part,
    looks: &Looks,
    step: &Step,
    clock_ahead: jiff::SignedDuration,
) -> Sight {
    let before = &entry.sight;
    let announced = look
        .announced
        .map(|announced| announced.as_ref() == Some(entry.mind.desired()));
    Sight {
        looked: true,
        settling: before.settling.filter(|_| announced == Some(false)),
        announced,
        lanes: look.lanes.or_else(|| before.lanes.clone()),
        stock: stock.or_else(|| before.stock.clone()),
        queue_error: looks.queue_error.clone(),
        ledger_error: looks.ledger_error.clone(),
        phase: Some(step.phase),
        decision: Some(step.decision),
        durability: before.durability.clone(),
        oversold: before.oversold,
        clock_ahead,
    }
}

async fn carry_out(context: &Context, stores: &Stores, deed: &Deed) {
    let sale = &deed.desired.sale.id;
    if !deed.hands.off {
        tokio::join!(set_workers(context, deed), set_queue(context, stores, deed));
    }
    opening::tell(context, sale, &deed.news).await;
    if deed.visit {
        context.ask_visit(sale);
    }
}

async fn set_workers(context: &Context, deed: &Deed) {
    let wanted = deed.step.decision.workers;
    let sale = &deed.desired.sale.id;
    match deed.workers {
        // The reconciler makes the Deployment at its next visit, which the decision has asked for.
        None => {}
        Some(workers) if workers.asked == wanted || deed.hands.off_replicas => {}
        Some(workers) => scale(context, sale, workers.asked, wanted).await,
    }
}

/// Tells Redis what it does not hold as it shall.
async fn set_queue(context: &Context, stores: &Stores, deed: &Deed) {
    let sale = &deed.desired.sale.id;
    let mut queue = stores.queue.clone();
    if !deed.step.publish.is_empty() {
        // Before the sale is announced: a product without stock is unknown to the turnstile.
        let keys = SaleKeys::new(sale);
        if let Err(error) = stock::publish(&mut queue, &keys, &deed.step.publish).await {
            tracing::debug!(%sale, %error, "stock was not told: {error}");
        }
    }
    if !deed.step.announce {
        return;
    }
    match catalogue::announce(&mut queue, &deed.desired.sale, deed.desired.closing).await {
        Ok(()) => look_again(context, &deed.desired),
        Err(error) => tracing::debug!(%sale, %error, "the sale was not announced: {error}"),
    }
}

/// Has a sale looked at again at once after it was announced: only a look tells that nothing was
/// queued before the record was there.
fn look_again(context: &Context, announced: &Announced) {
    let mut entries = context.roster.entries();
    let Some(entry) = entries.get_mut(&announced.sale.id) else {
        return;
    };
    let is_news = entry.announced.as_ref() != Some(announced);
    if is_news {
        entry.announced = Some(announced.clone());
        entry.due = Instant::now();
    }
    drop(entries);
    if is_news {
        context.roster.wake.notify_one();
    }
}
