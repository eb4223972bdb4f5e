//! The header `Authorization: Bearer TOKEN`.

use http::{HeaderMap, header::AUTHORIZATION};

use super::error::{IdentityError, rejected};

/// Largest token looked at, in bytes: the largest headers that proxies let through.
const MAX_TOKEN_BYTES: usize = 8192;

/// The token of a request.
pub(crate) fn token(headers: &HeaderMap) -> Result<&str, IdentityError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(IdentityError::Missing)?;
    if values.next().is_some() {
        return Err(rejected("two Authorization headers came along"));
    }
    let text = value.to_str().map_err(|_| rejected("it is not ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(IdentityError::Missing);
    }
    let token = token.trim();
    if token.len() > MAX_TOKEN_BYTES {
        return Err(rejected("it is too long"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token_of(values: &[&'static str]) -> Result<String, IdentityError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        token(&headers).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        assert_eq!(token_of(&["Bearer a.b.c"]), Ok("a.b.c".to_owned()));
        assert_eq!(token_of(&["bEARER a.b.c"]), Ok("a.b.c".to_owned()));
    }

    #[test]
    fn other_schemes_are_no_token_and_two_tokens_are_too_many() {
        assert_eq!(token_of(&[]), Err(IdentityError::Missing));
        assert_eq!(token_of(&["Basic dTpw"]), Err(IdentityError::Missing));
        assert!(matches!(
            token_of(&["Bearer a", "Bearer b"]),
            Err(IdentityError::Rejected(_))
        ));
    }
}
