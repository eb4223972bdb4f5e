//! Who is let in: whoever has the operations token.

use std::time::Instant;

use http::{HeaderValue, header::WWW_AUTHENTICATE};
use prometheus::IntCounter;
use subtle::ConstantTimeEq as _;

use crate::{
    client::Client,
    config::Hidden,
    log_budget::LogBudget,
    problem::{Problem, ProblemKind},
};

/// Lines about refused attempts of this process.
static ATTEMPTS: LogBudget = LogBudget::new();

/// Keeps the token, and counts those who do not have it.
#[derive(Debug)]
pub(super) struct AccessCheck {
    token: Hidden,
    refused: IntCounter,
}

/// Somebody without the operations token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the operations token; use the one that the gateway was started with")]
pub struct NotAdmitted;

impl AccessCheck {
    pub(super) fn new(token: Hidden, refused: IntCounter) -> Self {
        Self { token, refused }
    }

    /// Lets in who brings the token. The comparison takes the same time wherever they differ.
    pub(super) fn admit(
        &self,
        token: Option<&str>,
        client: Option<Client>,
    ) -> Result<(), NotAdmitted> {
        let expected = self.token.reveal().as_bytes();
        let is_it = token.is_some_and(|token| token.as_bytes().ct_eq(expected).into());
        if is_it {
            return Ok(());
        }
        self.refused.inc();
        if let Some(left_out) = ATTEMPTS.spend(Instant::now()) {
            tracing::warn!(
                client = client.map(tracing::field::display),
                left_out,
                "refused an attempt to use operations without the operations token"
            );
        }
        Err(NotAdmitted)
    }
}

impl From<NotAdmitted> for Problem {
    fn from(error: NotAdmitted) -> Self {
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Self::new(ProblemKind::Unauthorized, error.to_string()).header(WWW_AUTHENTICATE, challenge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_let_in_and_the_rest_is_counted() {
        let refused = IntCounter::new("refused", "refused").unwrap();
        let token = "the-operations-token".parse().unwrap();
        let access = AccessCheck::new(token, refused.clone());
        assert_eq!(access.admit(Some("the-operations-token"), None), Ok(()));
        let wrong = [
            None,
            Some(""),
            Some("the-operations-toke"),
            Some("the-operations-token "),
            Some("the-operations-tokeN"),
        ];
        for token in wrong {
            assert_eq!(access.admit(token, None), Err(NotAdmitted), "{token:?}");
        }
        assert_eq!(refused.get(), 5);
    }
}
