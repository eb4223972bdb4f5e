//! Who a shopper is: nobody in particular (`off`), or the subject of their token (`jwt`).

pub(crate) mod bearer;
mod claims;
mod error;
mod jwks;
mod key_set;
mod refresher;
mod saved_keys;
mod signatures;
mod source;
mod unknown_keys;
mod verified;
mod verifier;

use std::sync::Arc;

use flashsale_domain::id::UserId;
use flashsale_telemetry::probes::ReadinessHandle;
use flashsale_transport::TlsSource;
use http::HeaderMap;

use crate::{
    config::{AuthMode, IdentityConfig},
    metrics::{JwksMetrics, TokenMetrics},
};

use claims::TokenRules;
pub use error::IdentityError;
use error::rejected;
use jwks::{KeyRing, KeyRingOptions};
pub use refresher::JwksRefresher;
use saved_keys::SavedKeys;
use source::Source;
#[cfg(test)]
pub(crate) use verified::KeyFingerprint;
use verified::Shopper;
pub(crate) use verified::Validity;
pub use verifier::TokenVerifier;

/// Why identity cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum IdentityConfigError {
    /// Something that `jwt` needs is missing.
    #[error(
        "--auth-mode jwt needs {0}; on one machine --auth-mode off takes shoppers at their word"
    )]
    Missing(&'static str),
    /// Not each issuer has its keys.
    #[error(
        "--jwks names {sets} key sets and --jwt-issuer {issuers} issuers; give both options the same \
         number of values, in the same order"
    )]
    Unpaired {
        /// Values of `--jwks`.
        sets: usize,
        /// Values of `--jwt-issuer`.
        issuers: usize,
    },
    /// One issuer is there twice.
    #[error("--jwt-issuer names {0} twice; an issuer has one key set")]
    Twice(String),
    /// The keys cannot be read from there.
    #[error(transparent)]
    Source(#[from] source::SourceError),
}

/// How shoppers are told apart.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Everyone is whoever they say.
    Off,
    /// Everyone is the subject of their token.
    Jwt(Arc<TokenVerifier>),
}

impl Identity {
    /// Identity as configured, and the task that keeps its keys fresh, where there are keys.
    pub async fn new(
        config: &IdentityConfig,
        metrics: (TokenMetrics, JwksMetrics),
        readiness: impl FnOnce() -> ReadinessHandle,
    ) -> Result<(Self, Option<JwksRefresher>), IdentityConfigError> {
        if config.auth_mode == AuthMode::Off {
            tracing::warn!(
                "AUTHENTICATION IS OFF: every shopper is whoever the request says; \
                 use --auth-mode jwt wherever strangers can connect"
            );
            return Ok((Self::Off, None));
        }
        let (token_metrics, jwks_metrics) = metrics;
        let saved = config.jwks_cache.as_deref().map(SavedKeys::load);
        let mut rings = Vec::new();
        for (source, rules) in issuers(config)? {
            let options = KeyRingOptions {
                metrics: jwks_metrics.of_issuer(&rules.issuer),
                saved: saved.clone(),
                max_stale: config.jwks_max_stale,
            };
            let ring = KeyRing::new(source, rules, options);
            ring.prepare().await?;
            rings.push(ring);
        }
        let refresher = JwksRefresher::new(rings.clone(), config.jwks_refresh, readiness());
        let verifier = TokenVerifier::new(rings, config.jwt_cache_tokens, token_metrics);
        Ok((Self::Jwt(Arc::new(verifier)), Some(refresher)))
    }

    /// True when requests themselves say who they come from.
    pub fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }

    /// The shopper by the headers of a request; none when identity is off.
    pub async fn of_headers(&self, headers: &HeaderMap) -> Result<Option<UserId>, IdentityError> {
        match self {
            Self::Off => Ok(None),
            Self::Jwt(verifier) => {
                let shopper = verifier.shopper(bearer::token(headers)?).await?;
                Ok(Some(shopper.user))
            }
        }
    }

    /// The shopper by the payload of a Socket.io handshake, of which `token` and `user_id` are
    /// parts; none for a shopper who stays anonymous, which identity `off` allows.
    pub(crate) async fn of_handshake(
        &self,
        token: Option<&str>,
        user_id: Option<&str>,
    ) -> Result<Option<SocketOwner>, IdentityError> {
        match self {
            Self::Jwt(verifier) => {
                let token = token.ok_or(IdentityError::Missing)?;
                Ok(Some(verifier.shopper(token).await?.into()))
            }
            Self::Off => {
                let user = user_id.map(UserId::new).transpose();
                let user = user.map_err(|error| rejected(format!("userId {error}")))?;
                let validity = None;
                Ok(user.map(|user| SocketOwner { user, validity }))
            }
        }
    }

    /// Whether a token has ended that was accepted before: by its time, or because its key is gone.
    pub(crate) fn is_ended(&self, validity: &Validity) -> bool {
        match self {
            Self::Jwt(verifier) => verifier.is_ended(validity),
            Self::Off => false,
        }
    }
}

/// Whose socket it is.
#[derive(Debug, Clone)]
pub(crate) struct SocketOwner {
    /// Who hears of their buys.
    pub(crate) user: UserId,
    /// How long the shopper's token is good; none where authentication is off.
    pub(crate) validity: Option<Validity>,
}

impl From<Shopper> for SocketOwner {
    fn from(Shopper { user, validity }: Shopper) -> Self {
        Self {
            user,
            validity: Some(validity),
        }
    }
}

/// Each issuer's key set, and the rules for its tokens.
fn issuers(config: &IdentityConfig) -> Result<Vec<(Source, TokenRules)>, IdentityConfigError> {
    let sets = needed(&config.jwks, "--jwks FILE|URL")?;
    let issuers = needed(&config.jwt_issuer, "--jwt-issuer ISSUER")?;
    let audiences = needed(&config.jwt_audience, "--jwt-audience AUDIENCE")?;
    if sets.len() != issuers.len() {
        let (sets, issuers) = (sets.len(), issuers.len());
        return Err(IdentityConfigError::Unpaired { sets, issuers });
    }
    for (place, issuer) in issuers.iter().enumerate() {
        if issuers[..place].contains(issuer) {
            return Err(IdentityConfigError::Twice(issuer.clone()));
        }
    }
    let each = sets.iter().zip(issuers).map(|(set, issuer)| {
        let tls = TlsSource::directory(config.jwks_tls.as_deref());
        let rules = TokenRules {
            issuer,
            audiences: audiences.clone(),
            audience_claim: config.jwt_audience_claim.clone(),
            algorithms: config.jwt_algorithms.clone(),
            leeway_seconds: config.jwt_leeway.as_secs(),
            types: config
                .jwt_type
                .iter()
                .map(|name| claims::plain_type(name))
                .collect(),
            scopes: given(&config.jwt_required_scope),
        };
        Ok((Source::parse(set, tls)?, rules))
    });
    each.collect()
}

/// The values of an option that has to have one.
fn needed(values: &[String], flag: &'static str) -> Result<Vec<String>, IdentityConfigError> {
    let values = given(values);
    if values.is_empty() {
        return Err(IdentityConfigError::Missing(flag));
    }
    Ok(values)
}

/// The values of an option; a variable that is set to nothing has none.
fn given(values: &[String]) -> Vec<String> {
    let trimmed = values.iter().map(|value| value.trim());
    let given = trimmed.filter(|value| !value.is_empty());
    given.map(str::to_owned).collect()
}
