//! Polls whose client has gone.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{Method, Uri};
use tokio::runtime::Handle;

use super::sessions::session_id;

/// Engine.IO's packet with which a client ends its session.
const CLOSE: &str = "1";

/// A poll that waits for its answer. Dropped before that, as happens when the connection ends, it
/// ends its session: its client can neither be told anything nor go on with it. The socket layer does
/// not notice by itself, and would keep the session until the next ping has gone unanswered.
struct Poll {
    address: Uri,
    /// The socket layer; none once it has answered.
    layer: Option<Next>,
}

impl Drop for Poll {
    fn drop(&mut self) {
        let (Some(layer), Ok(runtime)) = (self.layer.take(), Handle::try_current()) else {
            return;
        };
        let mut close = Request::new(Body::from(CLOSE));
        *close.method_mut() = Method::POST;
        *close.uri_mut() = std::mem::take(&mut self.address);
        // A session that has ended meanwhile, or is a WebSocket now, refuses it.
        runtime.spawn(async move { layer.run(close).await });
    }
}

/// Ends the session of a poll that its client gives up, as the Node.js server does.
pub(crate) async fn end_abandoned(request: Request, next: Next) -> Response {
    let is_poll = *request.method() == Method::GET && session_id(request.uri()).is_some();
    let mut poll = Poll {
        address: request.uri().clone(),
        layer: is_poll.then(|| next.clone()),
    };
    let response = next.run(request).await;
    poll.layer = None;
    response
}
