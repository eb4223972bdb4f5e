//! One file as an HTTP answer.

use axum::{body::Body, response::Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
};

use super::{encoding::Encoding, files::File, headers::secure};

/// Why it is this file that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The address names it.
    Named,
    /// The client asked for a page; others get no file at this address.
    Fallback,
}

/// The file, or 304 where the client has it already.
pub(super) fn file(file: &File, asked: &HeaderMap, choice: Choice) -> Response {
    let (encoding, body) = file.encoded_for(asked);
    let is_known = knows(asked, &body.tag);
    let mut response = Response::new(if is_known {
        Body::empty()
    } else {
        Body::from(body.bytes.clone())
    });
    let headers = response.headers_mut();
    headers.insert(ETAG, body.tag.clone());
    headers.insert(CACHE_CONTROL, file.cache_control.clone());
    headers.insert(VARY, vary(choice));
    secure(headers);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(CONTENT_TYPE, file.content_type.clone());
    if encoding != Encoding::Identity {
        let name = HeaderValue::from_static(encoding.name());
        headers.insert(CONTENT_ENCODING, name);
    }
    response
}

fn vary(choice: Choice) -> HeaderValue {
    HeaderValue::from_static(match choice {
        Choice::Named => "Accept-Encoding",
        Choice::Fallback => "Accept, Accept-Encoding",
    })
}

/// Whether the client has what `tag` names (RFC 9110, 13.1.2: compared weakly, since a proxy may
/// have weakened it).
fn knows(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == *tag)
}
