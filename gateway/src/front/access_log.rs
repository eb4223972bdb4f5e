//! One line a request, where it is switched on.

use http::{StatusCode, Uri};

use super::seen::Seen;

/// Most bytes of a path that are written; the rest is cut off.
const MAX_PATH: usize = 512;

/// The path of a request to be written when it is answered; none where nothing is written. Without
/// the query, in which some clients send what is nobody's business.
pub(super) fn path(is_on: bool, address: &Uri) -> Option<Box<str>> {
    is_on.then(|| {
        let path = address.path();
        path[..path.floor_char_boundary(MAX_PATH)].into()
    })
}

/// Writes the line of an answered request.
pub(super) fn write(seen: &Seen, status: StatusCode) {
    let Some(path) = seen.path.as_deref() else {
        return;
    };
    let (request_id, method, _, duration_ms) = seen.fields();
    tracing::info!(
        target: "flashsale_gateway::access",
        request_id,
        client = seen.client.map(tracing::field::display),
        method,
        path,
        status = status.as_u16(),
        duration_ms,
        "{method} {path} {}",
        status.as_u16()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_without_its_query_and_not_without_end() {
        let address = Uri::from_static("/orders/7?token=secret");
        assert_eq!(path(true, &address).as_deref(), Some("/orders/7"));
        assert_eq!(path(false, &address), None);
        let long: Uri = format!("/{}", "a".repeat(10_000)).parse().unwrap();
        assert_eq!(path(true, &long).unwrap().len(), MAX_PATH);
    }
}
