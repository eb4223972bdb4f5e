//! The header `Idempotency-Key`.

use flashsale_domain::id::IdempotencyKey;
use http::{HeaderMap, HeaderName};

use crate::problem::{Problem, ProblemKind};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a request: plain, or quoted as draft-ietf-httpapi-idempotency-key-header has it.
/// `abc` and `"abc"` are the same key.
pub(super) fn of(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next().ok_or_else(|| {
        Problem::new(
            ProblemKind::IdempotencyKeyMissing,
            "send a header Idempotency-Key that is unique to this buy, e.g. a UUID",
        )
    })?;
    if values.next().is_some() {
        return Err(invalid("comes twice; send one"));
    }
    let text = value
        .to_str()
        .map_err(|_| invalid("has characters outside ASCII; a UUID will do"))?;
    let key = unquoted(text).ok_or_else(|| invalid("has a quote at one end alone"))?;
    IdempotencyKey::new(key).map_err(|error| invalid(&error.to_string()))
}

/// The text without the quotes around it, if there are any; none when only one is there.
fn unquoted(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(text),
    }
}

fn invalid(why: &str) -> Problem {
    let detail = format!("the Idempotency-Key {why}");
    Problem::new(ProblemKind::IdempotencyKeyInvalid, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(value: &[u8]) -> Result<String, ProblemKind> {
        let value = HeaderValue::from_bytes(value).unwrap();
        of(&HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]))
            .map(|key| key.to_string())
            .map_err(|problem| problem.kind())
    }

    #[test]
    fn quotes_around_a_key_are_not_part_of_it() {
        assert_eq!(key(b"abc"), Ok("abc".to_owned()));
        assert_eq!(key(b"\"abc\""), Ok("abc".to_owned()));
    }

    #[test]
    fn malformed_keys_are_refused() {
        for bad in [
            &b""[..],
            b"\"",
            b"\"\"",
            b"\"abc",
            b"abc\"",
            b"a b",
            b"a{b}",
            b"\"a\\\"b\"",
            b"\xff",
            b"a\tb",
            &[b'a'; 256],
        ] {
            assert_eq!(key(bad), Err(ProblemKind::IdempotencyKeyInvalid), "{bad:?}");
        }
    }
}
