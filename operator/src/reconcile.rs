//! One visit of one FlashSale, in five steps: [`dereference`] (I/O) → [`validate`] (pure) →
//! [`build`] (pure) → [`apply`] (I/O) → [`status`] (I/O); or, when it is being deleted,
//! [`finalize`] in the place of the middle three.
//!
//! Every step may run twice, and a crash between any two leaves nothing wrong: what is in force is
//! what Redis and the ledger hold, and each visit starts from there.

pub mod apply;
pub mod build;
pub mod dereference;
pub mod finalize;
pub mod statements;
pub mod status;
pub mod turns;
pub mod validate;
pub mod view;
pub mod written;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_core::{id::SaleId, lifecycle};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::controller::Action,
};
use serde_json::json;

use self::{
    dereference::{Dereferenced, dereference},
    finalize::End,
    validate::{Refusal, Valid},
    view::{Verdict, View},
};
use crate::{
    context::{Context, FIELD_MANAGER, Watched},
    crd::{FINALIZER, FlashSale, status::FlashSaleStatus},
    events::Reason,
    metrics::{Outcome, Step},
    roster::{Hands, SETTLE, Sight},
};

/// How soon a sale in force is visited again when nothing happens: changed Secrets and autoscalers
/// are noticed by then.
const REVISIT: Duration = Duration::from_secs(30);

/// How soon something that may mend itself is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// How soon a refusal whose cause is outside the object is looked at again.
const REFUSED_REVISIT: Duration = Duration::from_secs(10);

/// Why a visit failed. Each is worth another try, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Step 1.
    #[error(transparent)]
    Dereference(#[from] dereference::Error),
    /// Step 3.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// Step 4.
    #[error(transparent)]
    Apply(apply::Error),
    /// Step 5.
    #[error(transparent)]
    Status(#[from] status::Error),
    /// The end.
    #[error(transparent)]
    Finalize(#[from] finalize::Error),
    /// The finalizer could not be set or taken off.
    #[error("the finalizer could not be written: {0}")]
    Finalizer(kube::Error),
}

impl Error {
    fn step(&self) -> Step {
        match self {
            Self::Dereference(_) => Step::Dereference,
            Self::Build(_) => Step::Build,
            Self::Apply(_) => Step::Apply,
            Self::Status(_) => Step::Status,
            Self::Finalize(_) | Self::Finalizer(_) => Step::Finalize,
        }
    }
}

/// Visits one object.
///
/// # Errors
/// See [`Error`]; what awaits an edit is no error but a condition.
pub async fn reconcile(object: Arc<Watched>, context: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    let visited = visit(&object, &context).await;
    let outcome = match &visited {
        Ok((_, outcome)) => *outcome,
        Err(error) => {
            context.metrics.failed(error.step());
            Outcome::Error
        }
    };
    context.metrics.reconciled(outcome, started.elapsed());
    visited.map(|(action, _)| action)
}

/// What a failed visit is followed by.
#[must_use]
pub fn after_error(object: &Watched, error: &Error) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    tracing::warn!(namespace, name, %error, "visiting {namespace}/{name} failed: {error}");
    Action::requeue(RETRY)
}

async fn visit(object: &Watched, context: &Context) -> Result<(Action, Outcome), Error> {
    let object = match &object.0 {
        Ok(object) => object,
        Err(invalid) => {
            unreadable(context, invalid).await;
            return Ok((Action::await_change(), Outcome::Refused));
        }
    };
    let reference = object.object_ref(&());
    // A name that no sale can have: told like any other mistake, without a sale to look at.
    let sale = object.sale_id().ok();
    let found = dereference(context, object, sale.as_ref()).await?;
    let Some(sale) = sale else {
        return nameless(context, object, &reference).await;
    };
    let visit = Visit {
        context,
        object,
        reference,
        sale,
        found,
    };
    if object.metadata.deletion_timestamp.is_some() {
        return visit.end().await;
    }
    visit.go_on().await
}

/// An object that does not even parse: its status cannot be written either, so an event has to do.
async fn unreadable(context: &Context, invalid: &kube::core::error_boundary::InvalidObject) {
    let reference = ObjectReference {
        api_version: Some(FlashSale::api_version(&()).into_owned()),
        kind: Some(FlashSale::kind(&()).into_owned()),
        name: invalid.metadata.name.clone(),
        namespace: invalid.metadata.namespace.clone(),
        uid: invalid.metadata.uid.clone(),
        ..ObjectReference::default()
    };
    let note = format!(
        "the object cannot be read, so nothing is done for it: {}; edit or delete it, \
         `flashsale validate` tells what is wrong and where",
        invalid.error
    );
    context
        .events
        .publish(&reference, Reason::InvalidSpec, note)
        .await;
}

async fn nameless(
    context: &Context,
    object: &FlashSale,
    reference: &ObjectReference,
) -> Result<(Action, Outcome), Error> {
    if object.metadata.deletion_timestamp.is_some() {
        set_finalizer(context, object, false).await?;
        return Ok((Action::await_change(), Outcome::Ok));
    }
    let error = object.sale_id().err().map(|error| error.to_string());
    let view = View {
        object,
        verdict: Verdict::Refused(Refusal {
            reason: Reason::InvalidSpec,
            message: format!("metadata.name: {}", error.unwrap_or_default()),
        }),
        autoscaler: None,
        in_force: None,
        sight: Sight::default(),
        workers: None,
        now: Timestamp::now(),
    };
    status::update(context, reference, &view).await?;
    Ok((Action::await_change(), Outcome::Refused))
}

/// One visit of an object whose sale has a name.
struct Visit<'a> {
    context: &'a Context,
    object: &'a FlashSale,
    reference: ObjectReference,
    sale: SaleId,
    found: Dereferenced,
}

impl Visit<'_> {
    /// The object stays.
    async fn go_on(self) -> Result<(Action, Outcome), Error> {
        if self.object.is_paused() {
            return self.pause().await;
        }
        // Before anything is put in force that would have to be freed again.
        set_finalizer(self.context, self.object, true).await?;
        self.take_over();
        let now = self.now();
        let verdict = match validate::validate(self.object, &self.sale, &self.found, now) {
            Ok(valid) => self.put_in_force(&valid).await?,
            Err(refusal) => Verdict::Refused(refusal),
        };
        let outcome = match &verdict {
            Verdict::Refused(_) => Outcome::Refused,
            _ => Outcome::Ok,
        };
        let action = self.next_visit(&verdict);
        Ok((self.tell(verdict).await?.unwrap_or(action), outcome))
    }

    async fn put_in_force(&self, valid: &Valid) -> Result<Verdict, Error> {
        let deployment = build::deployment(self.object, valid, &self.context.settings.worker)?;
        let reference = self.reference.clone();
        match apply::apply(self.context, self.object, reference, valid, &deployment).await {
            Ok(applied) => Ok(applied
                .undeclared
                .map_or(Verdict::Accepted, Verdict::Undeclared)),
            Err(apply::Error::Refused(refusal)) => Ok(Verdict::Refused(refusal)),
            Err(error) => Err(Error::Apply(error)),
        }
    }

    /// An operator that has just started knows the sales in force from Redis: each goes on as it
    /// was until its object is judged, and stays so if an edit is refused.
    fn take_over(&self) {
        if let (Some(in_force), Ok(located)) = (self.found.known(), &self.found.stores)
            && self.context.roster.get(&self.sale).is_none()
        {
            let (reference, stores) = (self.reference.clone(), located.stores.clone());
            let roster = &self.context.roster;
            roster.put(reference, in_force.clone(), stores, Hands::default());
        }
    }

    /// Hands off: nothing is written but the status. What is in force is still looked at.
    async fn pause(self) -> Result<(Action, Outcome), Error> {
        if let (Some(in_force), Ok(located)) = (self.found.known(), &self.found.stores) {
            let hands = Hands {
                off: true,
                off_replicas: true,
            };
            let stores = located.stores.clone();
            let roster = &self.context.roster;
            roster.put(self.reference.clone(), in_force.clone(), stores, hands);
        }
        let settling = self.tell(Verdict::Paused).await?;
        let action = settling.unwrap_or(Action::requeue(REVISIT));
        Ok((action, Outcome::Ok))
    }

    /// The object goes.
    async fn end(self) -> Result<(Action, Outcome), Error> {
        if !self.object.finalizers().iter().any(|own| own == FINALIZER) {
            self.context.roster.remove(&self.sale);
            self.context.metrics.forget(&self.sale);
            return Ok((Action::await_change(), Outcome::Ok));
        }
        let end = finalize::finalize(
            self.context,
            self.object,
            &self.reference,
            &self.sale,
            &self.found,
        )
        .await?;
        if end == End::Freed {
            let note = "what the sale held is freed; its orders stay";
            let events = &self.context.events;
            events
                .publish(&self.reference, Reason::Released, note)
                .await;
            set_finalizer(self.context, self.object, false).await?;
            return Ok((Action::await_change(), Outcome::Ok));
        }
        self.tell(Verdict::Ending(end)).await?;
        Ok((Action::requeue(RETRY), Outcome::Ok))
    }

    /// Now, by the clock of the sale.
    fn now(&self) -> Timestamp {
        let known = self.context.roster.get(&self.sale);
        known.map_or_else(Timestamp::now, |(_, sight)| sight.now())
    }

    /// The next known instant, or sooner.
    fn next_visit(&self, verdict: &Verdict) -> Action {
        let known = self.context.roster.get(&self.sale);
        match (verdict, known) {
            (Verdict::Undeclared(_), _) => Action::requeue(RETRY),
            (Verdict::Refused(refusal), _) if refusal.reason == Reason::InvalidSpec => {
                Action::await_change()
            }
            (Verdict::Refused(_), _) => Action::requeue(REFUSED_REVISIT),
            // Nothing tells us that the autoscaler is gone.
            _ if self.found.autoscaler.is_some() => Action::requeue(REFUSED_REVISIT),
            (_, Some((announced, sight))) => {
                let sale = &announced.sale;
                let now = sight.now();
                let next = lifecycle::next_instant(sale.schedule, &sale.workers, now);
                let wait = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
                Action::requeue(wait.map_or(REVISIT, |wait| wait.min(REVISIT)))
            }
            (_, None) => Action::requeue(REVISIT),
        }
    }

    /// Writes the status, unless a look is under way that will know more: then answers when to
    /// come again at the latest.
    async fn tell(&self, verdict: Verdict) -> Result<Option<Action>, Error> {
        let known = self.context.roster.get(&self.sale);
        let (in_force, sight) = match known {
            Some((announced, sight)) => (Some(announced), sight),
            None => (self.found.known().cloned(), Sight::default()),
        };
        let was_told = |status: &FlashSaleStatus| !status.conditions.is_empty();
        if sight.is_settling() && self.object.status.as_ref().is_some_and(was_told) {
            return Ok(Some(Action::requeue(SETTLE)));
        }
        let view = View {
            object: self.object,
            verdict,
            autoscaler: self.found.autoscaler.clone(),
            in_force,
            now: sight.now(),
            sight,
            workers: self.context.workers(&self.sale),
        };
        status::update(self.context, &self.reference, &view).await?;
        Ok(None)
    }
}

/// Puts the finalizer on, or takes it off. Written against the version that was read, so that
/// nobody else's finalizer is lost.
async fn set_finalizer(context: &Context, object: &FlashSale, wanted: bool) -> Result<(), Error> {
    let mut finalizers = object.finalizers().to_vec();
    if finalizers.iter().any(|own| own == FINALIZER) == wanted {
        return Ok(());
    }
    if wanted {
        finalizers.push(FINALIZER.to_owned());
    } else {
        finalizers.retain(|own| own != FINALIZER);
    }
    let patch = json!({
        "metadata": {
            "resourceVersion": object.resource_version(),
            "finalizers": finalizers,
        },
    });
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<FlashSale> = Api::namespaced(context.client.clone(), &namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER);
    match api
        .patch(&object.name_any(), &parameters, &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(status)) if !wanted && status.code == 404 => Ok(()),
        outcome => outcome.map(drop).map_err(Error::Finalizer),
    }
}
