//! Publishes events; whoever has something to tell never waits long and never fails for it.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use super::{
    Reason,
    budget::Budget,
    note,
    series::{Key, Series},
};

/// Name of the controller in every event; a fixed word, so that people can filter by it.
const CONTROLLER: &str = "flashsale-operator";

/// An event is worth no longer wait: who publishes has a sale to look after.
const PATIENCE: Duration = Duration::from_secs(3);

/// Events that are published at once.
const AT_ONCE: usize = 64;

/// An event that is to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What it is about; needs its namespace and UID.
    pub object: ObjectReference,
    /// Why it is told.
    pub reason: Reason,
    /// What happened, in one sentence.
    pub note: String,
}

/// The one publisher of the process; clones share everything.
#[derive(Clone)]
pub struct Publisher {
    /// The API server.
    client: Client,
    /// Which of several operators says it.
    identity: Arc<str>,
    /// What was said lately, so that a repeat is counted instead of said again.
    series: Arc<Mutex<Series>>,
    /// How many more may be said of each object.
    budget: Arc<Mutex<Budget>>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why an event was lost.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Refused(#[from] kube::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Overdue,
}

impl Publisher {
    /// A publisher for the operator `identity`.
    pub fn new(client: Client, identity: impl Into<Arc<str>>) -> Self {
        Self {
            client,
            identity: identity.into(),
            series: Arc::default(),
            budget: Arc::default(),
        }
    }

    /// Tells of `reason` at `object` (which needs its namespace and UID), in one sentence that says
    /// what happened and, in trouble, what to do; it is cut at 1 kB.
    ///
    /// The same sentence again within six minutes raises the count of the event that is there. An
    /// event that cannot be published is logged and lost; so are more events of one object and reason
    /// than anybody would read.
    pub async fn publish(&self, object: &ObjectReference, reason: Reason, note: impl Into<String>) {
        let note = note::fit(note.into());
        let uid = object.uid.as_deref().unwrap_or_default();
        let is_worth_telling = self.budget.lock().take(uid, reason, Instant::now());
        if !is_worth_telling {
            tracing::debug!(
                reason = reason.as_str(),
                namespace = object.namespace,
                name = object.name,
                note,
                "not told as an event, one of too many: {note}"
            );
            return;
        }
        let sent = tokio::time::timeout(PATIENCE, self.send(object, reason, &note));
        let outcome = sent.await.unwrap_or(Err(Lost::Overdue));
        if let Err(error) = outcome {
            tracing::warn!(reason = reason.as_str(), namespace = object.namespace, name = object.name,
                note, %error, "an event was lost: {note}");
        }
    }

    /// Publishes `drafts`, some at once; see [`publish`](Self::publish).
    pub async fn publish_all(&self, drafts: Vec<Draft>) {
        stream::iter(drafts)
            .for_each_concurrent(AT_ONCE, |draft| self.publish_draft(draft))
            .await;
    }

    async fn publish_draft(&self, draft: Draft) {
        self.publish(&draft.object, draft.reason, draft.note).await;
    }

    async fn send(&self, object: &ObjectReference, reason: Reason, note: &str) -> Result<(), Lost> {
        let namespace = object.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let key = Key {
            object: object.uid.clone().unwrap_or_default(),
            reason,
            note: note.to_owned(),
        };
        let repeat = self.series.lock().repeat(&key, Instant::now());
        if let Some((name, count)) = repeat {
            match count_up(&events, &name, count).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    self.series.lock().forget(&key);
                }
                outcome => return Ok(outcome?),
            }
        }
        let event = self.event(object, reason, note);
        let name = event.metadata.name.clone().unwrap_or_default();
        events.create(&PostParams::default(), &event).await?;
        self.series.lock().remember(key, name, Instant::now());
        Ok(())
    }

    fn event(&self, object: &ObjectReference, reason: Reason, note: &str) -> Event {
        let now = jiff::Timestamp::now();
        let object_name = object.name.as_deref().unwrap_or(CONTROLLER);
        Event {
            metadata: ObjectMeta {
                // Two operators, or two events in one instant, must not take each other's name.
                name: Some(format!("{object_name}.{:016x}", rand::random::<u64>())),
                namespace: object.namespace.clone(),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(instance(&self.identity)),
            type_: Some(reason.kind().as_str().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            action: Some(reason.action().to_owned()),
            note: Some(note.to_owned()),
            regarding: Some(object.clone()),
            ..Event::default()
        }
    }
}

/// The API server takes at most 128 characters.
fn instance(identity: &str) -> String {
    identity.chars().take(128).collect()
}

async fn count_up(events: &Api<Event>, name: &str, count: i32) -> Result<(), kube::Error> {
    let series = json!({
        "series": { "count": count, "lastObservedTime": MicroTime(jiff::Timestamp::now()) }
    });
    events
        .patch(name, &PatchParams::default(), &Patch::Merge(series))
        .await?;
    Ok(())
}
