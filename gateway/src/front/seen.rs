//! What is remembered of a request until it is answered, and said of it in the log.

use std::{sync::Arc, time::Instant};

use axum::response::Response;
use http::{HeaderValue, Method};

use crate::{
    client::{Client, Link},
    log_budget::LogBudget,
    metrics::{RequestCounters, RouteLabel},
    problem::Refusal,
    storefront::FromShop,
};

/// Lines about failed requests of this process.
static FAILURES: LogBudget = LogBudget::new();

/// What is remembered of a request until it is answered.
pub(super) struct Seen {
    pub(super) id: HeaderValue,
    pub(super) client: Option<Client>,
    pub(super) route: RouteLabel,
    pub(super) method: Method,
    /// For the access log, where there is one.
    pub(super) path: Option<Box<str>>,
    pub(super) started: Instant,
    pub(super) requests: RequestCounters,
    pub(super) link: Arc<Link>,
}

impl Seen {
    /// Whether it was the shop that answered is seen by the answer alone.
    pub(super) fn settle_route(&mut self, response: &Response) {
        let is_open = self.route == RouteLabel::Other;
        if is_open && response.extensions().get::<FromShop>().is_some() {
            self.route = RouteLabel::Shop;
        }
    }

    pub(super) fn log(&self, response: &Response) {
        let status = response.status();
        if status.is_server_error() {
            self.log_failure(status.as_u16(), response.extensions().get());
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let (request_id, method, route, duration_ms) = self.fields();
            let status = status.as_u16();
            tracing::debug!(
                request_id,
                client = self.client.map(tracing::field::display),
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
            client = self.client.map(tracing::field::display),
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

    pub(super) fn fields(&self) -> (&str, &str, &'static str, f64) {
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        (
            self.id.to_str().unwrap_or_default(),
            self.method.as_str(),
            self.route.as_str(),
            duration_ms,
        )
    }
}
