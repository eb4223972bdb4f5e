//! Shoppers' tokens and the keys that they are checked by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flashsale_telemetry::metrics;
use prometheus::{IntCounter, IntGaugeVec};

metrics! {
    /// Checks of tokens.
    pub struct TokenMetrics {}
    checks: counters("token_checks_total",
        "Bearer tokens by result: cached, verified, refused, or unavailable for want of keys.",
        "result") {
        /// Known from before.
        cached: "cached",
        /// Signature and claims were checked and found good.
        verified: "verified",
        /// Refused.
        refused: "refused",
        /// Not checked, for want of keys.
        unavailable: "unavailable",
    }
}

metrics! {
    /// Reads of the signing keys.
    pub struct JwksMetrics {
        read_at: gauges("jwks_read_timestamp_seconds",
            "When the signing keys in use were read, in seconds since 1970.", &["issuer"]),
    }
    refreshes: counters("jwks_refreshes_total", "Reads of the JSON Web Key Set by result.", "result") {
        /// Read.
        read: "ok",
        /// Not to be read.
        failed: "failed",
    }
}

/// Reads of the signing keys of one issuer.
#[derive(Debug, Clone)]
pub struct IssuerMetrics {
    /// Key sets read.
    pub read: IntCounter,
    /// Key sets that could not be read.
    pub failed: IntCounter,
    issuer: String,
    read_at: IntGaugeVec,
}

impl JwksMetrics {
    /// The same for one issuer, of those that the configuration names.
    pub(crate) fn of_issuer(&self, issuer: &str) -> IssuerMetrics {
        IssuerMetrics {
            read: self.read.clone(),
            failed: self.failed.clone(),
            issuer: issuer.to_owned(),
            read_at: self.read_at.clone(),
        }
    }
}

impl IssuerMetrics {
    /// The keys in use were read so long ago.
    pub(crate) fn show_age(&self, age: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let read_at = now.unwrap_or_default().saturating_sub(age).as_secs();
        self.read_at
            .with_label_values(&[&self.issuer])
            .set(i64::try_from(read_at).unwrap_or(i64::MAX));
    }
}
