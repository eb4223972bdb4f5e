//! One visit of one FlashSale: [`dereference`] (I/O) → [`Visit::plan`] (pure) → [`Visit::act`] (I/O) →
//! [`Visit::keep`] (I/O, where the plan does not put the object in force as it is written) →
//! [`Visit::tell`] (I/O).
//!
//! Every step may run twice, and a crash between any two leaves nothing wrong: what is in force is
//! what Redis and the ledger hold, and each visit starts from there.

pub mod addresses;
pub mod allowed;
pub mod apply;
pub mod budget;
pub mod build;
mod certificates;
pub mod deployable;
pub mod dereference;
pub mod error;
pub mod finalize;
pub mod parts;
pub mod pod_template;
pub mod refusal;
pub mod rollout;
pub mod statements;
pub mod status;
pub mod turns;
mod unreadable;
pub mod validate;
pub mod vanished;
pub mod view;
mod visit;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{Resource, ResourceExt, runtime::controller::Action};

pub use self::error::Error;
use self::{
    dereference::dereference,
    refusal::Refusal,
    view::{End, Verdict, View},
    visit::{Visit, set_finalizer, uid},
};
use crate::{
    context::{Context, Watched},
    crd::FlashSale,
    events::Reason,
    metrics::Outcome,
    ownership::Standing,
    roster::Observation,
};

/// How soon an object that somebody else wrote to at the same time is visited again.
const CONFLICT_RETRY: Duration = Duration::from_millis(100);

/// How soon it is asked again whether another operator still looks after an object.
const OTHERS_REVISIT: Duration = Duration::from_secs(10);

/// Visits one object.
///
/// # Errors
/// See [`Error`]; what awaits an edit is no error but a condition.
pub async fn reconcile(object: Arc<Watched>, context: Arc<Context>) -> Result<Action, Error> {
    context.see_deployments().await;
    let started = Instant::now();
    let visited = Box::pin(visit(&object, &context)).await;
    let outcome = match &visited {
        Ok((_, outcome)) => *outcome,
        Err(error) if error.is_conflict() => Outcome::Ok,
        Err(error) => {
            error.count(&context.metrics.reconciles);
            Outcome::Error
        }
    };
    if outcome != Outcome::Error {
        context.backoff.reset(&uid(&*object));
    }
    context.metrics.reconciles.ended(outcome, started.elapsed());
    visited.map(|(action, _)| action)
}

/// What a failed visit is followed by.
pub fn after_error(object: &Watched, error: &Error, context: &Context) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    if error.is_conflict() {
        tracing::debug!(namespace, name, %error, "{namespace}/{name} was written to meanwhile");
        return Action::requeue(CONFLICT_RETRY);
    }
    let delay = context.backoff.failed(&uid(object));
    tracing::warn!(namespace, name, %error,
        "visiting {namespace}/{name} failed, tried again in {delay:.1?}: {error}");
    Action::requeue(delay)
}

async fn visit(watched: &Watched, context: &Context) -> Result<(Action, Outcome), Error> {
    let Some((object, mistake)) = read(context, watched).await? else {
        return Ok((Action::await_change(), Outcome::Ok));
    };
    let standing = context.ownership.standing(&object).await;
    if let Some(next) = stand_aside(context, &object, standing, mistake.is_none()).await? {
        return Ok((next, Outcome::Ok));
    }
    if let Some(mistake) = &mistake {
        // An API server may refuse to write the status of such an object, so an event is told as well.
        let (events, about) = (&context.events, object.object_ref(&()));
        let (reason, message) = (mistake.reason, mistake.message.clone());
        events.publish(&about, reason, message).await;
    }
    let sale = match object.sale_id() {
        Ok(sale) => sale,
        // A name that no sale can have: told like any other mistake, without a sale to look at.
        Err(error) => return nameless(context, &object, &error.to_string()).await,
    };
    let visit = Visit {
        context,
        object: &object,
        is_readable: mistake.is_none(),
        reference: object.object_ref(&()),
        found: dereference(context, &object, &sale).await,
        sale,
    };
    let (verdict, failure) = match visit.act(visit.plan(mistake)).await {
        Ok(Some(verdict)) => (verdict, None),
        Ok(None) => return Ok((Action::await_change(), Outcome::Ok)),
        Err(error) => (Verdict::Failed(error.to_string()), Some(error)),
    };
    let kept = visit.keep(&verdict).await;
    let told = match visit.tell(&verdict).await {
        // The event has told it; a definition that does not fit refuses every write.
        Err(_) if !visit.is_readable => Ok(None),
        told => told,
    };
    if let Some(failure) = failure {
        return Err(failure);
    }
    kept?;
    Ok((
        told?.unwrap_or_else(|| visit.next_visit(&verdict)),
        outcome(&verdict),
    ))
}

/// The object with the latest status that is known; and what is wrong with it if it is none that this
/// release can read. None when there is nothing to look after.
async fn read<'a>(
    context: &Context,
    watched: &'a Watched,
) -> Result<Option<(Cow<'a, FlashSale>, Option<Refusal>)>, Error> {
    let invalid = match &watched.0 {
        Ok(object) => return Ok(Some((context.statuses.latest(object), None))),
        Err(invalid) => invalid,
    };
    let refusal = unreadable::refusal(&invalid.error);
    let fetched = unreadable::fetch(context, &invalid.metadata).await;
    let object = fetched.map_err(Error::Fetch)?;
    Ok(object.map(|object| (Cow::Owned(object), Some(refusal))))
}

/// Sees to it that one operator writes to `object`: claims it, or leaves it alone. Answers when to come
/// again if this visit ends with that.
async fn stand_aside(
    context: &Context,
    object: &FlashSale,
    standing: Standing,
    is_readable: bool,
) -> Result<Option<Action>, Error> {
    let own = context.ownership.installation();
    let status = object.status.as_ref();
    let is_claimed_here =
        own.is_some() && status.is_some_and(|status| status.operator.as_deref() == own);
    let next = match standing {
        Standing::Ours => return Ok(None),
        // The definition may not fit, and then no status can be written.
        Standing::Unclaimed if !is_readable => return Ok(None),
        Standing::Unclaimed => {
            let has_place = status::claim(context, object, own).await;
            // A definition of the release before has no place for it: then nothing can be kept apart.
            let has_place = has_place.map_err(Error::Claim)?;
            return Ok(has_place.then(|| Action::requeue(CONFLICT_RETRY)));
        }
        Standing::OtherClass => {
            if is_claimed_here {
                let released = status::claim(context, object, None).await;
                released.map_err(Error::Claim)?;
            }
            Action::await_change()
        }
        Standing::Claimed(other) => {
            let note = format!(
                "the operator with the lease {other} looks after this sale, so another one leaves it \
                 alone; have each of them watch other namespaces, or give one a class \
                 (--operator-class) and sales their spec.operatorClass"
            );
            let (events, about) = (&context.events, object.object_ref(&()));
            events.publish(&about, Reason::OperatorConflict, note).await;
            Action::requeue(OTHERS_REVISIT)
        }
    };
    if let Ok(sale) = object.sale_id() {
        context.roster.remove(&sale);
        context.metrics.sales.forget(&sale);
    }
    Ok(Some(next))
}

async fn nameless(
    context: &Context,
    object: &FlashSale,
    error: &str,
) -> Result<(Action, Outcome), Error> {
    if object.metadata.deletion_timestamp.is_some() {
        set_finalizer(context, object, false).await?;
        return Ok((Action::await_change(), Outcome::Ok));
    }
    let message = format!("metadata.name: {error}");
    let view = View {
        object,
        verdict: Verdict::Refused(Refusal::new(Reason::InvalidSpec, message)),
        autoscaler: None,
        autoscalers_unread: None,
        in_force: None,
        observed: Observation::default(),
        workers: None,
        tolerated: Vec::new(),
        now: Timestamp::now(),
    };
    status::update(context, &object.object_ref(&()), &view).await?;
    Ok((Action::await_change(), Outcome::Refused))
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::Refused(_) => Outcome::Refused,
        Verdict::Failed(_) | Verdict::Ending(End::Blocked(_)) => Outcome::Error,
        _ => Outcome::Ok,
    }
}
