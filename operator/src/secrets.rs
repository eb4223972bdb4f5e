//! Reads Secrets one by one, and remembers each for a moment.
//!
//! Watching them would need the right to list all Secrets of a namespace; reading those that sales
//! name needs `get` alone. Each is read once for all sales that name it, and again when it was read some
//! time ago: the longer, the more of them there are. Where a store of the sale does not answer, the
//! address may have changed, and [`SHORTEST`] counts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::sale::spec::SecretKeyRef;
use flashsale_transport::tls::{CertificateError, Certificates, FILES};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, core::ObjectMeta};
use parking_lot::Mutex;

use crate::failure::{self, Failure};

/// How long a Secret counts as current once it was read, in a small cluster.
const SHORTEST: Duration = Duration::from_secs(10);

/// The same at most, however many Secrets there are.
const LONGEST: Duration = Duration::from_mins(5);

/// What each Secret that sales name adds to that time beyond [`SHORTEST`]: so many reads per second are
/// made at most, until [`LONGEST`] is reached.
const EACH: Duration = Duration::from_millis(500);

/// How long a Secret counts as missing: sales that name it share an answer, and its arrival is noticed.
const MISSING: Duration = failure::SHARED;

/// Keys of one Secret up to which those alone are kept that sales name. Where they name more, the whole
/// Secret is: it is a megabyte at most.
const MOST_KEYS: usize = 64;

/// Why an address could not be read from its Secret. Each begins with namespace and name of the Secret,
/// and names the key that is wanted behind it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such Secret.
    #[error(
        "there is no Secret {0}; create it with the address under key {1}, or name another one"
    )]
    Missing(String, String),
    /// It has no such key.
    #[error("Secret {0} has no key {1}; add the address under it, or name another key")]
    NoKey(String, String),
    /// The value is not text.
    #[error("key {1} of Secret {0} is not UTF-8 text; write the address as text")]
    NotText(String, String),
    /// What it has beside the address cannot be used for TLS.
    #[error("the certificates in Secret {0} cannot be used: {1}")]
    Certificates(String, #[source] CertificateError),
    /// The API server did not give it. What it said is shared by all who waited for that.
    #[error("Secret {0} could not be read: {1}")]
    Api(String, #[source] Arc<kube::Error>),
}

impl SecretError {
    /// Whether somebody has to mend the Secret, rather than the API server.
    pub fn is_mistake(&self) -> bool {
        !matches!(self, Self::Api { .. })
    }
}

/// What is kept of a Secret: nothing that no sale names, unless sales name very many keys.
#[derive(Debug, Default)]
struct Content {
    /// What is under the keys that were asked for, and under those of certificates; if more than
    /// [`MOST_KEYS`] were asked for, under all.
    data: BTreeMap<String, ByteString>,
    labels: BTreeMap<String, String>,
    /// Its `metadata.uid`.
    id: String,
}

impl Content {
    fn of(secret: Secret, keys: &BTreeSet<String>) -> Self {
        let ObjectMeta { uid, labels, .. } = secret.metadata;
        let mut data = secret.data.unwrap_or_default();
        if keys.len() <= MOST_KEYS {
            data.retain(|key, _| keys.contains(key) || FILES.contains(&key.as_str()));
        }
        Self {
            data,
            labels: labels.unwrap_or_default(),
            id: uid.unwrap_or_default(),
        }
    }
}

/// A Secret as it was read.
#[derive(Debug)]
struct Read {
    at: Instant,
    /// None where there is no such Secret.
    content: Option<Arc<Content>>,
    /// What its time as a current one is multiplied with, so that those that were read at one moment
    /// are not read again at one moment.
    spread: f64,
}

impl Read {
    /// Whether it counts as current where that takes `time`, or `missing` if there is no such Secret.
    fn is_current(&self, time: Duration, missing: Duration) -> bool {
        let time = match self.content {
            Some(_) => time.mul_f64(self.spread),
            None => missing,
        };
        self.at.elapsed() < time
    }
}

/// What is known of a Secret: as it was read last, and the last failure to read it.
#[derive(Debug, Default)]
struct Known {
    /// Keys that sales had named when it was read, so that what is under them was kept.
    keys: BTreeSet<String>,
    read: Option<Read>,
    failure: Failure,
}

/// A Secret; locked while it is read, so that all who want it wait for one answer.
type Place = Arc<tokio::sync::Mutex<Known>>;

/// Reads Secrets.
pub struct Secrets {
    client: Client,
    /// Those that sales name, by namespace and name.
    places: Mutex<HashMap<(String, String), Place>>,
    /// See [`SHORTEST`].
    shortest: Duration,
    /// See [`MISSING`]. That it could not be read is shared for as long.
    missing: Duration,
}

/// How old the cached value of a Secret may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the number of Secrets makes it, up to five minutes.
    Usual,
    /// A few seconds: a store of the sale that names it does not answer, or the sale is not in force yet,
    /// so its address may just have been corrected.
    Recent,
}

/// The time for which each of `count` Secrets counts as current.
fn current_for(count: usize) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    EACH.saturating_mul(count).clamp(SHORTEST, LONGEST)
}

impl Secrets {
    /// Nothing is read yet.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            places: Mutex::default(),
            shortest: SHORTEST,
            missing: MISSING,
        }
    }

    /// The text under the key that `reference` names, and the id of the Secret that it was read
    /// from.
    pub async fn text(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        freshness: Freshness,
    ) -> Result<(String, String), SecretError> {
        let error = |why: fn(String, String) -> SecretError| {
            why(full_name(namespace, reference), reference.key.clone())
        };
        let read = self.read(namespace, reference, freshness).await?;
        let content = read.ok_or_else(|| error(SecretError::Missing))?;
        let value = content.data.get(&reference.key);
        let value = value.ok_or_else(|| error(SecretError::NoKey))?;
        // A line end at the end of a file that became a Secret is no part of an address.
        let text = std::str::from_utf8(&value.0).map_err(|_| error(SecretError::NotText))?;
        Ok((text.trim().to_owned(), content.id.clone()))
    }

    /// The certificates in the Secret that `reference` names, beside the address.
    ///
    /// # Errors
    /// When the Secret cannot be read, or they cannot be used. That it is missing is no failure here:
    /// whoever reads the address is told.
    pub async fn certificates(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        freshness: Freshness,
    ) -> Result<Certificates, SecretError> {
        let content = self.read(namespace, reference, freshness).await?;
        let content = content.unwrap_or_default();
        let [authority, certificate, key] =
            FILES.map(|file| content.data.get(file).map(|value| value.0.clone()));
        Certificates::new(authority, certificate, key)
            .map_err(|error| SecretError::Certificates(full_name(namespace, reference), error))
    }

    /// Whether the Secret that `reference` names has `label` with `value`; none when there is no such Secret. Where it
    /// lacks the label, only what was read within [`SHORTEST`] counts: somebody may have added it since.
    ///
    /// # Errors
    /// When the API server does not give it.
    pub async fn is_labelled(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        (label, value): (&str, &str),
    ) -> Result<Option<bool>, SecretError> {
        let has_it = |content: Arc<Content>| content.labels.get(label).is_some_and(|v| v == value);
        let known = self
            .read(namespace, reference, Freshness::Usual)
            .await?
            .map(has_it);
        if known != Some(false) {
            return Ok(known);
        }
        let read = self.read(namespace, reference, Freshness::Recent).await?;
        Ok(read.map(has_it))
    }

    async fn read(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
        freshness: Freshness,
    ) -> Result<Option<Arc<Content>>, SecretError> {
        let SecretKeyRef { name, key } = reference;
        let (place, count) = self.place(namespace, name);
        let time = match freshness {
            Freshness::Usual => current_for(count).max(self.shortest),
            Freshness::Recent => self.shortest,
        };
        let unread = |error| SecretError::Api(full_name(namespace, reference), error);
        let mut known = place.lock().await;
        let Known {
            keys,
            read,
            failure,
        } = &mut *known;
        let is_kept = keys.len() > MOST_KEYS || keys.contains(key);
        let usable = read
            .as_ref()
            .filter(|read| is_kept || read.content.is_none());
        if let Some(read) = usable.filter(|read| read.is_current(time, self.missing)) {
            return Ok(read.content.clone());
        }
        if let Some(error) = failure.within(self.missing) {
            return Err(unread(error));
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get_opt(name).await;
        let secret = secret.map_err(|error| unread(failure.remember(error)))?;
        if !is_kept {
            keys.insert(key.clone());
        }
        let content = secret.map(|secret| Arc::new(Content::of(secret, keys)));
        *read = Some(Read {
            at: Instant::now(),
            content: content.clone(),
            spread: rand::random_range(0.8..1.0),
        });
        Ok(content)
    }

    /// The place of a Secret, and how many there are. Secrets that no sale names any more are forgotten.
    fn place(&self, namespace: &str, name: &str) -> (Place, usize) {
        let mut places = self.places.lock();
        let key = (namespace.to_owned(), name.to_owned());
        if !places.contains_key(&key) {
            places.retain(|_, place| is_in_use(place));
        }
        let place = places.entry(key).or_default().clone();
        (place, places.len())
    }
}

/// Namespace and name of the Secret that `reference` names, for messages.
fn full_name(namespace: &str, reference: &SecretKeyRef) -> String {
    format!("{namespace}/{}", reference.name)
}

/// Whether somebody waits for it, or has asked for it within the time in which each sale is visited.
fn is_in_use(place: &Place) -> bool {
    let Ok(known) = place.try_lock() else {
        return true;
    };
    let read = known.read.as_ref();
    let is_recent = read.is_some_and(|read| read.at.elapsed() < LONGEST * 2);
    is_recent || Arc::strong_count(place) > 1
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::future::join_all;
    use http::{Request, Response};
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// Secrets of an API server that has all but those whose names begin with `no-`, fails for those that
    /// begin with `failing-`, and from the second time on for those that begin with `lost-`; and how often
    /// it was asked. What was read stays current for longer than any test takes.
    fn secrets() -> (Secrets, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let server = service_fn(move |request: Request<Body>| {
            let before = count.fetch_add(1, Ordering::Relaxed);
            async move {
                let path = request.uri().path();
                let failure = |code: u16, reason: &str| {
                    let status = serde_json::json!({
                        "apiVersion": "v1", "kind": "Status", "status": "Failure",
                        "reason": reason, "message": reason, "code": code,
                    });
                    (code, status)
                };
                let (code, answer) = if path.contains("/no-") {
                    failure(404, "NotFound")
                } else if path.contains("/failing-") || (path.contains("/lost-") && before > 0) {
                    failure(500, "InternalError")
                } else {
                    let secret = serde_json::json!({
                        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                        "data": {"url": "cmVkaXM6Ly9hCg==", "other": "b3RoZXI=", "third": ""},
                    });
                    (200, secret)
                };
                tokio::time::sleep(Duration::from_millis(10)).await;
                let answer = Response::builder()
                    .status(code)
                    .body(Body::from(answer.to_string().into_bytes()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        let secrets = Secrets {
            shortest: Duration::from_hours(1),
            missing: Duration::from_hours(1),
            ..Secrets::new(Client::new(server, "default"))
        };
        (secrets, asked)
    }

    fn reference(name: &str) -> SecretKeyRef {
        SecretKeyRef {
            name: name.to_owned(),
            key: "url".to_owned(),
        }
    }

    #[tokio::test]
    async fn all_sales_that_name_a_secret_share_one_read() {
        let (secrets, asked) = secrets();
        let (shared, missing) = (reference("shared"), reference("no-secret"));
        let texts = (0..50).map(|_| secrets.text("shop", &shared, Freshness::Usual));
        for text in join_all(texts).await {
            assert_eq!(text.unwrap().0, "redis://a");
        }
        secrets
            .certificates("shop", &shared, Freshness::Recent)
            .await
            .unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let texts = (0..50).map(|_| secrets.text("shop", &missing, Freshness::Usual));
        for text in join_all(texts).await {
            assert!(matches!(text, Err(SecretError::Missing { .. })));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        // Each namespace has its own.
        secrets
            .text("store", &shared, Freshness::Usual)
            .await
            .unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_secret_but_what_sales_name() {
        let (secrets, asked) = secrets();
        let kept = || {
            let (place, _) = secrets.place("shop", "shared");
            let known = place.try_lock().unwrap();
            let content = known.read.as_ref().unwrap().content.clone().unwrap();
            content.data.keys().cloned().collect::<Vec<_>>()
        };
        let url = reference("shared");
        let other = SecretKeyRef {
            key: "other".to_owned(),
            ..url.clone()
        };
        let text = async |reference| {
            let read = secrets.text("shop", reference, Freshness::Usual).await;
            read.unwrap().0
        };
        text(&url).await;
        assert_eq!(kept(), ["url"]);
        assert_eq!(text(&other).await, "other");
        assert_eq!(text(&url).await, "redis://a");
        assert_eq!(kept(), ["other", "url"]);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn sales_that_name_very_many_keys_of_a_secret_share_reads_as_well() {
        let (secrets, asked) = secrets();
        let key = |nth: usize| SecretKeyRef {
            key: format!("key-{nth}"),
            ..reference("shared")
        };
        for _ in 0..3 {
            for nth in 0..MOST_KEYS * 2 {
                let text = secrets.text("shop", &key(nth), Freshness::Usual).await;
                assert!(matches!(text, Err(SecretError::NoKey { .. })));
            }
            let url = reference("shared");
            let text = secrets.text("shop", &url, Freshness::Usual).await;
            assert_eq!(text.unwrap().0, "redis://a");
        }
        assert_eq!(asked.load(Ordering::Relaxed), MOST_KEYS + 1);
        let (place, _) = secrets.place("shop", "shared");
        assert_eq!(place.try_lock().unwrap().keys.len(), MOST_KEYS + 1);
    }

    #[tokio::test]
    async fn a_failing_read_for_another_key_leaves_what_was_read_before() {
        let (secrets, asked) = secrets();
        let url = reference("lost-secret");
        let other = SecretKeyRef {
            key: "other".to_owned(),
            ..url.clone()
        };
        for _ in 0..2 {
            let text = secrets.text("shop", &url, Freshness::Usual).await;
            assert_eq!(text.unwrap().0, "redis://a");
            let text = secrets.text("shop", &other, Freshness::Usual).await;
            assert!(matches!(text, Err(SecretError::Api { .. })));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn all_who_wait_for_a_secret_share_a_failure_for_a_moment() {
        let (mut secrets, asked) = secrets();
        let failing = reference("failing-secret");
        let texts = (0..16).map(|_| secrets.text("shop", &failing, Freshness::Usual));
        for text in join_all(texts).await {
            assert!(matches!(text, Err(SecretError::Api { .. })));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // Once that moment is over, it is tried again.
        secrets.missing = Duration::ZERO;
        let text = secrets.text("shop", &failing, Freshness::Usual).await;
        assert!(matches!(text, Err(SecretError::Api { .. })));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn many_secrets_are_read_less_often() {
        for (count, seconds) in [
            (0, 10),
            (2, 10),
            (20, 10),
            (40, 20),
            (600, 300),
            (4_000, 300),
        ] {
            assert_eq!(current_for(count).as_secs(), seconds, "{count}");
        }
    }

    #[test]
    fn a_secret_is_current_for_its_time_and_a_missing_one_for_a_moment() {
        let read = |seconds: u64, content: Option<Arc<Content>>| Read {
            at: Instant::now()
                .checked_sub(Duration::from_secs(seconds))
                .unwrap(),
            content,
            spread: 0.8,
        };
        let there = Some(Arc::default());
        let twenty = Duration::from_secs(20);
        assert!(read(15, there.clone()).is_current(twenty, MISSING));
        assert!(!read(17, there.clone()).is_current(twenty, MISSING));
        assert!(!read(15, there).is_current(SHORTEST, MISSING));
        assert!(!read(3, None).is_current(LONGEST, MISSING));
    }
}
