//! What is checked of a request before the socket layer gets it, which takes any with a
//! `Sec-WebSocket-Key` for a WebSocket handshake.

use std::sync::Arc;

use axum::extract::{Request, State};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};

use crate::{
    client::{Client, Link},
    problem::{Problem, ProblemKind},
};

/// Where a proxy says which host it was asked for.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What browsers say of the origin of a request; no page can say it in their place.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The version of the WebSocket protocol (RFC 6455).
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Origins beside the gateway's own whose pages may open sockets.
#[derive(Debug, Clone)]
pub(crate) struct Origins(Arc<[HeaderValue]>);

impl Origins {
    pub(crate) fn new(origins: &[HeaderValue]) -> Self {
        Self(origins.into())
    }

    /// Whether a page of this origin may open sockets. Programs that are no browsers have none.
    /// What a request says of the host that a proxy was asked for counts if a proxy sends it.
    fn admit(&self, headers: &HeaderMap, is_from_proxy: bool) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        let is_listed = |listed: &HeaderValue| listed == "*" || listed == origin;
        self.0.iter().any(is_listed) || is_own(origin, headers, is_from_proxy)
    }
}

/// Whether the origin is the host that was asked for. Behind a proxy that host may be another one
/// than the client's.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, is_from_proxy: bool) -> bool {
    if headers
        .get(FETCH_SITE)
        .is_some_and(|site| site == "same-origin")
    {
        return true;
    }
    let origin = origin.to_str().unwrap_or_default();
    let Some((scheme, origin)) = origin.split_once("://") else {
        return false;
    };
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |host: &str| {
        let host = host.trim().to_ascii_lowercase();
        host.strip_suffix(usual_port)
            .map(str::to_owned)
            .unwrap_or(host)
    };
    let origin = bare(origin);
    let forwarded = is_from_proxy.then(|| headers.get(FORWARDED_HOST)).flatten();
    [headers.get(HOST), forwarded]
        .into_iter()
        .flatten()
        .filter_map(|hosts| hosts.to_str().ok())
        .flat_map(|hosts| hosts.split(','))
        .any(|host| bare(host) == origin)
}

/// Lets through what may open or use a session: pages of the right origins, and `WebSocket`s that
/// begin as RFC 6455 has it.
pub(crate) async fn check(
    State(origins): State<Origins>,
    request: Request,
) -> Result<Request, Problem> {
    if !origins.admit(request.headers(), is_from_proxy(&request)) {
        return Err(Problem::new(
            ProblemKind::OriginNotAllowed,
            "pages of this origin may not open sockets; add it to --cors-origins if they should",
        ));
    }
    if *request.method() == Method::GET && is_for_websocket(&request) {
        check_upgrade(request.headers())?;
    }
    Ok(request)
}

/// Whether it arrived over a connection of a trusted proxy.
fn is_from_proxy(request: &Request) -> bool {
    let link = request.extensions().get::<Arc<Link>>();
    link.and_then(|link| link.peer())
        .is_some_and(Client::is_trusted_proxy)
}

/// Whether the socket layer will take it for a WebSocket handshake; read as the layer reads it.
fn is_for_websocket(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let transport = query.split('&').find(|pair| pair.starts_with("transport="));
    transport.and_then(|pair| pair.split('=').nth(1)) == Some("websocket")
}

/// The handshake of a WebSocket (RFC 6455, 4.2.1).
fn check_upgrade(headers: &HeaderMap) -> Result<(), Problem> {
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err(not_a_handshake(
            "send Connection: Upgrade and Upgrade: websocket; a proxy may have left them out",
        ));
    }
    if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return Err(not_a_handshake("send Sec-WebSocket-Version: 13"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let is_key_good = keys.next().is_some_and(is_key) && keys.next().is_none();
    if !is_key_good {
        return Err(Problem::new(
            ProblemKind::HttpInvalid,
            "send one header Sec-WebSocket-Key with 16 bytes in Base64",
        ));
    }
    Ok(())
}

fn not_a_handshake(detail: &'static str) -> Problem {
    Problem::new(ProblemKind::UpgradeRequired, detail)
        .header(UPGRADE, HeaderValue::from_static("websocket"))
        .header(CONNECTION, HeaderValue::from_static("upgrade"))
        .header(SEC_WEBSOCKET_VERSION, VERSION)
}

/// Whether a header with a list in it has this member.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|member| member.trim().eq_ignore_ascii_case(token))
}

/// Whether these are sixteen bytes in Base64.
fn is_key(key: &HeaderValue) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    match key.as_bytes().strip_suffix(b"==") {
        Some(digits) => digits.len() == 22 && digits.iter().all(is_digit),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(listed: &[&'static str], headers: &[(HeaderName, &'static str)]) -> bool {
        admits_from(listed, headers, false)
    }

    fn admits_from(
        listed: &[&'static str],
        headers: &[(HeaderName, &'static str)],
        is_from_proxy: bool,
    ) -> bool {
        let listed: Vec<_> = listed
            .iter()
            .copied()
            .map(HeaderValue::from_static)
            .collect();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        Origins::new(&listed).admit(&headers.collect(), is_from_proxy)
    }

    #[test]
    fn a_page_is_of_the_origin_that_it_asks() {
        let host = |host| (HOST, host);
        let origin = |origin| (ORIGIN, origin);
        assert!(admits(&[], &[host("shop:8080")]), "no browser");
        for (asked, from) in [
            ("shop:8080", "http://shop:8080"),
            ("Shop.example.com", "https://shop.example.com"),
            ("shop.example.com:443", "https://shop.example.com"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(admits(&[], &[host(asked), origin(from)]), "{from}");
        }
        for (asked, from) in [
            ("shop.example.com", "https://evil.example"),
            ("shop.example.com", "https://shop.example.com:8443"),
            ("shop.example.com", "null"),
            ("shop.example.com", "https://shop.example.com.evil.example"),
        ] {
            assert!(!admits(&[], &[host(asked), origin(from)]), "{from}");
        }
    }

    #[test]
    fn behind_a_proxy_the_host_may_be_another_one() {
        let inner = (HOST, "gateway.svc:8080");
        let page = (ORIGIN, "https://shop.example.com");
        assert!(!admits(&[], &[inner.clone(), page.clone()]));
        let forwarded = (FORWARDED_HOST, "shop.example.com");
        let said = [inner.clone(), page.clone(), forwarded];
        assert!(admits_from(&[], &said, true));
        assert!(!admits_from(&[], &said, false), "anybody can say that");
        let same = (FETCH_SITE, "same-origin");
        assert!(admits(&[], &[inner.clone(), page.clone(), same]));
        let cross = (FETCH_SITE, "cross-site");
        assert!(!admits(&[], &[inner, page, cross]));
    }

    #[test]
    fn other_origins_are_listed_or_all_of_them_are() {
        let page = [(HOST, "gateway"), (ORIGIN, "https://shop.example.com")];
        assert!(admits(&["https://shop.example.com"], &page));
        assert!(admits(&["*"], &page));
        assert!(!admits(&["https://other.example.com"], &page));
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        let key = |text| is_key(&HeaderValue::from_static(text));
        assert!(key("dGhlIHNhbXBsZSBub25jZQ=="));
        for bad in [
            "",
            "a2V5",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25j!Q==",
        ] {
            assert!(!key(bad), "{bad}");
        }
    }
}
