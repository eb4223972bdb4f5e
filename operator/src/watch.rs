//! Watches: a cache of the objects of a kind, and a stream of those that changed.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future::ready};
use kube::{
    Api, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        utils::Backoff,
        watcher,
    },
};
use serde::de::DeserializeOwned;

/// Shortest pause after an error. Pauses do not grow: two requests every few seconds are no burden for
/// the API server, and an operator that waits longer is blind for longer.
const PAUSE: Duration = Duration::from_secs(1);

/// What is added to the pause at most, at random.
const JITTER: Duration = Duration::from_secs(2);

/// Objects in one answer when all of them are listed: a FlashSale may be as large as a megabyte.
const PAGE: u32 = 50;

/// Where `kubectl apply` keeps a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Watches the objects that `config` selects: the cache, and each object that was added, changed or
/// deleted. The cache is kept up to date while the stream is polled.
///
/// Errors are logged and do not reach the stream. A controller would take no trigger at all for a while
/// after each, of no kind of object.
pub fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
) -> (
    Store<K>,
    impl Stream<Item = Result<K, watcher::Error>> + Send + 'static,
)
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let watched = watcher(api, config.page_size(PAGE)).modify(strip);
    let changed = reflector::reflector(writer, watched)
        .backoff(Pause)
        .touched_objects()
        .filter(move |object| {
            if let Err(error) = object {
                tracing::warn!(kind, %error, "watching {kind} failed, tried again: {error}");
            }
            ready(object.is_ok())
        });
    (store, changed)
}

/// Takes off what is of no use here and often the larger part of an object: who wrote which field, and
/// the object as it was applied.
fn strip(object: &mut impl kube::ResourceExt) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove(LAST_APPLIED);
}

/// Watches the metadata of all objects that `api` reaches, and keeps nothing of them. The stream ends with
/// the first error, which is logged: what was seen by then may be outdated, and only a new watch, which
/// begins with a list, shows what there is. [`pause`] comes before it.
pub fn metadata<K>(
    api: Api<PartialObjectMeta<K>>,
    kind: &'static str,
) -> impl Stream<Item = watcher::Event<PartialObjectMeta<K>>> + Send
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, watcher::Config::default())
        .map(move |event| {
            event.inspect_err(|error| {
                tracing::warn!(kind, %error, "watching {kind} failed, tried again: {error}");
            })
        })
        .scan((), |(), event| ready(event.ok()))
}

/// Waits as long as after every error of a watch.
pub async fn pause() {
    tokio::time::sleep(pause_length()).await;
}

fn pause_length() -> Duration {
    PAUSE + JITTER.mul_f64(rand::random())
}

/// Pauses of random length.
struct Pause;

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(pause_length())
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}
