//! The keys in use, and how they are renewed: from time to time, and at once when a token names
//! a key that is not known, which is how a rotation shows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use flashsale_telemetry::probes::ReadinessHandle;
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    IdentityError,
    key_set::{KeySet, KeySetError, TokenRules, Verdict},
    source::{Source, SourceError},
    verified::{KeyFingerprint, Shopper},
};
use crate::metrics::JwksMetrics;

/// Unknown key ids have the keys read at most this often: anyone can make tokens up.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);

/// How long a shopper waits for the keys that their token asks for.
const UNKNOWN_KEY_PATIENCE: Duration = Duration::from_secs(2);

/// How long until the keys are tried again while none were ever read.
const FIRST_KEYS_INTERVAL: Duration = Duration::from_secs(2);

/// The keys in use.
#[derive(Debug)]
pub(super) struct KeyRing {
    source: Source,
    rules: TokenRules,
    metrics: JwksMetrics,
    /// None until keys were read for the first time. Keys that cannot be renewed stay in use.
    keys: ArcSwapOption<KeySet>,
    /// When the source was read last; the lock keeps readers from asking it all at once.
    last_read: Mutex<Option<Instant>>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the key set cannot be used: {0}")]
    Keys(#[from] KeySetError),
}

impl KeyRing {
    pub(super) fn new(source: Source, rules: TokenRules, metrics: JwksMetrics) -> Self {
        Self {
            source,
            rules,
            metrics,
            keys: ArcSwapOption::empty(),
            last_read: Mutex::default(),
        }
    }

    /// Checks a file at start, where a mistake can still be told to who made it. A URL may be
    /// out of reach for a while.
    pub(super) async fn read_file_now(&self) -> Result<(), SourceError> {
        if matches!(self.source, Source::File(_)) {
            self.source.read().await?;
        }
        Ok(())
    }

    /// The shopper whose token this is, by its signature and its claims.
    pub(super) async fn check(&self, token: &str) -> Result<Shopper, IdentityError> {
        let verdict = match self.keys() {
            Some(keys) => keys.judge(token),
            None => return Err(IdentityError::NoKeys),
        };
        if verdict == Verdict::UnknownKey {
            self.read_for_unknown_key().await;
            if let Some(keys) = self.keys() {
                return accepted(keys.judge(token));
            }
        }
        accepted(verdict)
    }

    /// Whether this key is in use.
    pub(super) fn has(&self, key: KeyFingerprint) -> bool {
        let keys = self.keys.load();
        keys.as_ref().is_some_and(|keys| keys.has(key))
    }

    async fn read_for_unknown_key(&self) {
        // Whether it came to pass shows in the keys.
        let _ = timeout(UNKNOWN_KEY_PATIENCE, async {
            let mut last = self.last_read.lock().await;
            if last.is_none_or(|last| last.elapsed() >= UNKNOWN_KEY_INTERVAL) {
                // Noted before reading: a source that hangs must not be asked by everyone in turn.
                *last = Some(Instant::now());
                let _ = self.read_and_note().await;
            }
        })
        .await;
    }

    async fn renew(&self) -> Result<(), ReadError> {
        let mut last = self.last_read.lock().await;
        *last = Some(Instant::now());
        self.read_and_note().await
    }

    async fn read_and_note(&self) -> Result<(), ReadError> {
        match self.read().await {
            Ok(keys) => {
                self.metrics.read.inc();
                tracing::debug!(keys = keys.len(), "read {} signing keys", keys.len());
                self.keys.store(Some(Arc::new(keys)));
                Ok(())
            }
            Err(error) => {
                self.metrics.failed.inc();
                tracing::warn!(%error, "signing keys could not be renewed: {error}");
                Err(error)
            }
        }
    }

    async fn read(&self) -> Result<KeySet, ReadError> {
        Ok(KeySet::parse(&self.source.read().await?, &self.rules)?)
    }

    fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }
}

fn accepted(verdict: Verdict) -> Result<Shopper, IdentityError> {
    match verdict {
        Verdict::Accepted(shopper) => Ok(shopper),
        Verdict::Rejected(why) => Err(IdentityError::Rejected(why)),
        Verdict::UnknownKey => Err(IdentityError::Rejected("its key is not known".to_owned())),
    }
}

/// The task that renews the keys.
#[derive(Debug)]
pub struct JwksRefresher {
    ring: Arc<KeyRing>,
    interval: Duration,
    readiness: ReadinessHandle,
}

impl JwksRefresher {
    pub(super) fn new(ring: Arc<KeyRing>, interval: Duration, readiness: ReadinessHandle) -> Self {
        Self {
            ring,
            interval,
            readiness,
        }
    }

    /// Renews the keys until `shutdown`. Keys that were read once keep the gateway ready.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let wait = match self.ring.renew().await {
                Err(error) if self.ring.keys().is_none() => {
                    self.readiness
                        .not_ready(format!("the signing keys could not be read: {error}"));
                    FIRST_KEYS_INTERVAL.min(self.interval)
                }
                Ok(()) | Err(_) => {
                    self.readiness.ready();
                    self.interval
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }
}
