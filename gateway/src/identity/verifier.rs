//! Whose token it is: by a look-up where it was verified before, else by its signature and claims.

use std::sync::Arc;

use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;

use super::{
    error::{IdentityError, rejected},
    jwks::KeyRing,
    verified::{KeyFingerprint, Shopper, TokenDigest, Validity, VerifiedTokens},
};
use crate::{metrics::TokenMetrics, unix_time::unix_seconds};

/// Checks tokens.
#[derive(Debug)]
pub struct TokenVerifier {
    /// One ring for each issuer, at least one.
    rings: Vec<Arc<KeyRing>>,
    verified: VerifiedTokens,
    metrics: TokenMetrics,
}

/// What a token says of its issuer, before anybody has checked it.
#[derive(Deserialize)]
struct ClaimedIssuer {
    iss: String,
}

impl TokenVerifier {
    /// Checks by the keys of `rings`, and remembers about `capacity` tokens.
    pub(super) fn new(rings: Vec<Arc<KeyRing>>, capacity: usize, metrics: TokenMetrics) -> Self {
        Self {
            rings,
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
        let outcome = self.check(token).await;
        count(&self.metrics, &outcome);
        if let Ok(shopper) = &outcome {
            self.verified
                .insert(digest, shopper.clone(), unix_seconds());
        }
        outcome
    }

    async fn check(&self, token: &str) -> Result<Shopper, IdentityError> {
        if let [ring] = self.rings.as_slice() {
            return ring.check(token).await;
        }
        // Only says whose keys to take; they check this claim with all others.
        let claimed = insecure_decode_claims::<ClaimedIssuer>(token);
        let issuer = claimed
            .map_err(|_| rejected("it is malformed, or lacks the claim iss"))?
            .iss;
        let ring = self.rings.iter().find(|ring| ring.issuer() == issuer);
        ring.ok_or_else(|| rejected("it is of another issuer"))?
            .check(token)
            .await
    }

    /// Whether a token that was accepted before counts no more.
    pub(super) fn is_ended(&self, validity: &Validity) -> bool {
        validity.until < unix_seconds() || !self.is_current(validity.key)
    }

    /// Whether tokens that this key signed count.
    fn is_current(&self, key: KeyFingerprint) -> bool {
        self.rings.iter().any(|ring| ring.has(key))
    }
}

/// Counts a token that was not known from before.
fn count(metrics: &TokenMetrics, outcome: &Result<Shopper, IdentityError>) {
    match outcome {
        Ok(_) => metrics.verified.inc(),
        Err(IdentityError::NoKeys | IdentityError::KeyPending(_)) => metrics.unavailable.inc(),
        Err(_) => metrics.refused.inc(),
    }
}
