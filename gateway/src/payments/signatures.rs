//! What both kinds of signed messages have in common: secrets of which there are two while they are changed,
//! and a time that must not be long ago, so that nobody sends an old message again.

use ring::hmac::{HMAC_SHA256, Key, Tag, sign};
use subtle::ConstantTimeEq as _;

/// Seconds that a message's time may be off by: what Stripe's libraries and Standard Webhooks allow.
const TOLERANCE_SECONDS: u64 = 300;

/// Why a message is not believed. None of them says which part of a signature was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSignature {
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    #[error(
        "the message was signed more than {TOLERANCE_SECONDS} s ago, or in the future; see both clocks"
    )]
    Time,
    #[error("no signature is of a secret that is known here")]
    Wrong,
}

/// The secrets of one provider, of which the first signs. At least one.
#[derive(Debug, Clone)]
pub(super) struct Secrets(Vec<Key>);

impl Secrets {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let keys = secrets
            .into_iter()
            .map(|secret| Key::new(HMAC_SHA256, secret));
        Self(keys.collect())
    }

    /// The codes of `message`, one for each secret.
    pub(super) fn codes<'a>(&'a self, message: &'a [u8]) -> impl Iterator<Item = Tag> + 'a {
        self.0.iter().map(move |key| sign(key, message))
    }

    /// Whether one of the `given` texts is the code of `message`, as `encode` writes it.
    pub(super) fn check(
        &self,
        message: &[u8],
        given: &[&str],
        encode: impl Fn(&Tag) -> String,
    ) -> Result<(), BadSignature> {
        let known: Vec<String> = self.codes(message).map(|code| encode(&code)).collect();
        let is_known = |given: &&str| {
            let mut all = known.iter();
            all.any(|code| code.as_bytes().ct_eq(given.as_bytes()).into())
        };
        given
            .iter()
            .any(is_known)
            .then_some(())
            .ok_or(BadSignature::Wrong)
    }
}

/// Whether a message of this time may be read at `now`, both in seconds since the Unix epoch.
pub(super) fn check_time(signed_at: u64, now: u64) -> Result<(), BadSignature> {
    let is_close = signed_at.abs_diff(now) <= TOLERANCE_SECONDS;
    is_close.then_some(()).ok_or(BadSignature::Time)
}
