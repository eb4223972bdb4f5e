//! Whose token it is: by a look-up where it was verified before, else by its signature and claims.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    IdentityError,
    jwks::KeyRing,
    verified::{KeyFingerprint, Shopper, TokenDigest, VerifiedTokens},
};
use crate::metrics::TokenMetrics;

/// Checks tokens.
#[derive(Debug)]
pub struct TokenVerifier {
    ring: Arc<KeyRing>,
    verified: VerifiedTokens,
    metrics: TokenMetrics,
}

impl TokenVerifier {
    /// Checks by the keys of `ring`, and remembers about `capacity` tokens.
    pub(super) fn new(ring: Arc<KeyRing>, capacity: usize, metrics: TokenMetrics) -> Self {
        Self {
            ring,
            verified: VerifiedTokens::new(capacity),
            metrics,
        }
    }

    /// The shopper whose token this is.
    pub(super) async fn shopper(&self, token: &str) -> Result<Shopper, IdentityError> {
        let digest = TokenDigest::of(token);
        let is_current = |key| self.is_current(key);
        if let Some(shopper) = self.verified.find(&digest, unix_seconds(), is_current) {
            self.metrics.cached.inc();
            return Ok(shopper);
        }
        let outcome = self.ring.check(token).await;
        self.metrics.count(&outcome);
        if let Ok(shopper) = &outcome {
            self.verified
                .insert(digest, shopper.clone(), unix_seconds());
        }
        outcome
    }

    /// Whether tokens that this key signed count.
    fn is_current(&self, key: KeyFingerprint) -> bool {
        self.ring.has(key)
    }
}

/// Seconds since the Unix epoch. A clock before it is one with which no token has ended; the library
/// that reads `exp` stops there, so this does not get far.
pub(super) fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
