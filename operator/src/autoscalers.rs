//! Finds `HorizontalPodAutoscaler`s that aim at a worker Deployment: two that set the number of
//! replicas would pull it to and fro.
//!
//! Their metadata is watched, which tells where there are any and when one is written. Only then those of
//! the namespace are listed. In most namespaces with sales there is none, and nothing is ever asked. While
//! the watch fails, because the right is missing for example, they are listed every few seconds.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler;
use kube::{
    Api, Client, ResourceExt as _,
    api::ListParams,
    core::{ObjectMeta, PartialObjectMeta},
    runtime::watcher::Event,
};
use parking_lot::Mutex;

use crate::{
    failure::{self, Failure},
    watch,
};

/// How long a list counts as current while the watch has not delivered what is there, or fails.
const FRESH: Duration = Duration::from_secs(10);

/// How long a list counts as current otherwise. Two edits within one second look like one.
const RELIST: Duration = Duration::from_mins(5);

/// Autoscalers listed in one request.
const PAGE: u32 = 100;

/// Name of an autoscaler and of the Deployment that it aims at.
type Aim = (String, String);

/// What the watch has seen of one namespace: a mark of each autoscaler by its name.
type Marks = BTreeMap<String, u64>;

/// Finds autoscalers.
pub struct Autoscalers {
    client: Client,
    /// By namespace; none until the watch has delivered what is there, and while it fails.
    seen: Mutex<Option<HashMap<String, Marks>>>,
    /// What was listed, by namespace. Locked while it is listed, so that all who want it wait for one
    /// answer.
    listed: Mutex<HashMap<String, Place>>,
}

/// What was listed of one namespace.
type Place = Arc<tokio::sync::Mutex<Listed>>;

/// The last list of a namespace, and the last failure to list.
#[derive(Default)]
struct Listed {
    list: Option<List>,
    failure: Failure,
}

/// The autoscalers of a namespace that aim at Deployments.
struct List {
    at: Instant,
    /// What the watch had seen then; none when it had delivered nothing yet.
    marks: Option<Marks>,
    aims: Vec<Aim>,
}

impl List {
    fn is_current(&self, marks: Option<&Marks>) -> bool {
        let age = self.at.elapsed();
        match marks {
            Some(_) => self.marks.as_ref() == marks && age < RELIST,
            None => age < FRESH,
        }
    }
}

impl Autoscalers {
    /// Nothing is known yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            seen: Mutex::default(),
            listed: Mutex::default(),
        }
    }

    /// Follows the metadata of the autoscalers that `api` reaches, for ever; tells `changed` the
    /// namespaces in which one came, went or was written.
    pub async fn watch(
        &self,
        api: Api<PartialObjectMeta<HorizontalPodAutoscaler>>,
        changed: impl Fn(&str),
    ) {
        let mut before = None;
        loop {
            self.follow(api.clone(), &mut before, &changed).await;
            // Nobody tells any more when one comes.
            before = self.seen.lock().take().or(before);
            watch::pause().await;
        }
    }

    /// Follows them until the watch fails. `before` is what was seen before that watch.
    async fn follow(
        &self,
        api: Api<PartialObjectMeta<HorizontalPodAutoscaler>>,
        before: &mut Option<HashMap<String, Marks>>,
        changed: &impl Fn(&str),
    ) {
        let mut events = std::pin::pin!(watch::metadata(api, "HorizontalPodAutoscalers"));
        let mut begun = HashMap::new();
        while let Some(event) = events.next().await {
            let (found, is_there) = match event {
                Event::Init => {
                    begun = HashMap::new();
                    continue;
                }
                Event::InitApply(found) => {
                    note(&mut begun, &found, true);
                    continue;
                }
                Event::InitDone => {
                    self.replace(&std::mem::take(&mut begun), before.take(), changed);
                    continue;
                }
                Event::Apply(found) => (found, true),
                Event::Delete(found) => (found, false),
            };
            let is_news = self
                .seen
                .lock()
                .as_mut()
                .is_some_and(|seen| note(seen, &found, is_there));
            if is_news {
                changed(&found.namespace().unwrap_or_default());
            }
        }
    }

    /// What there is now. Told are differences to what was seen before, once something was.
    fn replace(
        &self,
        now: &HashMap<String, Marks>,
        before: Option<HashMap<String, Marks>>,
        changed: &impl Fn(&str),
    ) {
        let seen = self.seen.lock().replace(now.clone());
        let Some(before) = seen.or(before) else {
            return;
        };
        for namespace in before.keys().chain(now.keys()) {
            if before.get(namespace) != now.get(namespace) {
                changed(namespace);
            }
        }
    }

    /// The autoscaler that aims at `deployment`, if there is one.
    ///
    /// # Errors
    /// When the API server does not list them. All who waited for that share the error.
    pub async fn aiming_at(
        &self,
        namespace: &str,
        deployment: &str,
    ) -> Result<Option<String>, Arc<kube::Error>> {
        let marks = {
            let seen = self.seen.lock();
            seen.as_ref()
                .map(|seen| seen.get(namespace).cloned().unwrap_or_default())
        };
        if marks.as_ref().is_some_and(Marks::is_empty) {
            self.listed.lock().remove(namespace);
            return Ok(None);
        }
        let place = self
            .listed
            .lock()
            .entry(namespace.to_owned())
            .or_default()
            .clone();
        let mut listed = place.lock().await;
        let Listed { list, failure } = &mut *listed;
        let current = list.take().filter(|list| list.is_current(marks.as_ref()));
        let list = if let Some(current) = current {
            list.insert(current)
        } else {
            if let Some(error) = failure.within(failure::SHARED) {
                return Err(error);
            }
            let at = Instant::now();
            let aims = self.list(namespace).await;
            let aims = aims.map_err(|error| failure.remember(error))?;
            list.insert(List { at, marks, aims })
        };
        let aiming = list.aims.iter().find(|(_, target)| target == deployment);
        Ok(aiming.map(|(name, _)| name.clone()))
    }

    async fn list(&self, namespace: &str) -> Result<Vec<Aim>, kube::Error> {
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let mut page = ListParams::default().limit(PAGE);
        let mut aims = Vec::new();
        loop {
            let list = api.list(&page).await?;
            let more = list
                .metadata
                .continue_
                .clone()
                .filter(|next| !next.is_empty());
            aims.extend(list.into_iter().filter_map(aim));
            match more {
                Some(next) => page = page.continue_token(&next),
                None => return Ok(aims),
            }
        }
    }
}

/// Notes that an autoscaler is there, or is gone; true when that is news.
fn note(
    seen: &mut HashMap<String, Marks>,
    found: &PartialObjectMeta<HorizontalPodAutoscaler>,
    is_there: bool,
) -> bool {
    let namespace = found.namespace().unwrap_or_default();
    let marks = seen.entry(namespace.clone()).or_default();
    let before = if is_there {
        marks.insert(found.name_any(), mark(&found.metadata))
    } else {
        marks.remove(&found.name_any())
    };
    let is_news = before != marks.get(&found.name_any()).copied();
    if marks.is_empty() {
        seen.remove(&namespace);
    }
    is_news
}

/// Changes when somebody writes the spec. Every few seconds a controller writes the status; a
/// generation is not kept of autoscalers, but who wrote which field, and when.
fn mark(metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.uid.hash(&mut hasher);
    for entry in metadata.managed_fields.iter().flatten() {
        let fields = entry.fields_v1.as_ref();
        if fields.is_some_and(|fields| fields.0.get("f:spec").is_some()) {
            entry.manager.hash(&mut hasher);
            entry.operation.hash(&mut hasher);
            let time = entry.time.as_ref();
            time.map(|time| time.0.as_nanosecond()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn aim(autoscaler: HorizontalPodAutoscaler) -> Option<Aim> {
    let name = autoscaler.name_any();
    let target = autoscaler.spec?.scale_target_ref;
    (target.kind == "Deployment").then_some((name, target.name))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;
    use http::{Request, Response, Uri};
    use kube::client::Body;
    use serde_json::json;
    use tokio::time::timeout;
    use tower::service_fn;

    use super::*;

    /// An API server in whose cluster an autoscaler was made after the metadata was listed.
    #[derive(Default)]
    struct Server {
        may_watch: AtomicBool,
        may_list: AtomicBool,
        watches: AtomicUsize,
        /// How often the autoscalers of a namespace were listed.
        lists: AtomicUsize,
    }

    impl Server {
        fn autoscalers(self: &Arc<Self>) -> Autoscalers {
            let server = self.clone();
            let service = service_fn(move |request: Request<Body>| {
                let server = server.clone();
                let asked = request.uri().clone();
                async move { Ok::<_, Infallible>(server.answer(asked).await) }
            });
            Autoscalers::new(Client::new(service, "default"))
        }

        async fn answer(&self, asked: Uri) -> Response<Body> {
            let is_watch = asked.query().unwrap_or_default().contains("watch=");
            let is_namespaced = asked.path().contains("/namespaces/");
            let answer = if is_watch {
                self.watches.fetch_add(1, Ordering::Relaxed);
                if self.may_watch.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                None
            } else if is_namespaced {
                self.lists.fetch_add(1, Ordering::Relaxed);
                // Others come meanwhile and wait.
                tokio::time::sleep(Duration::from_millis(10)).await;
                let spec = json!({
                    "maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "drop-worker"},
                });
                let found =
                    json!([{"metadata": {"name": "greedy", "namespace": "shop"}, "spec": spec}]);
                self.may_list.load(Ordering::Relaxed).then_some(found)
            } else {
                Some(json!([]))
            };
            let (code, body) = match answer {
                Some(items) => (
                    200,
                    json!({"metadata": {"resourceVersion": "1"}, "items": items}),
                ),
                None => (
                    403,
                    json!({
                        "apiVersion": "v1", "kind": "Status", "status": "Failure",
                        "reason": "Forbidden", "message": "forbidden", "code": 403,
                    }),
                ),
            };
            let body = Body::from(body.to_string().into_bytes());
            Response::builder().status(code).body(body).unwrap()
        }
    }

    /// Lets the watch run until `server` was asked to watch and `autoscalers` know something, or nothing.
    async fn watch_until(server: &Server, autoscalers: &Autoscalers, is_known: bool) {
        let api = Api::all(autoscalers.client.clone());
        let is_reached = async {
            while server.watches.load(Ordering::Relaxed) == 0
                || autoscalers.seen.lock().is_some() != is_known
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let reached = async {
            tokio::select! {
                () = autoscalers.watch(api, |_| {}) => {}
                () = is_reached => {}
            }
        };
        timeout(Duration::from_mins(1), reached).await.unwrap();
    }

    #[tokio::test]
    async fn without_the_right_to_watch_autoscalers_are_listed() {
        let server = Arc::new(Server::default());
        server.may_list.store(true, Ordering::Relaxed);
        let autoscalers = server.autoscalers();
        watch_until(&server, &autoscalers, false).await;
        let aiming = autoscalers.aiming_at("shop", "drop-worker").await;
        assert_eq!(aiming.unwrap().as_deref(), Some("greedy"));
        assert_eq!(server.lists.load(Ordering::Relaxed), 1);

        // With it, nothing is listed where the watch has seen none.
        server.may_watch.store(true, Ordering::Relaxed);
        server.watches.store(0, Ordering::Relaxed);
        watch_until(&server, &autoscalers, true).await;
        let aiming = autoscalers.aiming_at("shop", "drop-worker").await;
        assert_eq!(aiming.unwrap(), None);
        assert_eq!(server.lists.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn all_who_wait_for_a_list_share_a_failure() {
        let server = Arc::new(Server::default());
        let autoscalers = server.autoscalers();
        let waiting = (0..16).map(|_| autoscalers.aiming_at("shop", "drop-worker"));
        let errors = join_all(waiting).await;
        assert!(errors.iter().all(Result::is_err));
        let lists = server.lists.load(Ordering::Relaxed);
        assert!(
            lists < errors.len(),
            "{lists} lists, of which each may hang"
        );
    }

    fn written(spec_at: &str, status_at: &str) -> PartialObjectMeta<HorizontalPodAutoscaler> {
        let entry = |manager: &str, at: &str, field: &str| {
            json!({
                "manager": manager, "operation": "Update", "time": at, "fieldsType": "FieldsV1",
                "fieldsV1": {field: {}},
            })
        };
        let found = json!({"metadata": {
            "name": "a", "namespace": "shop", "uid": "u",
            "managedFields": [
                entry("kubectl", spec_at, "f:spec"),
                entry("kube-controller-manager", status_at, "f:status"),
            ],
        }});
        serde_json::from_value(found).unwrap()
    }

    #[test]
    fn a_status_is_no_news_and_a_spec_is() {
        let mut seen = HashMap::new();
        let (early, late) = ("2030-01-01T10:00:00Z", "2030-01-01T10:00:01Z");
        assert!(note(&mut seen, &written(early, early), true));
        assert!(!note(&mut seen, &written(early, late), true));
        assert!(note(&mut seen, &written(late, late), true));
        assert!(note(&mut seen, &written(late, late), false));
        assert!(!note(&mut seen, &written(late, late), false));
        assert!(seen.is_empty(), "namespaces without any take no memory");
    }

    #[test]
    fn a_list_is_current_until_the_watch_has_seen_another_one() {
        let marks = |mark: u64| Marks::from([("a".to_owned(), mark)]);
        let list = |marks: Option<Marks>, age: u64| List {
            at: Instant::now()
                .checked_sub(Duration::from_secs(age))
                .unwrap(),
            marks,
            aims: Vec::new(),
        };
        assert!(list(Some(marks(1)), 200).is_current(Some(&marks(1))));
        assert!(!list(Some(marks(1)), 301).is_current(Some(&marks(1))));
        assert!(!list(Some(marks(1)), 0).is_current(Some(&marks(2))));
        assert!(!list(None, 0).is_current(Some(&marks(1))));
        assert!(list(None, 9).is_current(None));
        assert!(!list(None, 11).is_current(None));
    }
}
