//! One visit of an object whose sale has a name: what is to be done, and the steps that do it.

use std::time::Duration;

use flashsale_domain::{
    id::SaleId,
    lifecycle::{self, Announced, Phase},
    sale::Sale,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    runtime::controller::Action,
};
use serde_json::json;

use super::{
    addresses,
    apply::{self, Progress},
    budget, build,
    deployable::Deployable,
    dereference::{Dereferenced, Unlocated},
    error::Error,
    parts::Parts,
    refusal::Refusal,
    status,
    validate::{self, Valid},
    view::{self, End, Verdict, View},
};
use crate::{
    context::Context,
    crd::{FIELD_MANAGER, FINALIZER, FlashSale, status::FlashSaleStatus},
    events::Reason,
    roster::{Observation, SETTLE, WriteMode},
    stores::Located,
};

/// How soon a sale in force is visited again when nothing happens. Secrets are read again then, if what
/// was read of them is too old by that time (see `secrets.rs`).
const REVISIT: Duration = Duration::from_secs(30);

/// How soon something that may mend itself is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// How soon a refusal whose cause is outside the object is looked at again.
const REFUSED_REVISIT: Duration = Duration::from_secs(10);

/// Failures in a row from which on the object says so. A single one mends itself within a second.
const FAILURES_TOLD: u32 = 2;

/// What a visit is to do.
#[derive(Debug)]
pub(super) enum Plan {
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
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) object: &'a FlashSale,
    /// Whether the object is one that this release can read as a whole.
    pub(super) is_readable: bool,
    pub(super) reference: ObjectReference,
    pub(super) sale: SaleId,
    pub(super) found: Dereferenced,
}

impl Visit<'_> {
    /// Decides what is to be done; `mistake` is what makes the object unreadable.
    pub(super) fn plan(&self, mistake: Option<Refusal>) -> Plan {
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
    pub(super) async fn act(&self, plan: Plan) -> Result<Option<Verdict>, Error> {
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
        if let Err(undeclared) = apply::offer(self.context, sale, located, self.progress()).await? {
            return Ok(Verdict::Undeclared(undeclared));
        }
        let desired = Announced {
            sale: sale.clone(),
            closing: false,
        };
        self.put(desired, located);
        let written = Deployable::of(&self.object.spec);
        self.maintain(sale, &written, located).await?;
        status::remember_accepted(self.context, self.object, &written).await?;
        Ok(Verdict::Accepted)
    }

    fn progress(&self) -> Progress {
        let status = self.object.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        Progress {
            now: self.now(),
            was_closed: phase == Some(Phase::Closed.as_str()),
        }
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
        let mode = match (&self.found.autoscaler, roster.mode(&self.sale)) {
            // Where the autoscalers cannot be listed, as far as anybody knows.
            (Ok(Some(_)), _) | (Err(_), Some(WriteMode::NoReplicas)) => WriteMode::NoReplicas,
            _ => WriteMode::Full,
        };
        roster.put(self.reference.clone(), desired, located.clone(), mode);
    }

    /// Where the sale in force keeps its queue and its ledger: as its Secrets say now, else as they
    /// said when they could last be read.
    pub(super) fn located(&self) -> Option<Located> {
        let now = self.found.in_use().ok().cloned();
        now.or_else(|| self.context.roster.located(&self.sale))
    }

    /// Makes the worker Deployment of the sale in force, or keeps it as it shall be.
    pub(super) async fn maintain(
        &self,
        sale: &Sale,
        deployable: &Deployable,
        located: &Located,
    ) -> Result<(), Error> {
        let there = self.context.deployment(&self.sale);
        let mark = addresses::mark(&located.addresses, &located.secret_ids, there.as_deref());
        let parts = Parts {
            sale,
            deployable,
            located,
            mark: &mark,
        };
        let deployment = build::deployment(self.object, parts, &self.context.settings.worker)?;
        let policy = deployable.worker.update_policy;
        let (context, object) = (self.context, self.object);
        let applying = apply::apply(context, object, &self.sale, deployment, policy);
        Box::pin(applying).await?;
        budget::keep(self.context, self.object).await;
        Ok(())
    }

    /// The pods as they are written; if those cannot be or may not be, those that were accepted last,
    /// or default ones.
    pub(super) fn usable(&self) -> Deployable {
        if self.found.judgement.refuses_workers() {
            let accepted = self.found.accepted.clone();
            return accepted
                .unwrap_or_else(|| Deployable::of(&self.object.spec).with_default_pods());
        }
        let permitted = &self.context.settings.worker.permitted;
        Deployable::usable(&self.sale, &self.object.spec, permitted)
    }

    /// While the object is not put in force as it is written, the sale in force is looked after all
    /// the same: its workers, its Secrets and its scaling, as they were accepted last. Of the edit
    /// counts what restricts the sale.
    pub(super) async fn keep(&self, verdict: &Verdict) -> Result<(), Error> {
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
            let (roster, object) = (&self.context.roster, self.reference.clone());
            roster.put(object, in_force.clone(), located, WriteMode::ReadOnly);
        }
    }

    /// The object goes.
    async fn end(&self) -> Result<Option<Verdict>, Error> {
        if !self.object.finalizers().iter().any(|own| own == FINALIZER) {
            self.context.roster.remove(&self.sale);
            self.context.metrics.sales.forget(&self.sale);
            return Ok(None);
        }
        let end = self.finalize().await;
        if end != End::Freed {
            return Ok(Some(Verdict::Ending(end)));
        }
        let note = "the object may go; the sale's orders stay";
        self.publish(Reason::Released, note).await;
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
        let note =
            "spec.ttlSecondsAfterFinished has passed since the sale ended; the object is deleted";
        self.publish(Reason::Expired, note).await;
        Ok(None)
    }

    /// Tells people of the object.
    pub(super) async fn publish(&self, reason: Reason, note: impl Into<String>) {
        let events = &self.context.events;
        events.publish(&self.reference, reason, note).await;
    }

    /// Now, by the clock of the sale.
    fn now(&self) -> Timestamp {
        let known = self.context.roster.get(&self.sale);
        known.map_or_else(Timestamp::now, |(_, observed)| observed.now())
    }

    /// The next known instant, or sooner.
    pub(super) fn next_visit(&self, verdict: &Verdict) -> Action {
        let known = self.context.roster.get(&self.sale);
        match (verdict, known) {
            (Verdict::Ending(End::Blocked(_)), _) => {
                self.context.metrics.reconciles.finalize.inc();
                let delay = self.context.backoff.failed(&uid(self.object));
                // Somebody waits for the object to go.
                Action::requeue(delay.min(REFUSED_REVISIT))
            }
            (Verdict::Undeclared(_) | Verdict::Ending(_), _) => Action::requeue(RETRY),
            (Verdict::Refused(refusal), None) if refusal.reason == Reason::InvalidSpec => {
                Action::await_change()
            }
            (Verdict::Refused(_), _) => Action::requeue(REFUSED_REVISIT),
            // While autoscalers cannot be watched, nobody tells that this one is gone.
            _ if !matches!(self.found.autoscaler, Ok(None)) => Action::requeue(REFUSED_REVISIT),
            (_, Some((announced, observed))) if *verdict != Verdict::Paused => {
                let sale = &announced.sale;
                let now = observed.now();
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
    pub(super) async fn tell(&self, verdict: &Verdict) -> Result<Option<Action>, Error> {
        let known = self.context.roster.get(&self.sale);
        let (in_force, observed) = match known {
            Some((announced, observed)) => (Some(announced), observed),
            None => (self.found.known().cloned(), Observation::default()),
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
            _ if self.context.roster.is_settling(&self.sale) && was_told => {
                return Ok(Some(Action::requeue(SETTLE)));
            }
            _ => {}
        }
        let autoscaler = self.found.autoscaler.as_ref();
        let view = View {
            object: self.object,
            verdict: verdict.clone(),
            autoscaler: autoscaler.ok().cloned().flatten(),
            autoscalers_unread: autoscaler.err().map(ToString::to_string),
            in_force,
            tolerated: self.found.judgement.tolerated.clone(),
            now: observed.now(),
            observed,
            workers: self.context.workers(&self.sale),
        };
        status::update(self.context, &self.reference, &view).await?;
        Ok(None)
    }
}

/// Puts the finalizer on, or takes it off. Written against the version that was read, so that
/// nobody else's finalizer is lost.
pub(super) async fn set_finalizer(
    context: &Context,
    object: &FlashSale,
    wanted: bool,
) -> Result<(), Error> {
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

/// The uid of an object.
pub(super) fn uid(object: &impl ResourceExt) -> String {
    object.uid().unwrap_or_default()
}
