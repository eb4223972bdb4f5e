//! The tidy end (law 7): a deleted FlashSale is closed, drained, and then freed of all it held.
//! Orders stay.

use std::{sync::Arc, time::Duration};

use flashsale_core::{
    catalogue::{self, Announced},
    connect::Queue,
    dead_letter,
    id::SaleId,
    keys::SaleKeys,
    lane,
    ledger::LedgerError,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;

use super::dereference::Dereferenced;
use crate::{
    context::Context,
    crd::FlashSale,
    events::Reason,
    pulse::scale::scale,
    roster::{Hands, Sight},
    stores::Stores,
};

/// Dead letters read at a time.
const LETTERS_PAGE: usize = 100;

/// Dead letters logged at most: a log is no place for a million of them.
const LETTERS_LOGGED: usize = 10_000;

/// Where the end of a sale stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Everything is freed: the object may go.
    Freed,
    /// Jobs are still to be settled, or workers to be stopped.
    Draining,
    /// The same, for longer than `drainTimeoutSeconds`.
    Overdue(String),
}

/// Why this step failed. Each is worth another try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis could not be freed.
    #[error("the sale's keys could not be freed in Redis: {0}")]
    Queue(#[from] redis::RedisError),
    /// The products could not be released.
    #[error("the sale's products could not be released: {0}")]
    Ledger(#[from] LedgerError),
}

/// Brings the end of `sale` one step further.
///
/// # Errors
/// See [`Error`].
pub async fn finalize(
    context: &Context,
    object: &FlashSale,
    reference: &ObjectReference,
    sale: &SaleId,
    found: &Dereferenced,
) -> Result<End, Error> {
    let Some(stores) = stores(context, sale, found) else {
        return Ok(without_stores(object, found));
    };
    let in_force = match &found.in_force {
        Ok(Some(in_force)) => in_force,
        // Never put in force, or freed already by a visit that did not live to say so.
        Ok(None) => return free(context, reference, sale, &stores).await,
        Err(_) if object.may_abandon_queue() => {
            return free(context, reference, sale, &stores).await;
        }
        // Not knowing is not the same as nothing being there.
        Err(_) => return Ok(End::Draining),
    };
    let mut desired = Announced {
        sale: in_force.sale.clone(),
        closing: true,
    };
    // The control loop sees to what was taken out of it.
    desired.sale.retired.clear();
    let sight = context
        .roster
        .get(sale)
        .filter(|(announced, _)| *announced == desired)
        .map(|(_, sight)| sight)
        .unwrap_or_default();
    let drained = is_drained(&sight);
    // Whoever deletes a sale means it, paused or not. Once it is drained, the pulse leaves the
    // workers to us: its stabilization window would keep them.
    let hands = Hands {
        off: false,
        off_replicas: drained,
    };
    context
        .roster
        .put(reference.clone(), desired, stores.clone(), hands);
    if drained && stop_workers(context, sale).await {
        return free(context, reference, sale, &stores).await;
    }
    if drained {
        return Ok(End::Draining);
    }
    let waiting = waiting(&sight);
    if object.may_abandon_queue() {
        let note =
            format!("{waiting} given up, as the annotation flashsale.dev/abandon-queue allows");
        context
            .events
            .publish(reference, Reason::QueueAbandoned, note)
            .await;
        return free(context, reference, sale, &stores).await;
    }
    Ok(if is_overdue(object, in_force.sale.drain_timeout) {
        End::Overdue(format!(
            "{waiting} not settled within drainTimeoutSeconds; see to the workers and the ledger, \
             or give these jobs up: kubectl annotate fs {} {}=true",
            object.name_any(),
            crate::crd::ABANDON_QUEUE,
        ))
    } else {
        End::Draining
    })
}

fn stores(context: &Context, sale: &SaleId, found: &Dereferenced) -> Option<Arc<Stores>> {
    // Those that the sale was opened with: its Secret may be gone before it is.
    let known = context.roster.stores(sale);
    known.or_else(|| {
        found
            .stores
            .as_ref()
            .ok()
            .map(|located| located.stores.clone())
    })
}

/// Without addresses there is nothing to look at. A sale that was never put in force holds nothing.
fn without_stores(object: &FlashSale, found: &Dereferenced) -> End {
    let never = object
        .status
        .as_ref()
        .is_none_or(|status| status.sold.is_none() && status.queue_depth.is_none());
    if never || object.may_abandon_queue() {
        return End::Freed;
    }
    let why = found
        .stores
        .as_ref()
        .err()
        .map(ToString::to_string)
        .unwrap_or_default();
    End::Overdue(format!(
        "what the sale holds cannot be freed: {why}; put the Secret back, or leave it all behind: \
         kubectl annotate fs {} {}=true",
        object.name_any(),
        crate::crd::ABANDON_QUEUE,
    ))
}

/// Redis was seen to hold the sale as closing, and then every lane to be empty.
fn is_drained(sight: &Sight) -> bool {
    sight.queue_error.is_none()
        && sight.announced == Some(true)
        && sight.phase == Some(flashsale_core::lifecycle::Phase::Closed)
}

/// Sees to it that no worker runs, which could put a key back after it was freed. True once none
/// does.
async fn stop_workers(context: &Context, sale: &SaleId) -> bool {
    let Some(workers) = context.workers(sale) else {
        return true;
    };
    if workers.asked > 0 {
        scale(context, sale, workers.asked, 0).await;
    }
    workers.asked == 0 && workers.existing == 0
}

/// Logs the dead letters that go with the sale, since nobody can list or replay them any more.
/// Deleting does not wait for them: unlike queued buys, theirs have an outcome. Answers how many
/// there are.
async fn log_letters(queue: &mut impl Queue, sale: &SaleId) -> redis::RedisResult<u64> {
    let keys = SaleKeys::new(sale);
    let count = dead_letter::count(queue, &keys).await?;
    let mut logged = 0;
    let mut after = lane::HEAD.to_owned();
    while logged < LETTERS_LOGGED {
        let letters = dead_letter::list(queue, &keys, &after, LETTERS_PAGE).await?;
        let Some(last) = letters.last() else { break };
        after.clone_from(&last.id);
        logged += letters.len();
        for letter in &letters {
            let job = String::from_utf8_lossy(&letter.job);
            tracing::warn!(%sale, letter = letter.id, product = letter.product, %job,
                attempts = letter.attempts, reason = letter.reason,
                "dead letter {} goes with sale {sale}: {}", letter.id, letter.reason);
        }
    }
    Ok(count)
}

fn waiting(sight: &Sight) -> String {
    match (&sight.lanes, &sight.queue_error) {
        (Some(lanes), None) => format!("{} jobs are", lanes.depth()),
        _ => "an unknown number of jobs is".to_owned(),
    }
}

fn is_overdue(object: &FlashSale, drain_timeout: Duration) -> bool {
    let Some(deleted) = object.metadata.deletion_timestamp.as_ref() else {
        return false;
    };
    let since = Timestamp::now().duration_since(deleted.0);
    Duration::try_from(since).is_ok_and(|since| since > drain_timeout)
}

async fn free(
    context: &Context,
    reference: &ObjectReference,
    sale: &SaleId,
    stores: &Stores,
) -> Result<End, Error> {
    // The pulse must not announce again what is being withdrawn.
    context.roster.remove(sale);
    context.metrics.forget(sale);
    let mut queue = stores.queue.clone();
    let dropped = log_letters(&mut queue, sale).await?;
    if dropped > 0 {
        let note = format!(
            "{dropped} dead letters go with the sale; their shoppers were told that the buy failed, \
             and the letters are in the operator's log"
        );
        context
            .events
            .publish(reference, Reason::DeadLettersDropped, note)
            .await;
    }
    catalogue::withdraw(&mut queue, sale).await?;
    stores.ledger.release(sale).await?;
    Ok(End::Freed)
}
