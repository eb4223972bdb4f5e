//! A route that does nothing, behind the HTTP stack that the gateway has: what a buy could be
//! acknowledged at if deciding it cost nothing.

use std::net::SocketAddr;

use axum::{Router, http::StatusCode, routing::any, serve::ListenerExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::BenchError;

/// Serves it on `listen` until `shutdown`.
pub async fn serve(listen: SocketAddr, shutdown: CancellationToken) -> Result<(), BenchError> {
    let listener = TcpListener::bind(listen).await.map_err(BenchError::Serve)?;
    let listener = listener.tap_io(|stream| {
        // As the gateway does; a failure shows at the first read.
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().fallback(any(async || StatusCode::OK));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .map_err(BenchError::Serve)
}
