//! Slow rounds: how each Redis keeps its data, and whether the ledger's invariant holds. Apart from
//! the pulse, since neither may delay scaling.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_core::{
    connect::{RightsError, check_rights},
    id::SaleId,
    keys::SaleKeys,
    lifecycle::Phase,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::figures;
use crate::{
    context::Context,
    durability,
    roster::{Entry, Sight},
    stores::Stores,
};

/// How often it is looked for something to do.
const ROUND: Duration = Duration::from_secs(1);

/// How often a Redis is asked how it keeps its data.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How often a sale's invariant is checked. It counts the orders of a sale, so not every second.
const AUDIT_AGAIN: Duration = Duration::from_mins(1);

/// How long either may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Goes round until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = HashMap::new();
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = stop.cancelled() => return,
        }
        ask_redis(&context, &mut asked).await;
        audit_one(&context).await;
    }
}

/// When each Redis was asked last, by the place of its stores in memory.
type Asked = HashMap<usize, Instant>;

async fn ask_redis(context: &Context, asked: &mut Asked) {
    let mut due: HashMap<usize, (Arc<Stores>, Vec<SaleId>)> = HashMap::new();
    for (sale, entry) in context.roster.entries().iter() {
        let place = Arc::as_ptr(&entry.stores) as usize;
        let fresh = asked.get(&place).is_some_and(|at| at.elapsed() < ASK_AGAIN);
        if fresh && entry.sight.durability.is_some() {
            continue;
        }
        let (_, sales) = due
            .entry(place)
            .or_insert_with(|| (entry.stores.clone(), Vec::new()));
        sales.push(sale.clone());
    }
    for (place, (stores, sales)) in due {
        let mut queue = stores.queue.clone();
        let rights = timeout(PATIENCE, check_rights(&queue)).await;
        if let Ok(Err(error @ RightsError::Missing(_))) = rights {
            tracing::error!("{error}");
        }
        for sale in &sales {
            let keys = SaleKeys::new(sale);
            let read = timeout(PATIENCE, durability::read(&mut queue, &keys)).await;
            // While Redis is away, what was known of it is kept.
            let Ok(Ok(read)) = read else {
                break;
            };
            asked.insert(place, Instant::now());
            see(context, sale, |sight| sight.durability = Some(read));
        }
    }
    asked.retain(|_, at| at.elapsed() < 2 * ASK_AGAIN);
}

/// Checks the sale that is due for longest.
async fn audit_one(context: &Context) {
    let due = context
        .roster
        .entries()
        .iter()
        .filter(|(_, entry)| is_sold_from(entry))
        .filter(|(_, entry)| entry.audited.is_none_or(|at| at.elapsed() >= AUDIT_AGAIN))
        .min_by_key(|(_, entry)| entry.audited)
        .map(|(sale, entry)| (sale.clone(), entry.stores.clone()));
    let Some((sale, stores)) = due else {
        return;
    };
    let counted = timeout(PATIENCE, stores.ledger.oversold(&sale)).await;
    if let Some(entry) = context.roster.entries().get_mut(&sale) {
        entry.audited = Some(Instant::now());
    }
    if let Ok(Ok(units)) = counted {
        if units != 0 {
            tracing::error!(%sale, units, "the ledger of {sale} is off by {units} units; see docs/runbook.md");
        }
        see(context, &sale, |sight| sight.oversold = Some(units));
    }
}

fn is_sold_from(entry: &Entry) -> bool {
    !matches!(entry.sight.phase, None | Some(Phase::Scheduled))
}

/// Changes what was seen of `sale`, and asks for a visit if people should know.
fn see(context: &Context, sale: &SaleId, change: impl FnOnce(&mut Sight)) {
    let workers = context.workers(sale).unwrap_or_default();
    let news = context.roster.entries().get_mut(sale).is_some_and(|entry| {
        let mut sight = entry.sight.clone();
        change(&mut sight);
        if sight.looked {
            figures::show(&context.metrics, sale, &sight, workers);
        }
        entry.see(sight)
    });
    if news {
        context.ask_visit(sale);
    }
}
