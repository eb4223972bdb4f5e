//! Request ids: what joins a shopper's complaint with our log.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header in which a request id comes and goes.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a request: room for a UUID with a prefix, none for smuggling text
/// into logs.
const MAX_BYTES: usize = 128;

/// The id of a request: the well-formed one that it brings, a new one otherwise.
pub fn of(headers: &HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(given) if is_well_formed(given.as_bytes()) => given.clone(),
        _ => new(),
    }
}

/// A new id.
pub fn new() -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id: &str = Uuid::new_v4().hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and dashes are a header value.
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// Letters, digits and the few marks that ids of other systems have.
fn is_well_formed(id: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&id.len())
        && id.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'=' | b'+')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(id: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(id))])
    }

    #[test]
    fn a_well_formed_id_is_kept() {
        assert_eq!(
            of(&with("Root=1-67891233-abcdef0")),
            "Root=1-67891233-abcdef0"
        );
    }

    #[test]
    fn any_other_gets_a_new_one() {
        for bad in ["", "a b", "a\"b", "{}"] {
            let id = of(&with(bad));
            assert_eq!(id.len(), 36, "{bad:?}");
        }
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
        let long =
            HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(&"a".repeat(129)).unwrap())]);
        assert_eq!(of(&long).len(), 36);
    }
}
