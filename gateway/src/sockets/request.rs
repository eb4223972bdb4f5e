//! What the socket layer is given of a request.
//!
//! It keeps the head of the request with which a session began as long as the session lives. As
//! they were read, address and headers are views of one buffer of 8 KiB, which each of them keeps
//! alive: with ten thousand sockets 80 MB in which nobody looks any more.

use axum::extract::Request;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{CONTENT_TYPE, SEC_WEBSOCKET_KEY},
};

/// The headers that the socket layer reads.
const READ: [HeaderName; 2] = [CONTENT_TYPE, SEC_WEBSOCKET_KEY];

/// Leaves of a request what the socket layer reads, in memory of its own.
pub(crate) async fn trim(mut request: Request) -> Request {
    let mut headers = HeaderMap::with_capacity(READ.len());
    for name in READ {
        // A copy of what was a header's value is one.
        if let Some(value) = request.headers().get(&name)
            && let Ok(copy) = HeaderValue::from_bytes(value.as_bytes())
        {
            headers.insert(name, copy);
        }
    }
    *request.headers_mut() = headers;
    let address = request.uri().path_and_query();
    if let Some(copy) = address.and_then(|address| address.as_str().parse::<Uri>().ok()) {
        *request.uri_mut() = copy;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn what_is_left_of_a_request_keeps_nothing_else_alive() {
        let read = Bytes::from(b"/socket.io/?EIO=4 a2V5 Bearer".to_vec());
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::from_maybe_shared(read.slice(..17)).unwrap();
        for (name, value) in [
            (SEC_WEBSOCKET_KEY, read.slice(18..22)),
            (http::header::AUTHORIZATION, read.slice(23..)),
        ] {
            let value = HeaderValue::from_maybe_shared(value).unwrap();
            request.headers_mut().insert(name, value);
        }
        assert!(!read.is_unique());
        let request = trim(request).await;
        assert!(read.is_unique());
        assert_eq!(request.uri(), "/socket.io/?EIO=4");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[SEC_WEBSOCKET_KEY], "a2V5");
    }
}
