//! What every request passes: its id, its count, its line in the log.
//!
//! A hand-written service around the router, since the same as middleware would cost the hot
//! path several allocations a request.

pub(crate) mod log_budget;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{Router, response::Response, routing::future::RouteFuture};
use http::{HeaderValue, Method, Request};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower::Service as _;

use crate::{
    metrics::{RequestCounters, RouteLabel},
    problem::Refusal,
    request_id::{self, REQUEST_ID},
    storefront::FromShop,
};

use log_budget::LogBudget;

/// Lines about failed requests of this process.
static FAILURES: LogBudget = LogBudget::new();

/// The whole HTTP service.
#[derive(Debug, Clone)]
pub struct Front {
    router: Router,
    requests: RequestCounters,
}

impl Front {
    /// The service of these routes.
    #[must_use]
    pub fn new(router: Router, requests: RequestCounters) -> Self {
        Self { router, requests }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Observed;

    fn call(&self, request: Request<Incoming>) -> Observed {
        let seen = Seen {
            id: request_id::of(request.headers()),
            route: RouteLabel::of(request.uri().path()),
            method: request.method().clone(),
            started: Instant::now(),
            requests: self.requests.clone(),
        };
        Observed {
            answer: self.router.clone().call(request),
            seen,
        }
    }
}

pin_project! {
    /// A request being answered.
    pub struct Observed {
        #[pin]
        answer: RouteFuture<Infallible>,
        seen: Seen,
    }
}

/// What is remembered of a request until it is answered.
struct Seen {
    id: HeaderValue,
    route: RouteLabel,
    method: Method,
    started: Instant,
    requests: RequestCounters,
}

impl Future for Observed {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(context))?;
        let seen = this.seen;
        seen.settle_route(&response);
        seen.requests.count(seen.route, response.status());
        seen.log(&response);
        response.headers_mut().insert(REQUEST_ID, seen.id.clone());
        Poll::Ready(Ok(response))
    }
}

impl Seen {
    /// Whether it was the shop that answered is seen by the answer alone.
    fn settle_route(&mut self, response: &Response) {
        let is_open = self.route == RouteLabel::Other;
        if is_open && response.extensions().get::<FromShop>().is_some() {
            self.route = RouteLabel::Shop;
        }
    }

    fn log(&self, response: &Response) {
        let status = response.status();
        if status.is_server_error() {
            self.log_failure(status.as_u16(), response.extensions().get());
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let (request_id, method, route, duration_ms) = self.fields();
            let status = status.as_u16();
            tracing::debug!(
                request_id,
                method,
                route,
                status,
                duration_ms,
                "{method} {route} was answered {status}"
            );
        }
    }

    fn log_failure(&self, status: u16, refusal: Option<&Refusal>) {
        let Some(left_out) = FAILURES.spend(Instant::now()) else {
            return;
        };
        let (request_id, method, route, duration_ms) = self.fields();
        let (problem, detail) = match refusal {
            Some(refusal) => (refusal.kind.slug(), refusal.detail.as_ref()),
            None => ("none", "no reason given"),
        };
        tracing::warn!(
            request_id,
            method,
            route,
            status,
            duration_ms,
            problem,
            detail,
            left_out,
            "{method} {route} failed with {status}: {detail}"
        );
    }

    fn fields(&self) -> (&str, &str, &'static str, f64) {
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        (
            self.id.to_str().unwrap_or_default(),
            self.method.as_str(),
            self.route.as_str(),
            duration_ms,
        )
    }
}
