//! What passes and challenges are made with.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flashsale_domain::id::{SaleId, UserId};
use rand::RngCore as _;
use ring::hmac::{Context, HMAC_SHA256, Key, Tag};
use subtle::ConstantTimeEq as _;

/// Bytes of a code of HMAC-SHA256.
const MAC_BYTES: usize = 32;

/// For how long a challenge is given, in seconds. One of the time before is still accepted.
const CHALLENGE_SECONDS: u64 = 600;

/// For how long a pass that has ended still counts, in seconds. So a buy that began with a good pass
/// can be repeated until it is answered, and clocks of gateways may differ.
const GRACE_SECONDS: u64 = 120;

/// Why a pass does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPass {
    /// None came along.
    #[error("this sale asks for a pass: get one at POST /pass and send it as Flashsale-Pass")]
    Missing,
    /// It was good once.
    #[error("the pass has ended; get a new one at POST /pass")]
    Ended,
    /// It was issued to somebody else, for another sale, with another secret, or by nobody.
    #[error("the pass is not one of this shopper for this sale; get one at POST /pass")]
    Wrong,
}

/// The secrets, ready for use: the first signs, all are accepted.
pub(super) struct PassKeys(Vec<Key>);

impl PassKeys {
    /// Keys of these secrets, or of one that is made up where there is none.
    pub(super) fn new(secrets: &[&str]) -> Self {
        if secrets.is_empty() {
            let mut secret = [0; MAC_BYTES];
            rand::rng().fill_bytes(&mut secret);
            return Self(vec![Key::new(HMAC_SHA256, &secret)]);
        }
        let keys = secrets
            .iter()
            .map(|secret| Key::new(HMAC_SHA256, secret.as_bytes()));
        Self(keys.collect())
    }

    /// A pass that ends after the second `until`; none without a key. It counts for
    /// [`GRACE_SECONDS`] more.
    pub(super) fn issue(&self, sale: &SaleId, user: &UserId, until: u64) -> Option<String> {
        let mac = code(self.0.first()?, Purpose::Pass, until, sale, user);
        Some(format!("{until}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref())))
    }

    /// Whether this is a pass of `user` for `sale` in the second `now`. One HMAC as long as there is one
    /// secret, and no allocation.
    pub(super) fn check(
        &self,
        pass: &str,
        sale: &SaleId,
        user: &UserId,
        now: u64,
    ) -> Result<(), BadPass> {
        let (until, mac) = pass.split_once('.').ok_or(BadPass::Wrong)?;
        let until: u64 = until.parse().map_err(|_| BadPass::Wrong)?;
        if until.saturating_add(GRACE_SECONDS) < now {
            return Err(BadPass::Ended);
        }
        // What is decoded is estimated before.
        let mut decoded = [0; MAC_BYTES + 4];
        let given = match URL_SAFE_NO_PAD.decode_slice(mac, &mut decoded) {
            Ok(MAC_BYTES) => &decoded[..MAC_BYTES],
            _ => return Err(BadPass::Wrong),
        };
        let is_one = |key: &Key| {
            let expected = code(key, Purpose::Pass, until, sale, user);
            bool::from(expected.as_ref().ct_eq(given))
        };
        self.0
            .iter()
            .any(is_one)
            .then_some(())
            .ok_or(BadPass::Wrong)
    }

    /// What `user` has to work on for `sale` in the second `now`.
    pub(super) fn challenge(&self, sale: &SaleId, user: &UserId, now: u64) -> Option<String> {
        let time = now / CHALLENGE_SECONDS;
        self.0.first().map(|key| challenge(key, time, sale, user))
    }

    /// Every challenge that a proof may be for in the second `now`.
    pub(super) fn challenges(
        &self,
        sale: &SaleId,
        user: &UserId,
        now: u64,
    ) -> impl Iterator<Item = String> {
        let time = now / CHALLENGE_SECONDS;
        let times = [time, time.saturating_sub(1)];
        self.0
            .iter()
            .flat_map(move |key| times.map(|time| challenge(key, time, sale, user)))
    }
}

impl std::fmt::Debug for PassKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PassKeys({})", self.0.len())
    }
}

/// What a code is for, so that none can be taken for another.
#[derive(Clone, Copy)]
enum Purpose {
    Pass,
    Challenge,
}

fn challenge(key: &Key, time: u64, sale: &SaleId, user: &UserId) -> String {
    let mac = code(key, Purpose::Challenge, time, sale, user);
    URL_SAFE_NO_PAD.encode(mac.as_ref())
}

/// The parts are of fixed length or cannot have a space.
fn code(key: &Key, purpose: Purpose, time: u64, sale: &SaleId, user: &UserId) -> Tag {
    let mut context = Context::with_key(key);
    context.update(match purpose {
        Purpose::Pass => b"flashsale pass ",
        Purpose::Challenge => b"flashsale work ",
    });
    context.update(&time.to_be_bytes());
    context.update(sale.as_str().as_bytes());
    context.update(b" ");
    context.update(user.as_str().as_bytes());
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "a-secret-that-is-long-enough-for-it";
    const OLD: &str = "the-secret-that-was-here-before-it.";

    fn sale(name: &str) -> SaleId {
        SaleId::new(name).unwrap()
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn a_pass_is_of_one_shopper_for_one_sale_until_it_ends() {
        let keys = PassKeys::new(&[NEW]);
        let pass = keys.issue(&sale("drop"), &user("ann"), 1_000).unwrap();
        let check = |pass: &str, sale_name, user_name, now| {
            keys.check(pass, &sale(sale_name), &user(user_name), now)
        };
        assert_eq!(check(&pass, "drop", "ann", 1_000), Ok(()));
        let last = 1_000 + GRACE_SECONDS;
        assert_eq!(check(&pass, "drop", "ann", last), Ok(()));
        assert_eq!(check(&pass, "drop", "ann", last + 1), Err(BadPass::Ended));
        assert_eq!(check(&pass, "drop", "bob", 1_000), Err(BadPass::Wrong));
        assert_eq!(check(&pass, "other", "ann", 1_000), Err(BadPass::Wrong));
        let longer = pass.replacen("1000.", "2000.", 1);
        for bad in [
            longer.as_str(),
            "",
            "1000",
            "1000.",
            "1000.AAAA",
            "x.AAAA",
            &pass[..pass.len() - 1],
            &format!("{pass}AA"),
        ] {
            assert_eq!(
                check(bad, "drop", "ann", 1_000),
                Err(BadPass::Wrong),
                "{bad}"
            );
        }
    }

    #[test]
    fn while_the_secret_changes_both_count_and_the_new_one_signs() {
        let (before, both, after) = (
            PassKeys::new(&[OLD]),
            PassKeys::new(&[NEW, OLD]),
            PassKeys::new(&[NEW]),
        );
        let (drop, ann) = (sale("drop"), user("ann"));
        let check = |keys: &PassKeys, pass: &str| keys.check(pass, &drop, &ann, 1);
        let old = before.issue(&drop, &ann, 9).unwrap();
        let new = both.issue(&drop, &ann, 9).unwrap();
        assert_eq!(check(&both, &old), Ok(()));
        assert_eq!(check(&both, &new), Ok(()));
        assert_eq!(check(&after, &new), Ok(()));
        assert_eq!(check(&after, &old), Err(BadPass::Wrong));
        let made_up = PassKeys::new(&[]);
        assert_eq!(check(&made_up, &new), Err(BadPass::Wrong));
    }

    #[test]
    fn a_challenge_is_accepted_for_ten_minutes_at_least() {
        let keys = PassKeys::new(&[NEW, OLD]);
        let (drop, ann) = (sale("drop"), user("ann"));
        let given = keys.challenge(&drop, &ann, 1_199).unwrap();
        let is_accepted = |user, now| keys.challenges(&drop, user, now).any(|one| one == given);
        assert!(is_accepted(&ann, 1_199));
        assert!(is_accepted(&ann, 1_799));
        assert!(!is_accepted(&ann, 1_800));
        assert!(!is_accepted(&user("bob"), 1_199));
    }
}
