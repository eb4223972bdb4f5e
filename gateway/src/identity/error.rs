//! Why a shopper is not let in, and how that is answered.

use std::time::Duration;

use http::{HeaderValue, header::WWW_AUTHENTICATE};

use crate::problem::{Problem, ProblemKind, unavailable};

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
    #[error("tokens cannot be checked now: the identity provider's keys are out of reach")]
    NoKeys,
    /// The token names a key that is not known, and the keys were read too short a time ago to be
    /// read again, or could not be read.
    #[error(
        "the token's key is not known yet; the identity provider's keys are read again in a few \
         seconds, so try again then"
    )]
    KeyPending(Duration),
    /// The token is good, but its subject cannot be a user id.
    #[error(
        "the token is accepted, but its subject (sub) cannot be used as the shopper's id: it {0}; \
         have the identity provider issue another subject"
    )]
    Subject(String),
    /// The token is good, but lacks one of these scopes, which spaces separate.
    #[error(
        "the token is accepted, but does not have the scope needed: {0}; ask for it at sign-in"
    )]
    Scope(String),
}

/// A token that does not count.
pub(super) fn rejected(why: impl Into<String>) -> IdentityError {
    IdentityError::Rejected(why.into())
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        let challenge = match &error {
            IdentityError::NoKeys => return unavailable(error.to_string()),
            IdentityError::KeyPending(wait) => {
                return Self::new(ProblemKind::Unavailable, error.to_string()).retry_after(*wait);
            }
            IdentityError::Subject(_) => {
                return Self::new(ProblemKind::SubjectUnsupported, error.to_string());
            }
            IdentityError::Scope(scopes) => return insufficient_scope(scopes, &error),
            // RFC 6750: who brings no token is not told of an error.
            IdentityError::Missing => HeaderValue::from_static("Bearer"),
            IdentityError::Rejected(_) => {
                HeaderValue::from_static("Bearer error=\"invalid_token\"")
            }
        };
        Self::new(ProblemKind::Unauthorized, error.to_string()).header(WWW_AUTHENTICATE, challenge)
    }
}

/// RFC 6750, 3.1: tells the client which scopes to ask for.
fn insufficient_scope(scopes: &str, error: &IdentityError) -> Problem {
    let problem = Problem::new(ProblemKind::InsufficientScope, error.to_string());
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
    // The option takes only what a header may hold.
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => problem.header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}
