//! The tidy end (law 7): a deleted FlashSale is closed, drained, and then freed of all it held.
//! Orders stay.
//!
//! Until the lanes are empty its workers are looked after as before. What stands in the way is told;
//! what cannot be freed is left behind only if nothing was ever in force, or if an annotation
//! allows it.

use std::{fmt::Display, time::Duration};

use flashsale_domain::{
    id::SaleId,
    lifecycle::{Announced, Phase},
    sale::{PaymentWindow, Sale},
};
use flashsale_queue::{catalogue, connect::Queue, dead_letter, keys::SaleKeys, lane};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use tokio::time::timeout;

use super::{
    apply,
    deployable::Deployable,
    error::Error,
    view::{End, waiting},
    visit::Visit,
};
use crate::{
    context::Context,
    crd::ABANDON_QUEUE,
    events::{Reason, counted},
    roster::{Observation, WriteMode},
    scale,
    stores::{Located, Stores},
    workers::Workers,
};

/// Dead letters read at a time.
const LETTERS_PAGE: usize = 100;

/// Dead letters logged at most: a log is no place for a million of them.
const LETTERS_LOGGED: usize = 10_000;

/// How long either store may take to free what it holds.
const FREE_PATIENCE: Duration = Duration::from_secs(20);

/// How long workers that were asked to stop may take after that before somebody has to look at them.
const WORKERS_END_WITHIN: Duration = Duration::from_mins(1);

impl Visit<'_> {
    /// Brings the end of the sale one step further.
    pub(super) async fn finalize(&self) -> End {
        let Some(located) = self.located() else {
            return self.without_stores().await;
        };
        let in_force = match &self.found.in_force {
            Ok(Some(in_force)) => in_force,
            // Never put in force, or freed already by a visit that did not live to say so.
            Ok(None) => return self.free(&located.stores, self.may_leave()).await,
            Err(_) if self.may_leave() => {
                self.tell_abandoned(&Observation::default()).await;
                return self.free(&located.stores, true).await;
            }
            // Not knowing is not the same as nothing being there.
            Err(why) => return self.blocked(format!("what the sale holds cannot be seen: {why}")),
        };
        let roster = &self.context.roster;
        let known = roster.get(&self.sale);
        let may_leave = self.may_leave();
        let mut desired = Announced {
            sale: in_force.sale.clone(),
            closing: true,
        };
        // The control loop sees to what was taken out of it.
        desired.sale.retired.clear();
        let queue_error = known
            .as_ref()
            .and_then(|(_, observed)| observed.queue_error.clone());
        let observed = known
            .filter(|(announced, _)| *announced == desired)
            .map(|(_, observed)| observed)
            .unwrap_or_default();
        let put = |mode| {
            let reference = self.reference.clone();
            roster.put(reference, desired.clone(), located.clone(), mode);
        };
        if is_drained(&observed) {
            // The pulse leaves the workers to us: its stabilization window would keep them.
            put(WriteMode::NoReplicas);
            return self.stop_and_free(&desired.sale, &located, may_leave).await;
        }
        // Whoever deletes a sale means it, paused or not.
        put(WriteMode::Full);
        if may_leave {
            self.tell_abandoned(&observed).await;
            return self.free(&located.stores, true).await;
        }
        if let Err(error) = self.keep_draining(&desired.sale, &located).await {
            return self.blocked(format!("the sale cannot be drained: {error}"));
        }
        if let Some(error) = queue_error {
            return self.blocked(format!("the sale cannot be drained: {error}"));
        }
        self.draining(&desired.sale, &observed)
    }

    /// A sale that is closed, and that jobs or unpaid orders keep from being freed.
    fn draining(&self, sale: &Sale, observed: &Observation) -> End {
        let is_settling = observed.phase == Some(Phase::Settling);
        let window = sale.payment.as_ref().filter(|_| is_settling);
        let limit = sale.drain_timeout + window.map_or(Duration::ZERO, PaymentWindow::longest);
        if !is_overdue(self, limit) {
            return End::Draining;
        }
        let left = if is_settling {
            "orders still wait for their payment after their window; see to the workers and the ledger, \
             or give these orders up"
                .to_owned()
        } else {
            format!(
                "{} not settled within drainTimeoutSeconds; see to the workers and the ledger, or give \
                 these jobs up",
                waiting(observed)
            )
        };
        End::Overdue(format!("{left}: {}", self.way_out()))
    }

    /// Takes the workers of the drained `sale` away, and then frees what it holds.
    async fn stop_and_free(&self, sale: &Sale, located: &Located, may_leave: bool) -> End {
        let have_stopped = match stop_workers(self.context, &self.sale).await {
            Ok(have_stopped) => have_stopped,
            // Not knowing is not the same as nobody being there.
            Err(why) => return self.blocked(format!("whether workers run cannot be seen: {why}")),
        };
        if have_stopped {
            self.free(&located.stores, may_leave).await
        } else if is_overdue(self, sale.drain_timeout + WORKERS_END_WITHIN) {
            End::Overdue(
                "every job has its outcome, but the workers have not ended yet; check their pods and \
                 nodes"
                    .to_owned(),
            )
        } else {
            End::Draining
        }
    }

    /// Looks after the workers until the lanes are empty.
    async fn keep_draining(&self, sale: &Sale, located: &Located) -> Result<(), Error> {
        match self.maintain(sale, &self.last_pods(), located).await {
            Err(error) if error.is_race() => Ok(()),
            outcome => outcome,
        }
    }

    /// What may still be corrected while the sale is drained: the pods as they are written, if they
    /// can be.
    fn last_pods(&self) -> Deployable {
        let written = self.usable();
        match &self.found.accepted {
            Some(accepted) => Deployable {
                worker: written.worker,
                ..accepted.clone()
            },
            None => written,
        }
    }

    /// Whether what cannot be freed may be left behind.
    fn may_leave(&self) -> bool {
        self.object.may_abandon_queue() || self.was_never_in_force()
    }

    /// Whether Redis was never seen to answer for the sale: nothing is announced before that.
    fn was_never_in_force(&self) -> bool {
        let known = self.context.roster.get(&self.sale);
        let is_of_redis = known.is_none() && self.found.known().is_some();
        let is_seen = known.is_some_and(|(_, observed)| observed.lanes.is_some());
        let status = self.object.status.as_ref();
        let is_told =
            status.is_some_and(|status| status.queue_depth.is_some() || status.opened_at.is_some());
        !is_of_redis && !is_seen && !is_told
    }

    async fn without_stores(&self) -> End {
        let why = self.found.in_use().err().map(ToString::to_string);
        let why = why.unwrap_or_default();
        if !self.may_leave() {
            return self.blocked(format!("what the sale holds cannot be freed: {why}"));
        }
        self.tell_abandoned(&Observation::default()).await;
        if self.found.accepted.is_some() || self.object.may_abandon_queue() {
            self.tell_left(&format!(
                "its keys in Redis and its products in PostgreSQL ({why})"
            ))
            .await;
        }
        End::Freed
    }

    fn blocked(&self, why: impl Display) -> End {
        End::Blocked(format!(
            "{why}; mend that, or leave everything behind: {}",
            self.way_out()
        ))
    }

    fn way_out(&self) -> String {
        let namespace = self.object.namespace().unwrap_or_default();
        let name = self.object.name_any();
        format!("kubectl -n {namespace} annotate fs {name} {ABANDON_QUEUE}=true")
    }

    /// Says how many jobs are given up, if there may be any.
    async fn tell_abandoned(&self, observed: &Observation) {
        if self.was_never_in_force() {
            return;
        }
        let note = format!(
            "{} given up, as the annotation {ABANDON_QUEUE} allows",
            waiting(observed)
        );
        self.publish(Reason::QueueAbandoned, note).await;
    }

    async fn tell_left(&self, left: &str) {
        tell_left(self.context, &self.reference, &self.sale, left).await;
    }

    /// Frees all that the sale holds. What cannot be freed is tried again, unless it `may_be_left`.
    async fn free(&self, stores: &Stores, may_be_left: bool) -> End {
        match free(self.context, &self.reference, &self.sale, stores).await {
            None => End::Freed,
            Some(left) if may_be_left => {
                self.tell_left(&left).await;
                End::Freed
            }
            Some(left) => self.blocked(format!("the sale still holds {left}")),
        }
    }
}

/// Frees all that `sale` holds, and answers what is left of it, if anything is.
pub async fn free(
    context: &Context,
    reference: &ObjectReference,
    sale: &SaleId,
    stores: &Stores,
) -> Option<String> {
    if !context.fence.is_open() {
        return Some("everything: this operator does not lead any more".to_owned());
    }
    // The pulse must not announce again what is being withdrawn.
    context.roster.remove(sale);
    context.metrics.sales.forget(sale);
    let mut left = Vec::new();
    if let Err(error) = within(free_queue(context, reference, sale, stores)).await {
        left.push(format!("its keys in Redis ({error})"));
    }
    if let Err(error) = within(stores.ledger.release(sale)).await {
        left.push(format!("its products in PostgreSQL ({error})"));
    }
    (!left.is_empty()).then(|| left.join(" and "))
}

async fn free_queue(
    context: &Context,
    reference: &ObjectReference,
    sale: &SaleId,
    stores: &Stores,
) -> redis::RedisResult<()> {
    let mut queue = stores.queue.clone();
    let dropped = log_letters(&mut queue, sale).await?;
    if dropped > 0 {
        let note = format!(
            "{} with the sale; each is a line of the operator's log, and its shopper was told that the \
             buy failed",
            counted(
                i64::try_from(dropped).ok(),
                "dead letter goes",
                "dead letters go"
            )
        );
        context
            .events
            .publish(reference, Reason::DeadLettersDropped, note)
            .await;
    }
    catalogue::withdraw(&mut queue, sale).await
}

/// Says what stays behind.
pub async fn tell_left(context: &Context, reference: &ObjectReference, sale: &SaleId, left: &str) {
    let note = format!(
        "left behind: {left}; once the stores answer, `flashsale withdraw {sale}` frees them"
    );
    context
        .events
        .publish(reference, Reason::LeftBehind, note)
        .await;
}

/// The outcome of `freeing` in words, bounded.
async fn within<T, E: Display>(freeing: impl Future<Output = Result<T, E>>) -> Result<(), String> {
    match timeout(FREE_PATIENCE, freeing).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {FREE_PATIENCE:?}")),
    }
}

/// Redis was seen to hold the sale as closing, and then every lane to be empty.
pub fn is_drained(observed: &Observation) -> bool {
    observed.queue_error.is_none()
        && observed.announced == Some(true)
        && observed.phase == Some(Phase::Closed)
}

/// Sees to it that no worker runs, which could put a key back after it was freed. True once none
/// does.
async fn stop_workers(context: &Context, sale: &SaleId) -> Result<bool, kube::Error> {
    let workers = if let Some(seen) = context.workers(sale) {
        seen
    } else {
        // Somebody may have taken off the label that the watch selects by.
        let unseen = apply::read_unseen(context, sale).await?;
        unseen.as_ref().map(Workers::of).unwrap_or_default()
    };
    if workers.asked > 0 {
        scale::stop(context, sale, workers.asked).await;
    }
    Ok(workers.asked == 0 && workers.existing == 0)
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

fn is_overdue(visit: &Visit<'_>, drain_timeout: Duration) -> bool {
    let Some(deleted) = visit.object.metadata.deletion_timestamp.as_ref() else {
        return false;
    };
    let since = Timestamp::now().duration_since(deleted.0);
    Duration::try_from(since).is_ok_and(|since| since > drain_timeout)
}
