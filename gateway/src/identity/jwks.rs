//! The keys of one issuer, and how they are renewed: from time to time, and at once when a token
//! names a key that is not known, which is how a rotation shows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use super::{
    claims::TokenRules,
    error::{IdentityError, rejected},
    key_set::{KeySet, KeySetError, Verdict},
    saved_keys::SavedKeys,
    source::{Source, SourceError},
    unknown_keys::UnknownKeys,
    verified::{KeyFingerprint, Shopper},
};
use crate::metrics::IssuerMetrics;

/// Unknown key ids have the keys read at most this often: anyone can make tokens up.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(5);

/// How long a shopper waits for the keys that their token asks for. The read goes on without them.
const UNKNOWN_KEY_PATIENCE: Duration = Duration::from_secs(2);

/// How long one read may take: more than the HTTP client allows itself, for files that hang.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeyRing {
    source: Source,
    rules: TokenRules,
    options: KeyRingOptions,
    /// None until keys were read for the first time, and when they have become too old.
    keys: ArcSwapOption<KeySet>,
    reads: Mutex<Reads>,
    /// How the last read ended; changes with each read.
    finished: watch::Sender<ReadOutcome>,
    unknown: UnknownKeys,
}

/// What a key ring is told by and about.
#[derive(Debug)]
pub(super) struct KeyRingOptions {
    /// Counts reads.
    pub(super) metrics: IssuerMetrics,
    /// Where the last good copy is kept, if anywhere.
    pub(super) saved: Option<Arc<SavedKeys>>,
    /// For how long keys count that cannot be renewed.
    pub(super) max_stale: Duration,
}

/// The error is told by readiness; that it was logged and counted is done.
type ReadOutcome = Result<(), String>;

#[derive(Debug, Default)]
struct Reads {
    started: Option<Instant>,
    is_running: bool,
    /// When the read began that brought the keys in use; none for a saved copy.
    in_use_since: Option<Instant>,
    /// When the keys in use become too old, unless they are read again.
    stale_at: Option<Instant>,
}

/// What became of the wish to read the keys.
#[derive(Debug)]
enum Start {
    Begun,
    /// Somebody else's read is under way.
    Running,
    /// They were read a moment ago; how long until they may be read again.
    TooSoon(Duration),
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the key set cannot be used: {0}")]
    Keys(#[from] KeySetError),
    #[error("reading them took longer than {} s", READ_LIMIT.as_secs())]
    TooSlow,
}

impl KeyRing {
    /// A ring without keys.
    pub(super) fn new(source: Source, rules: TokenRules, options: KeyRingOptions) -> Arc<Self> {
        Arc::new(Self {
            source,
            rules,
            options,
            keys: ArcSwapOption::empty(),
            reads: Mutex::default(),
            finished: watch::Sender::new(Ok(())),
            unknown: UnknownKeys::default(),
        })
    }

    /// Gets ready for the first read: takes the saved copy into use, where there is one that is not
    /// too old. A file is checked now, while a mistake can still be told to whoever made it; a URL
    /// may be out of reach for a while.
    pub(super) async fn prepare(&self) -> Result<(), SourceError> {
        let Some(address) = self.source.address() else {
            return self.source.read().await.map(drop);
        };
        let Some(saved) = &self.options.saved else {
            return Ok(());
        };
        let Some((json, age)) = saved.copy_of(address).await else {
            return Ok(());
        };
        let age_seconds = age.as_secs();
        match KeySet::parse(&json, &self.rules) {
            Ok(keys) if age < self.options.max_stale => {
                tracing::info!(
                    age_seconds,
                    address,
                    "checking tokens by the saved keys of {address}, read {age_seconds} s ago, \
                     until it answers"
                );
                self.put_to_use(keys, age);
            }
            Ok(_) => tracing::warn!(
                age_seconds,
                address,
                "the saved keys of {address} are too old to be used: {age_seconds} s"
            ),
            Err(error) => {
                tracing::warn!(%error, address, "the saved keys of {address} cannot be used: {error}");
            }
        }
        Ok(())
    }

    /// The claim `iss` of the tokens that these keys check.
    pub(super) fn issuer(&self) -> &str {
        &self.rules.issuer
    }

    /// Whether this key is in use.
    pub(super) fn has(&self, key: KeyFingerprint) -> bool {
        let keys = self.keys.load();
        keys.as_ref().is_some_and(|keys| keys.has(key))
    }

    /// Whether there are keys that are not too old.
    pub(super) fn has_keys(&self) -> bool {
        self.keys.load().is_some()
    }

    /// The shopper whose token this is, by its signature and its claims.
    pub(super) async fn check(self: &Arc<Self>, token: &str) -> Result<Shopper, IdentityError> {
        match self.judge(token)? {
            Verdict::Accepted(shopper) => return Ok(shopper),
            Verdict::Refused(error) => return Err(error),
            Verdict::UnknownKey(id) => self.unknown.note(&id),
        }
        self.wait_for_newer_keys().await?;
        match self.judge(token)? {
            Verdict::Accepted(shopper) => Ok(shopper),
            Verdict::Refused(error) => Err(error),
            Verdict::UnknownKey(_) => Err(IdentityError::KeyPending(self.until_next_read())),
        }
    }

    /// What the keys in use say of a token. A key that is not among them although they were read since
    /// a token first named it is no key.
    fn judge(&self, token: &str) -> Result<Verdict, IdentityError> {
        let keys = self.keys.load_full().ok_or(IdentityError::NoKeys)?;
        let verdict = keys.judge(token, &self.rules);
        if let Verdict::UnknownKey(id) = &verdict
            && let Some(read) = self.reads.lock().in_use_since
            && self.unknown.is_settled(id, read)
        {
            return Ok(Verdict::Refused(rejected("its key is not known")));
        }
        Ok(verdict)
    }

    /// Has the keys read for a token whose key is not among them, and waits a moment for them.
    async fn wait_for_newer_keys(self: &Arc<Self>) -> Result<(), IdentityError> {
        let mut finished = self.finished.subscribe();
        if let Start::TooSoon(wait) = self.start_read(UNKNOWN_KEY_INTERVAL) {
            return Err(IdentityError::KeyPending(wait));
        }
        // Whether they came in time shows in the keys.
        let _ = timeout(UNKNOWN_KEY_PATIENCE, finished.changed()).await;
        Ok(())
    }

    /// Reads the keys now, or waits for the read that is under way.
    pub(super) async fn renew(self: &Arc<Self>) -> Result<(), String> {
        let mut finished = self.finished.subscribe();
        self.start_read(Duration::ZERO);
        // Fails when the sender is gone, which is this ring's.
        let _ = finished.changed().await;
        finished.borrow().clone()
    }

    /// Has the keys read by a task of its own, which no caller's patience ends.
    fn start_read(self: &Arc<Self>, interval: Duration) -> Start {
        let mut reads = self.reads.lock();
        if reads.is_running {
            return Start::Running;
        }
        if let Some(wait) = reads.wait(interval) {
            return Start::TooSoon(wait);
        }
        // Noted before reading: a source that hangs must not be asked by everyone in turn.
        reads.started = Some(Instant::now());
        reads.is_running = true;
        drop(reads);
        let ring = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = ring.read_and_note().await;
            ring.reads.lock().is_running = false;
            let _ = ring.finished.send_replace(outcome);
        });
        Start::Begun
    }

    fn until_next_read(&self) -> Duration {
        self.reads
            .lock()
            .wait(UNKNOWN_KEY_INTERVAL)
            .unwrap_or_default()
    }

    async fn read_and_note(&self) -> ReadOutcome {
        let read = timeout(READ_LIMIT, self.read());
        match read.await.unwrap_or(Err(ReadError::TooSlow)) {
            Ok((keys, json)) => {
                tracing::debug!(keys = keys.len(), "read {} signing keys", keys.len());
                self.options.metrics.read.inc();
                self.put_to_use(keys, Duration::ZERO);
                self.reads.lock().note_in_use();
                if let (Some(saved), Some(address)) = (&self.options.saved, self.source.address()) {
                    saved.save(address, &json).await;
                }
                Ok(())
            }
            Err(error) => {
                self.options.metrics.failed.inc();
                let issuer = self.issuer();
                tracing::warn!(
                    %error,
                    issuer,
                    "the signing keys of {issuer} could not be renewed: {error}"
                );
                Err(error.to_string())
            }
        }
    }

    async fn read(&self) -> Result<(KeySet, Vec<u8>), ReadError> {
        let json = self.source.read().await?;
        Ok((KeySet::parse(&json, &self.rules)?, json))
    }

    fn put_to_use(&self, keys: KeySet, age: Duration) {
        let left = self.options.max_stale.saturating_sub(age);
        self.reads.lock().stale_at = Instant::now().checked_add(left);
        self.options.metrics.show_age(age);
        self.keys.store(Some(Arc::new(keys)));
    }

    /// Takes keys out of use that are too old; answers when that is, where it is still to come.
    pub(super) fn drop_stale(&self) -> Option<Duration> {
        let stale_at = self.reads.lock().stale_at?;
        let left = stale_at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.reads.lock().stale_at = None;
            self.keys.store(None);
            tracing::error!(
                issuer = self.issuer(),
                "the signing keys of {} could not be renewed for --jwks-max-stale-seconds; tokens \
                 are refused until they can be read again",
                self.issuer()
            );
            return None;
        }
        Some(left)
    }
}

impl Reads {
    /// The keys in use are those of the last read. Noted after they are: what was judged by the keys
    /// before must not be taken for settled.
    fn note_in_use(&mut self) {
        self.in_use_since = self.started;
    }

    /// How long until `interval` has passed since the last read began; none when it has.
    fn wait(&self, interval: Duration) -> Option<Duration> {
        let wait = interval.checked_sub(self.started?.elapsed())?;
        (!wait.is_zero()).then_some(wait)
    }
}
