//! What a refusal leaves unread of a request's body.
//!
//! The next request of a connection begins where the body ends, so the rest is read, if it is small
//! and comes at once, or the answer says that the connection ends with it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, response::Response};
use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{CONNECTION, EXPECT},
};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::timeout;
use tower::Service as _;

/// Most bytes that are read for the sake of the connection alone.
const MOST: u64 = 16 * 1024;

/// How long they may take. They are on their way already.
const PATIENCE: Duration = Duration::from_millis(100);

/// Ends the body of a request that is answered with `response`. A client that `expects` to be asked
/// for its body is not asked for it any more.
pub(crate) async fn settle<B>(mut body: B, expects: bool, mut response: Response) -> Response
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() || response.headers().contains_key(CONNECTION) {
        return response;
    }
    if expects || !is_read(&mut body).await {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn is_read<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> bool {
    if body.size_hint().lower() > MOST {
        return false;
    }
    let reading = async {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read > MOST {
                return false;
            }
        }
        true
    };
    timeout(PATIENCE, reading).await.unwrap_or(false)
}

/// The router's answer to a request with a body.
pub(crate) async fn routed(mut router: Router, request: Request<Incoming>) -> Response {
    let expects = request.headers().contains_key(EXPECT);
    let rest = UnreadBody::default();
    let request = request.map(|body| BorrowedBody {
        body: Some(body),
        rest: rest.clone(),
    });
    let Ok(response) = router.call(request).await;
    let unread = rest.lock().take();
    match unread {
        Some(body) => settle(body, expects, response).await,
        None => response,
    }
}

/// Where a body that was not read to its end comes back to.
type UnreadBody = Arc<Mutex<Option<Incoming>>>;

/// A body that comes back when its reader is done with it.
struct BorrowedBody {
    body: Option<Incoming>,
    rest: UnreadBody,
}

impl Drop for BorrowedBody {
    fn drop(&mut self) {
        *self.rest.lock() = self.body.take();
    }
}

impl Body for BorrowedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
