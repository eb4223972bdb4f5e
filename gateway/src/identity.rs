//! Who a shopper is: nobody in particular (`off`), or the subject of their token (`jwt`).

pub(crate) mod bearer;
mod jwks;
mod key_set;
mod signatures;
mod source;
mod verified;
mod verifier;

use std::sync::Arc;

use flashsale_core::{connect::TlsSource, id::UserId};
use flashsale_telemetry::probes::ReadinessHandle;
use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};

use crate::{
    config::{AuthMode, IdentityConfig},
    metrics::{JwksMetrics, TokenMetrics},
    problem::{Problem, ProblemKind, unavailable},
};

pub use jwks::JwksRefresher;
use jwks::KeyRing;
use key_set::TokenRules;
use source::Source;
pub use verifier::TokenVerifier;

/// Why a shopper is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No token came along.
    #[error("no bearer token; send the header \"Authorization: Bearer TOKEN\"")]
    Missing,
    /// A token came along that does not count.
    #[error("the token is not accepted: {0}; sign in again")]
    Rejected(String),
    /// No keys are known yet to check tokens with.
    #[error("tokens cannot be checked yet: the identity provider's keys are out of reach")]
    NoKeys,
}

/// Why identity cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum IdentityConfigError {
    /// Something that `jwt` needs is missing.
    #[error(
        "--auth-mode jwt needs {0}; on one machine --auth-mode off takes shoppers at their word"
    )]
    Missing(&'static str),
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
        let needed = |value: &Option<String>, flag| {
            let given = value.clone().filter(|text| !text.is_empty());
            given.ok_or(IdentityConfigError::Missing(flag))
        };
        let tls = TlsSource::directory(config.jwks_tls.as_deref());
        let source = Source::parse(&needed(&config.jwks, "--jwks FILE|URL")?, tls)?;
        let rules = TokenRules {
            issuer: needed(&config.jwt_issuer, "--jwt-issuer ISSUER")?,
            audience: needed(&config.jwt_audience, "--jwt-audience AUDIENCE")?,
            algorithms: config.jwt_algorithms.clone(),
            leeway_seconds: config.jwt_leeway_seconds,
        };
        let (token_metrics, jwks_metrics) = metrics;
        let ring = Arc::new(KeyRing::new(source, rules, jwks_metrics));
        ring.read_file_now().await?;
        let refresher = JwksRefresher::new(Arc::clone(&ring), config.jwks_refresh(), readiness());
        let verifier = TokenVerifier::new(ring, config.jwt_cache_tokens, token_metrics);
        Ok((Self::Jwt(Arc::new(verifier)), Some(refresher)))
    }

    /// True when requests themselves say who they come from.
    #[must_use]
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
    pub async fn of_handshake(
        &self,
        token: Option<&str>,
        user_id: Option<&str>,
    ) -> Result<Option<UserId>, IdentityError> {
        match self {
            Self::Jwt(verifier) => {
                let shopper = verifier
                    .shopper(token.ok_or(IdentityError::Missing)?)
                    .await?;
                Ok(Some(shopper.user))
            }
            Self::Off => user_id
                .map(UserId::new)
                .transpose()
                .map_err(|error| IdentityError::Rejected(format!("userId {error}"))),
        }
    }
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let challenge = match &error {
            IdentityError::NoKeys => return unavailable(error.to_string()),
            // RFC 6750: who brings no token is not told of an error.
            IdentityError::Missing => HeaderValue::from_static("Bearer"),
            IdentityError::Rejected(_) => {
                HeaderValue::from_static("Bearer error=\"invalid_token\"")
            }
        };
        Self::new(ProblemKind::Unauthorized, error.to_string()).header(WWW_AUTHENTICATE, challenge)
    }
}
