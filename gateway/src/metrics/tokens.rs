//! Shoppers' tokens and the keys that they are checked by.

use prometheus::{IntCounter, Registry};

use super::counters;
use crate::identity::IdentityError;

/// Checks of tokens.
#[derive(Debug, Clone)]
pub struct TokenMetrics {
    /// Tokens that were known from before.
    pub cached: IntCounter,
    /// Tokens whose signature and claims were checked and found good.
    pub verified: IntCounter,
    /// Tokens that were refused.
    pub refused: IntCounter,
    /// Tokens that could not be checked, for want of keys.
    pub unavailable: IntCounter,
}

/// Reads of the signing keys.
#[derive(Debug, Clone)]
pub struct JwksMetrics {
    /// Key sets read.
    pub read: IntCounter,
    /// Key sets that could not be read.
    pub failed: IntCounter,
}

impl TokenMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let checks = counters(
            registry,
            "flashsale_gateway_token_checks_total",
            "Bearer tokens by result: cached, verified, refused, or unavailable for want of keys.",
            "result",
        )?;
        Ok(Self {
            cached: checks.with_label_values(&["cached"]),
            verified: checks.with_label_values(&["verified"]),
            refused: checks.with_label_values(&["refused"]),
            unavailable: checks.with_label_values(&["unavailable"]),
        })
    }

    /// Counts a token that was not known from before.
    pub(crate) fn count<T>(&self, outcome: &Result<T, IdentityError>) {
        match outcome {
            Ok(_) => self.verified.inc(),
            Err(IdentityError::NoKeys) => self.unavailable.inc(),
            Err(IdentityError::Missing | IdentityError::Rejected(_)) => self.refused.inc(),
        }
    }
}

impl JwksMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let refreshes = counters(
            registry,
            "flashsale_gateway_jwks_refreshes_total",
            "Reads of the JSON Web Key Set by result.",
            "result",
        )?;
        Ok(Self {
            read: refreshes.with_label_values(&["ok"]),
            failed: refreshes.with_label_values(&["failed"]),
        })
    }
}
