//! One visit of one FlashSale: [`dereference`] (I/O) → [`plan`] (pure) → [`Visit::act`] (I/O) →
//! [`Visit::keep`] (I/O, where the plan does not put the object in force as it is written) →
//! [`Visit::tell`] (I/O).
//!
//! Every step may run twice, and a crash between any two leaves nothing wrong: what is in force is
//! what Redis and the ledger hold, and each visit starts from there.

pub mod apply;
pub mod budget;
pub mod build;
pub mod deployable;
pub mod dereference;
pub mod finalize;
pub mod pod_template;
pub mod rollout;
pub mod statements;
pub mod status;
pub mod turns;
mod unreadable;
pub mod validate;
pub mod view;
pub mod written;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_core::{
    catalogue::Announced,
    id::SaleId,
    lifecycle::{self, Phase},
    sale::Sale,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::ObjectMeta,
    runtime::controller::Action,
};
use serde_json::json;

use self::{
    deployable::Deployable,
    dereference::{Dereferenced, Located, Unlocated, dereference},
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

/// How soon an object that somebody else wrote to at the same time is visited again.
const CONFLICT_RETRY: Duration = Duration::from_millis(100);

/// Failures in a row from which on the object says so. A single one mends itself within a second.
const FAILURES_TOLD: u32 = 2;

/// Why a visit failed. Each is worth another try, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object could not be fetched as it is stored.
    #[error("the object could not be fetched: {0}")]
    Fetch(kube::Error),
    /// A Secret could not be read.
    #[error("{0}")]
    Secret(String),
    /// No Deployment can be made of the object.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// The world could not be made as the object says.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The status could not be written.
    #[error(transparent)]
    Status(#[from] status::Error),
    /// The object could not be deleted.
    #[error("the sale is over, but the object could not be deleted: {0}")]
    Delete(kube::Error),
    /// The finalizer could not be set or taken off.
    #[error("the finalizer could not be written: {0}")]
    Finalizer(kube::Error),
}

impl Error {
    fn step(&self) -> Step {
        match self {
            Self::Fetch(_) | Self::Secret(_) => Step::Dereference,
            Self::Build(_) => Step::Build,
            Self::Apply(_) => Step::Apply,
            Self::Status(_) => Step::Status,
            Self::Delete(_) | Self::Finalizer(_) => Step::Finalize,
        }
    }

    /// Whether somebody else wrote to the object since it was read, which is nobody's fault.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Delete(kube::Error::Api(status)) | Self::Finalizer(kube::Error::Api(status))
            if status.code == 409)
    }

    /// Whether the Deployment is being written or deleted by somebody else, which passes.
    fn is_race(&self) -> bool {
        matches!(self, Self::Apply(apply::Error::Deployment(kube::Error::Api(status)))
            if matches!(status.code, 404 | 409))
    }
}

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
            context.metrics.failed(error.step());
            Outcome::Error
        }
    };
    if outcome != Outcome::Error {
        context.backoff.reset(&uid(&*object));
    }
    context.metrics.reconciled(outcome, started.elapsed());
    visited.map(|(action, _)| action)
}

/// What a failed visit is followed by.
#[must_use]
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

fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}

async fn visit(watched: &Watched, context: &Context) -> Result<(Action, Outcome), Error> {
    let Some((object, mistake)) = read(context, watched).await? else {
        return Ok((Action::await_change(), Outcome::Ok));
    };
    let sale = object.sale_id();
    let found = dereference(context, &object, sale.as_ref().ok()).await;
    let reference = object.object_ref(&());
    let sale = match sale {
        Ok(sale) => sale,
        // A name that no sale can have: told like any other mistake, without a sale to look at.
        Err(error) => return nameless(context, &object, &reference, &error.to_string()).await,
    };
    let visit = Visit {
        context,
        object: &object,
        is_readable: mistake.is_none(),
        reference,
        sale,
        found,
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
    // An API server may refuse to write the status of such an object, so an event is told as well.
    let reference = reference_of(&invalid.metadata);
    let events = &context.events;
    events
        .publish(&reference, refusal.reason, refusal.message.clone())
        .await;
    let fetched = unreadable::fetch(context, &invalid.metadata).await;
    let object = fetched.map_err(Error::Fetch)?;
    Ok(object.map(|object| (Cow::Owned(object), Some(refusal))))
}

fn reference_of(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(FlashSale::api_version(&()).into_owned()),
        kind: Some(FlashSale::kind(&()).into_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

async fn nameless(
    context: &Context,
    object: &FlashSale,
    reference: &ObjectReference,
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
        sight: Sight::default(),
        workers: None,
        now: Timestamp::now(),
    };
    status::update(context, reference, &view).await?;
    Ok((Action::await_change(), Outcome::Refused))
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::Refused(_) => Outcome::Refused,
        Verdict::Failed(_) | Verdict::Ending(End::Blocked(_)) => Outcome::Error,
        _ => Outcome::Ok,
    }
}

/// What a visit is to do.
#[derive(Debug)]
enum Plan {
    /// Put the sale in force as it is written.
    Run(Box<Valid>),
    /// Leave in force what is; the object awaits an edit.
    Refuse(Refusal),
    /// Leave in force what is; the visit has to be made again.
    Fail(Error),
    /// Hands off: write nothing but the status.
    Pause,
    /// Close the sale, drain it and free what it holds.
    End,
    /// Delete the object: the sale ended as long ago as its spec says.
    Expire,
}

/// One visit of an object whose sale has a name.
struct Visit<'a> {
    context: &'a Context,
    object: &'a FlashSale,
    /// Whether the object is one that this release can read as a whole.
    is_readable: bool,
    reference: ObjectReference,
    sale: SaleId,
    found: Dereferenced,
}

impl Visit<'_> {
    /// Decides what is to be done; `mistake` is what makes the object unreadable.
    fn plan(&self, mistake: Option<Refusal>) -> Plan {
        if self.object.metadata.deletion_timestamp.is_some() {
            return Plan::End;
        }
        if self.object.is_paused() {
            return Plan::Pause;
        }
        if let Some(mistake) = mistake {
            return Plan::Refuse(mistake);
        }
        match validate::validate(
            self.object,
            &self.sale,
            &self.found,
            &self.context.settings.worker.permitted,
            self.now(),
        ) {
            Ok(_) if self.expires_in() == Some(Duration::ZERO) => Plan::Expire,
            Ok(valid) => Plan::Run(Box::new(valid)),
            Err(refusal) => match &self.found.written {
                Err(Unlocated::Secret(error))
                    if !error.is_mistake() && refusal.reason == Reason::SecretMissing =>
                {
                    Plan::Fail(Error::Secret(refusal.message))
                }
                _ => Plan::Refuse(refusal),
            },
        }
    }

    /// Does it; none when the object is gone with that.
    async fn act(&self, plan: Plan) -> Result<Option<Verdict>, Error> {
        if matches!(plan, Plan::Run(_) | Plan::Refuse(_)) && self.is_readable {
            // Before anything is put in force that would have to be freed again.
            set_finalizer(self.context, self.object, true).await?;
        }
        match plan {
            Plan::Run(valid) => self.put_in_force(&valid).await.map(Some),
            Plan::Refuse(refusal) => Ok(Some(Verdict::Refused(refusal))),
            Plan::Fail(error) => Err(error),
            Plan::Pause => {
                self.pause();
                Ok(Some(Verdict::Paused))
            }
            Plan::End => self.end().await,
            Plan::Expire => self.expire().await,
        }
    }

    async fn put_in_force(&self, valid: &Valid) -> Result<Verdict, Error> {
        self.take_over();
        match self.offer_and_apply(valid).await {
            Err(Error::Apply(apply::Error::Refused(refusal))) => Ok(Verdict::Refused(refusal)),
            verdict => verdict,
        }
    }

    async fn offer_and_apply(&self, valid: &Valid) -> Result<Verdict, Error> {
        let Valid { sale, located } = valid;
        if let Err(undeclared) = apply::offer(self.context, sale, located).await? {
            return Ok(Verdict::Undeclared(undeclared));
        }
        let desired = Announced {
            sale: sale.clone(),
            closing: false,
        };
        self.put(desired, located);
        let written = Deployable::of(&self.object.spec);
        self.maintain(sale, &written, located).await?;
        status::remember_accepted(self.context, self.object, &written.text()).await?;
        Ok(Verdict::Accepted)
    }

    /// The sale in force goes on until its object is judged, and stays so if an edit is refused. What
    /// of an edit restricts it does not wait for the ledger.
    fn take_over(&self) {
        if let (Some(in_force), Some(located)) = (self.found.known(), self.located())
            && !in_force.closing
        {
            let kept = validate::restricted(in_force, &self.object.spec);
            self.put(kept, &located);
        }
    }

    /// From now on the pulse keeps the sale like this.
    fn put(&self, desired: Announced, located: &Located) {
        let roster = &self.context.roster;
        let off_replicas = match &self.found.autoscaler {
            Ok(autoscaler) => autoscaler.is_some(),
            // As far as anybody knows.
            Err(_) => roster
                .hands(&self.sale)
                .is_some_and(|hands| hands.off_replicas && !hands.off),
        };
        let hands = Hands {
            off: false,
            off_replicas,
        };
        roster.put(self.reference.clone(), desired, located.clone(), hands);
    }

    /// Where the sale in force keeps its queue and its ledger: as its Secrets say now, else as they
    /// said when they could last be read.
    fn located(&self) -> Option<Located> {
        let now = self.found.in_use().ok().cloned();
        now.or_else(|| self.context.roster.located(&self.sale))
    }

    /// Makes the worker Deployment of the sale in force, or keeps it as it shall be.
    async fn maintain(
        &self,
        sale: &Sale,
        deployable: &Deployable,
        located: &Located,
    ) -> Result<(), Error> {
        let parts = build::Parts {
            sale,
            deployable,
            located,
        };
        let deployment = build::deployment(self.object, parts, &self.context.settings.worker)?;
        let policy = deployable.worker.update_policy;
        let (context, object) = (self.context, self.object);
        let applying = apply::apply(context, object, &self.sale, deployment, policy);
        Box::pin(applying).await?;
        budget::keep(self.context, self.object).await;
        Ok(())
    }

    /// The pods as they are written, or default ones if those cannot be.
    fn usable(&self) -> Deployable {
        let permitted = &self.context.settings.worker.permitted;
        Deployable::usable(&self.sale, &self.object.spec, permitted)
    }

    /// While the object is not put in force as it is written, the sale in force is looked after all
    /// the same: its workers, its Secrets and its scaling, as they were accepted last. Of the edit
    /// counts what restricts the sale.
    async fn keep(&self, verdict: &Verdict) -> Result<(), Error> {
        let refused_by_cluster = match verdict {
            Verdict::Refused(refusal) => refusal.reason == Reason::ApplyFailed,
            Verdict::Undeclared(_) | Verdict::Failed(_) => false,
            Verdict::Accepted | Verdict::Paused | Verdict::Ending(_) => return Ok(()),
        };
        if self.object.is_paused() || self.object.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        // What was put in force in this visit counts before what was found at its beginning.
        let known = self.context.roster.get(&self.sale);
        let in_force = known
            .map(|(announced, _)| announced)
            .or_else(|| self.found.known().cloned());
        let (Some(in_force), Some(located)) = (in_force, self.located()) else {
            return Ok(());
        };
        let kept = validate::restricted(&in_force, &self.object.spec);
        self.put(kept.clone(), &located);
        let accepted = self.found.accepted.clone();
        let deployable = accepted.unwrap_or_else(|| self.usable());
        if refused_by_cluster && deployable == Deployable::of(&self.object.spec) {
            // The very Deployment that was refused.
            return Ok(());
        }
        match self.maintain(&kept.sale, &deployable, &located).await {
            Err(Error::Apply(apply::Error::Refused(refusal))) => {
                tracing::warn!(sale = %self.sale, "{}", refusal.message);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Hands off: nothing is written but the status. What is in force is still looked at.
    fn pause(&self) {
        if let (Some(in_force), Some(located)) = (self.found.known(), self.located()) {
            let hands = Hands {
                off: true,
                off_replicas: true,
            };
            let roster = &self.context.roster;
            roster.put(self.reference.clone(), in_force.clone(), located, hands);
        }
    }

    /// The object goes.
    async fn end(&self) -> Result<Option<Verdict>, Error> {
        if !self.object.finalizers().iter().any(|own| own == FINALIZER) {
            self.context.roster.remove(&self.sale);
            self.context.metrics.forget(&self.sale);
            return Ok(None);
        }
        let end = self.finalize().await;
        if end != End::Freed {
            return Ok(Some(Verdict::Ending(end)));
        }
        let note = "the object may go; the sale's orders stay";
        let events = &self.context.events;
        events
            .publish(&self.reference, Reason::Released, note)
            .await;
        set_finalizer(self.context, self.object, false).await?;
        Ok(None)
    }

    /// How long the object is kept, where the sale is over and its spec limits that. What the status
    /// says of another spec does not count: an edit may have moved the closing.
    fn expires_in(&self) -> Option<Duration> {
        let kept = SignedDuration::from_secs(self.object.spec.ttl_seconds_after_finished?.into());
        let status = self.object.status.as_ref()?;
        if status.phase.as_deref() != Some(Phase::Closed.as_str())
            || status.observed_generation != self.object.metadata.generation
            || status.dead_letters != Some(0)
        {
            return None;
        }
        let left = status
            .drained_at?
            .saturating_add(kept)
            .ok()?
            .duration_since(self.now());
        Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
    }

    /// Deletes the object as it was read. What it holds is freed by the visits that follow.
    async fn expire(&self) -> Result<Option<Verdict>, Error> {
        let as_read = DeleteParams {
            preconditions: Some(Preconditions {
                uid: self.object.uid(),
                resource_version: self.object.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let namespace = self.object.namespace().unwrap_or_default();
        let api: Api<FlashSale> = Api::namespaced(self.context.client.clone(), &namespace);
        match api.delete(&self.object.name_any(), &as_read).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            outcome => drop(outcome.map_err(Error::Delete)?),
        }
        let note = "the sale ended as long ago as spec.ttlSecondsAfterFinished says; it is deleted";
        let events = &self.context.events;
        events.publish(&self.reference, Reason::Expired, note).await;
        Ok(None)
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
            (Verdict::Ending(End::Blocked(_)), _) => {
                self.context.metrics.failed(Step::Finalize);
                let delay = self.context.backoff.failed(&uid(self.object));
                // Somebody waits for the object to go.
                Action::requeue(delay.min(REFUSED_REVISIT))
            }
            (Verdict::Undeclared(_) | Verdict::Ending(_), _) => Action::requeue(RETRY),
            (Verdict::Refused(refusal), None) if refusal.reason == Reason::InvalidSpec => {
                Action::await_change()
            }
            (Verdict::Refused(_), _) => Action::requeue(REFUSED_REVISIT),
            // Nothing tells us that the autoscaler is gone.
            _ if !matches!(self.found.autoscaler, Ok(None)) => Action::requeue(REFUSED_REVISIT),
            (_, Some((announced, sight))) if *verdict != Verdict::Paused => {
                let sale = &announced.sale;
                let now = sight.now();
                let instant = lifecycle::next_instant(sale.schedule, &sale.workers, now);
                let deadline = view::drain_deadline(sale, self.object).filter(|at| *at > now);
                let next = instant.into_iter().chain(deadline).min();
                let wait = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
                let waits = [wait, self.expires_in()];
                Action::requeue(waits.into_iter().flatten().fold(REVISIT, Duration::min))
            }
            _ => Action::requeue(REVISIT),
        }
    }

    /// Writes the status, unless a look is under way that will know more: then answers when to
    /// come again at the latest.
    async fn tell(&self, verdict: &Verdict) -> Result<Option<Action>, Error> {
        let known = self.context.roster.get(&self.sale);
        let (in_force, sight) = match known {
            Some((announced, sight)) => (Some(announced), sight),
            None => (self.found.known().cloned(), Sight::default()),
        };
        let was_told = |status: &FlashSaleStatus| !status.conditions.is_empty();
        let was_told = self.object.status.as_ref().is_some_and(was_told);
        match verdict {
            Verdict::Failed(_) => {
                let failures = self.context.backoff.failures(&uid(self.object));
                if was_told && failures + 1 < FAILURES_TOLD {
                    return Ok(None);
                }
            }
            Verdict::Ending(_) => {}
            _ if sight.is_settling() && was_told => return Ok(Some(Action::requeue(SETTLE))),
            _ => {}
        }
        let autoscaler = self.found.autoscaler.as_ref();
        let view = View {
            object: self.object,
            verdict: verdict.clone(),
            autoscaler: autoscaler.ok().cloned().flatten(),
            autoscalers_unread: autoscaler.err().map(ToString::to_string),
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
    // Its metadata alone is read back: the rest may be unreadable.
    match api
        .patch_metadata(&object.name_any(), &parameters, &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(status)) if !wanted && status.code == 404 => Ok(()),
        outcome => outcome.map(drop).map_err(Error::Finalizer),
    }
}
