//! The routes and the OpenAPI document, from one list of calls.

use axum::{
    Router,
    extract::{FromRef as _, Request, State},
    middleware::{
        Next, from_fn, from_fn_with_state, map_request, map_request_with_state, map_response,
    },
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{HeaderValue, Method, header};
use tokio::time::timeout;
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
    set_header::SetResponseHeaderLayer,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    body::{self, Limits},
    buy, cross_origin, openapi,
    operations::{
        calls as operations, dead_letters::calls as dead_letters, report::calls as report,
    },
    orders,
    pass::calls as pass,
    payments::calls as payments,
    problem::{not_found, unavailable, wrong_method},
    sales, session,
    sockets::{self, SocketLayer},
    state::Gateway,
    storefront,
};

/// Answers up to this many bytes are sent as they are: they fit into one packet or two.
const COMPRESS_ABOVE: u64 = 1400;

/// All routes.
pub fn router(gateway: Gateway, layer: SocketLayer, cors_origins: &[HeaderValue]) -> Router {
    let limits = Limits::from_ref(&gateway);
    let (buy, _) = buy_call().split_for_parts();
    let (other, _) = other_calls().split_for_parts();
    let other = other
        .layer(compression())
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn_with_state(limits, in_time));
    // One handler for all methods: the layer keeps its sessions a handler, and a session that polls
    // is opened by GET and written to by POST.
    let sockets = Router::new()
        // Reached only by what the layer passes on.
        .route("/socket.io/", any(async || not_found()))
        .layer(layer.engine)
        .layer(from_fn(sockets::end_abandoned))
        .layer(map_response(sockets::explain))
        .layer(map_request(sockets::trim))
        .layer(from_fn_with_state(layer.sessions, sockets::limit_sessions))
        .layer(map_request_with_state(
            sockets::Origins::new(cors_origins),
            sockets::check,
        ))
        .layer(from_fn_with_state(limits, heard_in_time));
    let router = buy
        .merge(other)
        .merge(sockets)
        .fallback(storefront::shop)
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway);
    cross_origin::allow(router, cors_origins)
}

/// The OpenAPI document of these routes as JSON, indented, with a line end at its end.
pub fn document() -> Result<String, serde_json::Error> {
    let (_, calls) = buy_call().merge(other_calls()).split_for_parts();
    openapi::json(calls)
}

/// The hot path, which carries no layer.
fn buy_call() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(buy::buy))
}

/// Every other call that the OpenAPI document describes.
fn other_calls() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(orders::order))
        .routes(routes!(payments::checkout))
        .routes(routes!(payments::cancel))
        .routes(routes!(payments::event))
        .routes(routes!(pass::pass))
        .routes(routes!(pass::challenge))
        .routes(routes!(sales::sales))
        .routes(routes!(sales::sale))
        .routes(routes!(session::session))
        .routes(routes!(openapi::openapi))
        .routes(routes!(operations::figures))
        .routes(routes!(operations::history))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(report::report))
        .routes(routes!(report::markdown))
}

/// Compresses what is worth it, quickly: each answer is another one, and made while somebody waits.
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESS_ABOVE))
}

async fn in_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    match timeout(limits.request_patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => unavailable("the answer took too long; try again in a second").into_response(),
    }
}

/// Limits how long a message to a socket that polls may take to arrive. A `GET` waits for as long as
/// there is nothing to tell.
async fn heard_in_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match timeout(limits.request_patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => body::late().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RouteLabel;

    #[test]
    fn every_call_has_a_label_in_metrics_and_logs() {
        let document: serde_json::Value = serde_json::from_str(&document().unwrap()).unwrap();
        for path in document["paths"].as_object().unwrap().keys() {
            assert_ne!(RouteLabel::of(path), RouteLabel::Other, "{path}");
        }
    }
}
