//! A route that does nothing, behind the HTTP stack that the gateway has: what a buy could be
//! acknowledged at if deciding it cost nothing.

use std::net::SocketAddr;

use axum::{Router, http::StatusCode, routing::any, serve::ListenerExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::Result;

/// Serves it on `listen` until `shutdown`.
pub(crate) async fn serve(listen: SocketAddr, shutdown: CancellationToken) -> Result<()> {
    let not_served = |error| {
        format!("could not serve the empty route: {error}; choose another address with --listen")
    };
    let listener = TcpListener::bind(listen).await.map_err(not_served)?;
    let listener = listener.tap_io(|stream| {
        // As the gateway does; a failure shows at the first read.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(any(async || StatusCode::OK));
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
    Ok(serving.await.map_err(not_served)?)
}
