//! Tokens that were verified, so that each costs one signature check and not one for every request.
//!
//! A set-associative cache: the digest of a token selects a bucket, and a full bucket forgets the
//! token that was used least recently. Neither a look-up nor an insertion ever looks at more than
//! [`WAYS`] entries, whatever tokens are sent, and requests with different tokens rarely meet at one
//! lock. Refused tokens are not kept: anybody can make up as many as they like.

use flashsale_domain::id::UserId;
use parking_lot::{Mutex, MutexGuard};
use ring::digest::{SHA256, digest};

/// Tokens of one bucket.
const WAYS: usize = 8;

/// Bytes of a SHA-256 digest.
const DIGEST_BYTES: usize = 32;

/// Stands for a token. The token itself is not kept, since it opens an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenDigest([u8; DIGEST_BYTES]);

impl TokenDigest {
    /// The SHA-256 digest of the whole token, signature included.
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; DIGEST_BYTES];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    fn bucket(&self, buckets: usize) -> usize {
        let [a, b, c, d, ..] = self.0;
        u32::from_le_bytes([a, b, c, d]) as usize % buckets
    }
}

/// One key of one issuer, by what it consists of: the same key read again has the same fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyFingerprint(pub(crate) u64);

/// Whom a token speaks for, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shopper {
    /// The claim `sub`.
    pub(crate) user: UserId,
    /// When the token ends.
    pub(crate) validity: Validity,
}

/// How long a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    /// The last second in which it is accepted: its `exp` and the leeway, in seconds since the Unix
    /// epoch.
    pub(crate) until: u64,
    /// The key that signed it; the token is refused as soon as the key is gone.
    pub(crate) key: KeyFingerprint,
}

/// Verified tokens, at most about as many as were asked for.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    /// Entries of a bucket are in the order in which they were last used, latest first.
    buckets: Box<[Mutex<Vec<Entry>>]>,
}

#[derive(Debug)]
struct Entry {
    digest: TokenDigest,
    shopper: Shopper,
}

impl VerifiedTokens {
    /// Room for this many tokens, rounded up to whole buckets; none with 0.
    pub(super) fn new(capacity: usize) -> Self {
        let buckets = capacity.div_ceil(WAYS);
        Self {
            buckets: (0..buckets).map(|_| Mutex::default()).collect(),
        }
    }

    /// The shopper of a token that was verified before, has not ended at `now`, and whose key
    /// `is_current`. A token that fails either is forgotten.
    pub(super) fn find(
        &self,
        digest: &TokenDigest,
        now: u64,
        is_current: impl Fn(KeyFingerprint) -> bool,
    ) -> Option<Shopper> {
        let mut bucket = self.bucket(digest)?;
        let place = bucket.iter().position(|entry| entry.digest == *digest)?;
        let Validity { until, key } = bucket[place].shopper.validity;
        if until < now || !is_current(key) {
            bucket.remove(place);
            return None;
        }
        bucket[..=place].rotate_right(1);
        Some(bucket[0].shopper.clone())
    }

    /// Remembers a token that was just verified, in the place of one that has ended or was not used
    /// for the longest time where its bucket is full.
    pub(super) fn insert(&self, digest: TokenDigest, shopper: Shopper, now: u64) {
        let Some(mut bucket) = self.bucket(&digest) else {
            return;
        };
        bucket.retain(|entry| entry.digest != digest && entry.shopper.validity.until >= now);
        bucket.truncate(WAYS - 1);
        bucket.insert(0, Entry { digest, shopper });
    }

    fn bucket(&self, digest: &TokenDigest) -> Option<MutexGuard<'_, Vec<Entry>>> {
        if self.buckets.is_empty() {
            return None;
        }
        let bucket = &self.buckets[digest.bucket(self.buckets.len())];
        Some(bucket.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyFingerprint = KeyFingerprint(7);
    const NOW: u64 = 1_000;

    fn shopper(user: &str, until: u64) -> Shopper {
        Shopper {
            user: UserId::new(user).unwrap(),
            validity: Validity { until, key: KEY },
        }
    }

    fn find(tokens: &VerifiedTokens, token: &str, now: u64) -> Option<String> {
        let found = tokens.find(&TokenDigest::of(token), now, |key| key == KEY);
        found.map(|shopper| shopper.user.as_str().to_owned())
    }

    #[test]
    fn a_token_is_known_until_it_ends_or_its_key_goes() {
        let tokens = VerifiedTokens::new(64);
        assert_eq!(find(&tokens, "a", NOW), None);
        tokens.insert(TokenDigest::of("a"), shopper("ann", NOW + 10), NOW);
        assert_eq!(find(&tokens, "a", NOW + 10).as_deref(), Some("ann"));
        assert_eq!(find(&tokens, "A", NOW), None);
        assert_eq!(find(&tokens, "a", NOW + 11), None);
        assert_eq!(find(&tokens, "a", NOW), None, "it was forgotten");
        tokens.insert(TokenDigest::of("a"), shopper("ann", NOW + 10), NOW);
        assert_eq!(tokens.find(&TokenDigest::of("a"), NOW, |_| false), None);
        assert_eq!(find(&tokens, "a", NOW), None, "it was forgotten");
    }

    #[test]
    fn a_full_bucket_forgets_what_has_ended_and_then_what_was_used_least_recently() {
        let tokens = VerifiedTokens::new(1);
        for token in 0..WAYS {
            let until = if token == 3 { NOW } else { NOW + 10 };
            let digest = TokenDigest::of(&token.to_string());
            tokens.insert(digest, shopper("ann", until), NOW);
        }
        assert!(find(&tokens, "0", NOW).is_some(), "now the latest");
        tokens.insert(TokenDigest::of("new"), shopper("bob", NOW + 10), NOW + 1);
        assert!(find(&tokens, "1", NOW + 1).is_some(), "3 had ended");
        for token in ["other", "another"] {
            tokens.insert(TokenDigest::of(token), shopper("bob", NOW + 10), NOW + 1);
        }
        for (token, is_known) in [("0", true), ("1", true), ("2", false), ("4", false)] {
            assert_eq!(find(&tokens, token, NOW + 1).is_some(), is_known, "{token}");
        }
        assert_eq!(tokens.buckets[0].lock().len(), WAYS);
    }

    #[test]
    fn any_number_of_tokens_takes_bounded_room() {
        let tokens = VerifiedTokens::new(100);
        for token in 0..5_000 {
            let digest = TokenDigest::of(&token.to_string());
            tokens.insert(digest, shopper("ann", NOW), NOW);
        }
        let kept = tokens.buckets.iter().map(|bucket| bucket.lock().len());
        let kept: usize = kept.sum();
        assert!((80..=104).contains(&kept), "{kept}");
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let tokens = VerifiedTokens::new(0);
        tokens.insert(TokenDigest::of("a"), shopper("ann", NOW), NOW);
        assert_eq!(find(&tokens, "a", NOW), None);
    }
}
