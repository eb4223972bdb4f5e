//! Slow rounds: how the stores keep their data, whether the ledger's invariant holds, and whether the
//! objects of the sales are still there. Apart from the pulse, since none may delay scaling.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::{durability, id::SaleId, lifecycle::Phase};
use flashsale_queue::{
    connect::{RightsError, check_rights},
    keys::SaleKeys,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    reconcile::vanished,
    roster::{Entry, Observation},
    stores::Stores,
};

/// How often it is looked for something to do.
const ROUND: Duration = Duration::from_secs(1);

/// How often the stores are asked how they keep their data.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// How often a sale's invariant is checked. It counts the orders of a sale, so not every second.
const AUDIT_AGAIN: Duration = Duration::from_mins(1);

/// The same, once it was found right after the sale's end: only by hand is anything changed then.
const AUDIT_ENDED: Duration = Duration::from_hours(1);

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
        ask_stores(&context, &mut asked).await;
        audit_one(&context).await;
        vanished::sweep(&context).await;
    }
}

/// When the stores of each place in memory were asked last.
type Asked = HashMap<usize, Instant>;

/// Sales and the replicas that they ask for.
type Wanted = Vec<(SaleId, u8)>;

async fn ask_stores(context: &Context, asked: &mut Asked) {
    let mut due: HashMap<usize, (Arc<Stores>, Wanted)> = HashMap::new();
    for (sale, entry) in context.roster.entries().iter() {
        let place = Arc::as_ptr(entry.stores()) as usize;
        let fresh = was_asked_lately(asked, place);
        let observed = entry.observed();
        if fresh && observed.is_judged_for(entry.desired()) && observed.ledger_durability.is_some()
        {
            continue;
        }
        let replicas = entry.desired().sale.sale.durability.redis_replicas;
        let (_, sales) = due
            .entry(place)
            .or_insert_with(|| (entry.stores().clone(), Vec::new()));
        sales.push((sale.clone(), replicas));
    }
    for (place, (stores, sales)) in due {
        if !was_asked_lately(asked, place) {
            check_redis_rights(&stores).await;
        }
        asked.insert(place, Instant::now());
        ask_redis(context, &stores, &sales).await;
        ask_ledger(context, &stores, &sales).await;
    }
    asked.retain(|_, at| at.elapsed() < 2 * ASK_AGAIN);
}

fn was_asked_lately(asked: &Asked, place: usize) -> bool {
    asked.get(&place).is_some_and(|at| at.elapsed() < ASK_AGAIN)
}

/// Logs which rights the Redis user lacks.
async fn check_redis_rights(stores: &Stores) {
    let checked = timeout(PATIENCE, check_rights(&stores.queue)).await;
    if let Ok(Err(error @ RightsError::Missing(_))) = checked {
        tracing::error!("{error}");
    }
}

/// While Redis is away, what was known of it is kept.
async fn ask_redis(context: &Context, stores: &Stores, sales: &[(SaleId, u8)]) {
    let mut queue = stores.queue.clone();
    for (sale, replicas) in sales {
        let keys = SaleKeys::new(sale);
        let read = timeout(
            PATIENCE,
            flashsale_queue::durability::read_redis(&mut queue, &keys),
        )
        .await;
        let Ok(Ok(settings)) = read else {
            return;
        };
        let finding = durability::judge_redis(&settings, *replicas);
        see(context, sale, |observed| {
            observed.durability = Some(finding);
            observed.durability_replicas = *replicas;
        });
    }
}

/// While PostgreSQL is away, what was known of it is kept.
async fn ask_ledger(context: &Context, stores: &Stores, sales: &[(SaleId, u8)]) {
    let Ok(settings) = stores.ledger.settings().await else {
        return;
    };
    let finding = durability::judge_ledger(&settings);
    for (sale, _) in sales {
        let finding = finding.clone();
        see(context, sale, |observed| {
            observed.ledger_durability = Some(finding);
        });
    }
}

/// Checks the sale that is due for longest.
async fn audit_one(context: &Context) {
    let due = context
        .roster
        .entries()
        .iter()
        .filter(|(_, entry)| is_to_audit(entry))
        .min_by_key(|(_, entry)| entry.memory.audited)
        .map(|(sale, entry)| (sale.clone(), entry.stores().clone(), is_over(entry)));
    let Some((sale, stores, is_over)) = due else {
        return;
    };
    let counted = timeout(PATIENCE, stores.ledger.oversold(&sale)).await;
    if let Some(entry) = context.roster.entries().get_mut(&sale) {
        entry.memory.audited = Some(Instant::now());
        entry.memory.ended_well = is_over && matches!(counted, Ok(Ok(0)));
    }
    match counted {
        Ok(Ok(units)) => {
            if units != 0 {
                tracing::error!(%sale, units, "the ledger of {sale} is off by {units} units; see docs/runbook.md");
            }
            see(context, &sale, |observed| observed.oversold = Some(units));
        }
        // A ledger that could not be counted is not known to be right. One that was wrong still is.
        Ok(Err(_)) | Err(_) => see(context, &sale, |observed| {
            observed.oversold = observed.oversold.filter(|units| *units != 0);
        }),
    }
}

/// Whether its orders are to be counted: it has begun, and was not counted lately.
fn is_to_audit(entry: &Entry) -> bool {
    let phase = entry.observed().phase;
    let again = audit_again(phase, entry.memory.ended_well);
    let audited = entry.memory.audited;
    again.is_some_and(|again| audited.is_none_or(|at| at.elapsed() >= again))
}

/// How often the orders of a sale in `phase` are counted, if at all; `ended_well`: they were found right
/// after its end.
fn audit_again(phase: Option<Phase>, ended_well: bool) -> Option<Duration> {
    match phase {
        None | Some(Phase::Scheduled) => None,
        Some(Phase::Closed) if ended_well => Some(AUDIT_ENDED),
        Some(_) => Some(AUDIT_AGAIN),
    }
}

fn is_over(entry: &Entry) -> bool {
    entry.observed().phase == Some(Phase::Closed)
}

/// Changes what was seen of `sale`, and asks for a visit if people should know.
pub(super) fn see(context: &Context, sale: &SaleId, change: impl FnOnce(&mut Observation)) {
    let workers = context.workers(sale).unwrap_or_default();
    let news = context.roster.entries().get_mut(sale).is_some_and(|entry| {
        let mut observed = entry.observed().clone();
        change(&mut observed);
        if observed.looked {
            context.metrics.sales.show(sale, &observed, workers);
        }
        entry.observe(observed)
    });
    if news {
        context.ask_visit(sale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_that_ended_well_is_still_counted_now_and_then() {
        let closed = Some(Phase::Closed);
        assert_eq!(audit_again(closed, false), Some(AUDIT_AGAIN));
        assert_eq!(audit_again(closed, true), Some(AUDIT_ENDED));
        // It was opened anew.
        assert_eq!(audit_again(Some(Phase::Open), true), Some(AUDIT_AGAIN));
        assert_eq!(audit_again(Some(Phase::Scheduled), false), None);
        assert_eq!(audit_again(None, false), None);
    }
}
