//! Shoppers' tokens and the keys that they are checked by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flashsale_telemetry::Register;
use prometheus::{IntCounter, IntGaugeVec};

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
    read: IntCounter,
    failed: IntCounter,
    read_at: IntGaugeVec,
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

impl TokenMetrics {
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let checks = register.counters(
            "token_checks_total",
            "Bearer tokens by result: cached, verified, refused, or unavailable for want of keys.",
            &["result"],
        )?;
        Ok(Self {
            cached: checks.with_label_values(&["cached"]),
            verified: checks.with_label_values(&["verified"]),
            refused: checks.with_label_values(&["refused"]),
            unavailable: checks.with_label_values(&["unavailable"]),
        })
    }
}

impl JwksMetrics {
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let refreshes = register.counters(
            "jwks_refreshes_total",
            "Reads of the JSON Web Key Set by result.",
            &["result"],
        )?;
        Ok(Self {
            read: refreshes.with_label_values(&["ok"]),
            failed: refreshes.with_label_values(&["failed"]),
            read_at: register.gauges(
                "jwks_read_timestamp_seconds",
                "When the signing keys in use were read, in seconds since 1970.",
                &["issuer"],
            )?,
        })
    }

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
