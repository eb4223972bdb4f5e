//! Addresses of clients, as proxies write them into headers.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::config::ProxyHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses that proxies have added, the last one first; none in the place of one that is
/// hidden or cannot be read.
///
/// Read from the right and as bytes: the left part is whatever the client has sent, and must not
/// change how the part of the proxies is read.
pub(super) fn from_the_right(
    header: ProxyHeader,
    headers: &HeaderMap,
) -> impl Iterator<Item = Option<IpAddr>> {
    let name = match header {
        ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
        ProxyHeader::Forwarded => FORWARDED,
    };
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|value| split_from_the_right(value.as_bytes(), b','))
        .map(move |entry| match header {
            ProxyHeader::XForwardedFor => address(entry),
            ProxyHeader::Forwarded => address(node(entry)?),
        })
}

/// The parts between separators that are not in quotes, the last one first.
fn split_from_the_right(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let at = text.iter().rposition(|byte| {
            is_quoted ^= *byte == b'"';
            !is_quoted && *byte == separator
        });
        rest = at.map(|at| &text[..at]);
        Some(at.map_or(text, |at| &text[at + 1..]))
    })
}

/// What the parameter `for` of an element has (RFC 7239, section 4).
fn node(element: &[u8]) -> Option<&[u8]> {
    split_from_the_right(element, b';').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        let quoted = value
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        name.eq_ignore_ascii_case(b"for")
            .then(|| quoted.unwrap_or(value))
    })
}

/// An address, perhaps with a port; of IPv6 in brackets then.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, _) = bracketed.split_once(']')?;
        return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    text.parse().ok().or_else(|| {
        let (address, _) = text.split_once(':')?;
        address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    })
}
