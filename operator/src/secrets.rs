//! Reads Secrets one by one, and remembers each for a moment.
//!
//! Watching them would need the right to list all Secrets of a namespace; reading those that sales
//! name needs `get` alone. A changed Secret is picked up within [`FRESH`] and a sale's next visit.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use flashsale_core::{
    connect::tls::{CertificateError, Certificates, FILES},
    sale::spec::SecretKeyRef,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, core::ObjectMeta};

/// How long a read Secret counts as current: hundreds of sales of one namespace share a read.
const FRESH: Duration = Duration::from_secs(10);

/// Why an address could not be read from its Secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such Secret.
    #[error(
        "there is no Secret {namespace}/{name}; create it with the address under key {key}, or name another one"
    )]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key that is wanted.
        key: String,
    },
    /// It has no such key.
    #[error(
        "Secret {namespace}/{name} has no key {key}; add the address under it, or name another key"
    )]
    NoKey {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key that is wanted.
        key: String,
    },
    /// The value is not text.
    #[error("key {key} of Secret {namespace}/{name} is not UTF-8 text; write the address as text")]
    NotText {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// What it has beside the address cannot be used for TLS.
    #[error("the certificates in Secret {namespace}/{name} cannot be used: {source}")]
    Certificates {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong.
        source: CertificateError,
    },
    /// The API server did not give it.
    #[error("Secret {namespace}/{name} could not be read: {source}")]
    Api {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl SecretError {
    /// Whether somebody has to mend the Secret, rather than the API server.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        !matches!(self, Self::Api { .. })
    }
}

/// Secrets read lately, by namespace and name.
type Remembered = HashMap<(String, String), (Instant, Secret)>;

/// Reads Secrets.
pub struct Secrets {
    client: Client,
    remembered: Mutex<Remembered>,
}

impl Secrets {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            remembered: Mutex::default(),
        }
    }

    /// The text under the key that `reference` names, and the version of the Secret that it was read
    /// from.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub async fn text(
        &self,
        namespace: &str,
        reference: &SecretKeyRef,
    ) -> Result<(String, String), SecretError> {
        let name = &reference.name;
        let of = || (namespace.to_owned(), name.clone(), reference.key.clone());
        let secret = self.read(namespace, name).await?.ok_or_else(|| {
            let (namespace, name, key) = of();
            SecretError::Missing {
                namespace,
                name,
                key,
            }
        })?;
        let version = version(&secret);
        let value = secret.data.unwrap_or_default().remove(&reference.key);
        let value = value.ok_or_else(|| {
            let (namespace, name, key) = of();
            SecretError::NoKey {
                namespace,
                name,
                key,
            }
        })?;
        // A line end at the end of a file that became a Secret is no part of an address.
        let text = String::from_utf8(value.0).map_err(|_| {
            let (namespace, name, key) = of();
            SecretError::NotText {
                namespace,
                name,
                key,
            }
        })?;
        Ok((text.trim().to_owned(), version))
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
    ) -> Result<Certificates, SecretError> {
        let name = &reference.name;
        let secret = self.read(namespace, name).await?;
        let mut data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let [authority, certificate, key] =
            FILES.map(|file| data.remove(file).map(|value| value.0));
        Certificates::new(authority, certificate, key).map_err(|source| SecretError::Certificates {
            namespace: namespace.to_owned(),
            name: name.clone(),
            source,
        })
    }

    /// Whether the Secret `name` has `label` with `value`; none when there is no such Secret.
    ///
    /// # Errors
    /// When the API server does not give it.
    pub async fn is_labelled(
        &self,
        namespace: &str,
        name: &str,
        (label, value): (&str, &str),
    ) -> Result<Option<bool>, SecretError> {
        let secret = self.read(namespace, name).await?;
        Ok(secret.map(|secret| {
            let labels = secret.metadata.labels.unwrap_or_default();
            labels.get(label).is_some_and(|found| found == value)
        }))
    }

    async fn read(&self, namespace: &str, name: &str) -> Result<Option<Secret>, SecretError> {
        let place = (namespace.to_owned(), name.to_owned());
        if let Some(remembered) = self.remembered(&place) {
            return Ok(Some(remembered));
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get_opt(name).await.map_err(|source| SecretError::Api {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        let mut all = self.lock();
        all.retain(|_, (read, _)| read.elapsed() < FRESH);
        // A missing one is asked for each time, so that its arrival is noticed at once.
        if let Some(secret) = &secret {
            all.insert(place, (Instant::now(), secret.clone()));
        }
        Ok(secret)
    }

    fn remembered(&self, place: &(String, String)) -> Option<Secret> {
        let all = self.lock();
        let (read, secret) = all.get(place)?;
        (read.elapsed() < FRESH).then(|| secret.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another with every change of anything of the Secret.
fn version(secret: &Secret) -> String {
    let ObjectMeta {
        uid,
        resource_version,
        ..
    } = &secret.metadata;
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", of(uid), of(resource_version))
}
