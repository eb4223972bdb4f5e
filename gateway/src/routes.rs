//! The routes, and what their handlers share.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::response::IntoResponse as _;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{
        Next, from_fn, from_fn_with_state, map_request, map_request_with_state, map_response,
    },
    response::Response,
    routing::{any, get, post},
};
use http::{HeaderName, HeaderValue, Method, header};
use tokio::time::timeout;
use tower_http::{
    CompressionLevel,
    compression::{CompressionLayer, predicate::SizeAbove},
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
};

use crate::{
    buy::{self, Limits},
    catalogue::Catalogue,
    identity::Identity,
    metrics::Metrics,
    openapi,
    operations::{self, Operations},
    orders::{self, OrderLookup},
    pass::{self, PASS, Passes},
    problem::{Problem, ProblemKind, not_found, unavailable},
    request_id::REQUEST_ID,
    sales, session,
    sockets::{self, SocketLayer},
    stocks::Stocks,
    storefront::{self, Storefront},
};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);

/// Answers up to this many bytes are sent as they are: they fit into one packet or two.
const COMPRESS_ABOVE: u64 = 1400;

/// What the handlers share; clones are one.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Parts>);

/// The parts of a [`Gateway`].
#[derive(Debug)]
pub struct Parts {
    /// What is on sale.
    pub catalogue: Catalogue,
    /// How much is left.
    pub stocks: Stocks,
    /// Who shoppers are.
    pub identity: Identity,
    /// What became of buys.
    pub orders: OrderLookup,
    /// Passes for sales that ask for them.
    pub passes: Passes,
    /// What is counted.
    pub metrics: Metrics,
    /// The shop's own pages.
    pub storefront: Storefront,
    /// The running of the sales, for who has the operations token; none when operations are off.
    pub operations: Option<Operations>,
    /// Where shoppers sign in.
    pub sign_in_url: Option<String>,
    /// What a body may cost.
    pub limits: Limits,
}

impl From<Parts> for Gateway {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Gateway {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// All routes.
///
/// The route of the hot path carries no layer; what other routes need is added to them alone.
pub fn router(gateway: Gateway, layer: SocketLayer, cors_origins: &[HeaderValue]) -> Router {
    let quiet = Router::new()
        .route("/orders/{jobId}", get(orders::order))
        .route("/pass", post(pass::calls::pass))
        .route("/pass/challenge", post(pass::calls::challenge))
        .route("/sales", get(sales::sales))
        .route("/sales/{sale}", get(sales::sale))
        .route("/session", get(session::session))
        .route("/openapi.json", get(openapi::openapi))
        .merge(operations::routes())
        .layer(compression())
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn_with_state(gateway.clone(), in_time));
    // One handler for all methods: the layer keeps its sessions a handler, and a session that polls
    // is opened by GET and written to by POST.
    let sockets = Router::new()
        .route("/socket.io/", any(no_socket))
        .layer(layer.engine)
        .layer(from_fn(sockets::end_abandoned))
        .layer(map_response(sockets::explain))
        .layer(map_request(sockets::trim))
        .layer(from_fn_with_state(layer.sessions, sockets::limit_sessions))
        .layer(map_request_with_state(
            sockets::Origins::new(cors_origins),
            sockets::check,
        ))
        .layer(from_fn_with_state(gateway.clone(), heard_in_time));
    let router = Router::new()
        .route("/buy", post(buy::buy))
        .merge(quiet)
        .merge(sockets)
        .fallback(storefront::shop)
        .method_not_allowed_fallback(wrong_method)
        .with_state(gateway);
    with_cross_origin(router, cors_origins)
}

/// The same routes for pages of these origins as well.
pub(crate) fn with_cross_origin(router: Router, origins: &[HeaderValue]) -> Router {
    if origins.is_empty() {
        router
    } else {
        router.layer(cross_origin(origins))
    }
}

/// Reached only by what the layer of the sockets passes on.
async fn no_socket() -> Problem {
    not_found()
}

/// There is something, but not for this method.
pub(crate) async fn wrong_method() -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        "this address has other methods; the header Allow lists them",
    )
}

/// Compresses what is worth it, quickly: each answer is another one, and made while somebody waits.
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESS_ABOVE))
}

async fn in_time(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    match timeout(gateway.limits.request_patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => unavailable("the answer took too long; try again in a second").into_response(),
    }
}

/// Limits how long a message to a socket that polls may take to arrive. A `GET` waits for as long as
/// there is nothing to tell.
async fn heard_in_time(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match timeout(gateway.limits.request_patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            ProblemKind::RequestTimeout,
            "the body did not arrive in time; send it at once",
        )
        .into_response(),
    }
}

fn cross_origin(origins: &[HeaderValue]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            PASS,
            REQUEST_ID,
        ])
        .expose_headers([
            header::RETRY_AFTER,
            HeaderName::from_static("idempotent-replayed"),
            HeaderName::from_static("ratelimit"),
            HeaderName::from_static("ratelimit-policy"),
            REQUEST_ID,
        ])
        .max_age(PREFLIGHT_AGE)
}
