//! What is checked of every request before anything looks at it: what RFC 9110 and RFC 9112 demand
//! and the HTTP library leaves to its users.

use std::net::Ipv6Addr;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Version,
    header::{ALLOW, CONNECTION, EXPECT, HOST, TRANSFER_ENCODING},
};

use crate::problem::{Problem, ProblemKind};

/// The methods that some address has, for a client that asks about the server as a whole.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");

/// The answer to a request that gets no further: one that is no HTTP, or is about no address.
pub(super) fn answer<B>(request: &Request<B>) -> Option<Response> {
    let headers = request.headers();
    let refused = check_host(request.version(), headers)
        .and_then(|()| check_coding(headers))
        .and_then(|()| check_expectation(headers));
    if let Err(problem) = refused {
        // Of what cannot be trusted in one point, the length of the body is not trusted either.
        let close = HeaderValue::from_static("close");
        return Some(problem.header(CONNECTION, close).into_response());
    }
    (request.uri().path() == "*").then(|| about_the_server(request.method()))
}

/// One Host, and a valid one (RFC 9112, 3.2). HTTP/1.0 knows none.
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_good = match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if is_good {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::HttpInvalid,
        "send one header Host with a host and, where it is not the usual one, a port: \
         shop.example.com:8080",
    ))
}

/// Whether this is `uri-host [ ":" port ]` (RFC 3986, 3.2.2).
fn is_host(text: &[u8]) -> bool {
    let (is_name_good, rest) = if let Some(literal) = text.strip_prefix(b"[") {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else {
            return false;
        };
        (is_ipv6(&literal[..end]), &literal[end + 1..])
    } else {
        let end = text.iter().position(|byte| *byte == b':');
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        (is_name(name), rest)
    };
    let is_port_good = match rest {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_name_good && is_port_good
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Unreserved characters, sub-delimiters, and whole percent-encoded bytes.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            (byte, tail) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => {
                tail
            }
            _ => return false,
        };
    }
    true
}

/// A body is chunked, once, or as long as it says. The HTTP library takes `gzip, chunked` for
/// `chunked` and would hand on what is still compressed.
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let codings = || {
        let values = headers.get_all(TRANSFER_ENCODING).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|coding| !coding.is_empty())
    };
    let is_chunked = codings().all(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if !is_chunked {
        return Err(Problem::new(
            ProblemKind::TransferCodingUnsupported,
            "send the body as it is, with Content-Length or Transfer-Encoding: chunked",
        ));
    }
    if codings().nth(1).is_some() {
        return Err(Problem::new(
            ProblemKind::HttpInvalid,
            "the body is chunked more than once; chunk it once",
        ));
    }
    Ok(())
}

/// The only expectation there is (RFC 9110, 10.1.1).
fn check_expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let mut expectations = headers.get_all(EXPECT).iter();
    if expectations.all(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::ExpectationFailed,
        "leave out the header Expect, or say 100-continue",
    ))
}

/// The answer to a request whose address is `*`: OPTIONS is what that is for (RFC 9110, 9.3.7).
fn about_the_server(method: &Method) -> Response {
    if *method != Method::OPTIONS {
        return Problem::new(
            ProblemKind::HttpInvalid,
            "only OPTIONS can be asked of the server as a whole; send an address",
        )
        .into_response();
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for good in [
            "",
            "shop.example.com",
            "localhost:18080",
            "shop:",
            "127.0.0.1",
            "[::1]",
            "[::1]:8080",
            "sh%C3%B6p",
            "a_b",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "user@shop",
            "shop:80:80",
            "shop:http",
            "[::1",
            "[::g]",
            "[::1]8080",
            "sh%C",
            "sh%zz",
            "a\"b",
            "sh\u{f6}p",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    fn coding(values: &[&'static str]) -> Option<ProblemKind> {
        let headers = values
            .iter()
            .map(|value| (TRANSFER_ENCODING, HeaderValue::from_static(value)));
        let refused = check_coding(&headers.collect()).err()?;
        Some(refused.kind())
    }

    #[test]
    fn a_body_is_chunked_once_or_not_at_all() {
        assert_eq!(coding(&[]), None);
        assert_eq!(coding(&["chunked"]), None);
        assert_eq!(coding(&["Chunked , "]), None);
        let twice = Some(ProblemKind::HttpInvalid);
        assert_eq!(coding(&["chunked, chunked"]), twice);
        let other = Some(ProblemKind::TransferCodingUnsupported);
        for values in [&["gzip, chunked"][..], &["gzip", "chunked"], &["xchunked"]] {
            assert_eq!(coding(values), other, "{values:?}");
        }
    }
}
