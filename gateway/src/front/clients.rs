//! What is decided about a request by who sends it.

use std::sync::Arc;

use axum::Router;
use http::{HeaderMap, HeaderValue, Method};

use super::{
    rate_limit::{self, RateLimiter},
    seen::Seen,
};
use crate::{
    client::{Client, Link, Proxies},
    config::ClientConfig,
    cross_origin,
    log_budget::LogBudget,
    metrics::{BuyAnswer, BuyCounters, Metrics, RequestCounters, RouteLabel},
    problem::ProblemKind,
};

/// Lines about addresses of this process that send too much.
static REFUSALS: LogBudget = LogBudget::new();

/// Tells clients apart, and refuses those who send too much.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) proxies: Arc<Proxies>,
    limiter: Option<RateLimiter>,
    /// Answers whoever is refused.
    pub(super) refusals: Router,
    /// Whether each request is logged.
    pub(super) is_logged: bool,
    requests: RequestCounters,
    buys: BuyCounters,
}

impl Clients {
    /// Clients as `config` says; pages of `cors_origins` may read refusals.
    pub(super) fn new(
        config: &ClientConfig,
        cors_origins: &[HeaderValue],
        metrics: &Metrics,
    ) -> Self {
        Self {
            proxies: Arc::new(Proxies::new(config)),
            limiter: RateLimiter::new(config),
            refusals: cross_origin::allow(rate_limit::refusals(config), cors_origins),
            is_logged: config.access_log,
            requests: metrics.requests.clone(),
            buys: metrics.buys.clone(),
        }
    }

    /// Whoever sent a request with these headers over a connection.
    pub(super) fn of(&self, link: &Link, headers: &HeaderMap) -> Option<Client> {
        link.peer()
            .map(|peer| self.proxies.client_of(peer, headers))
    }

    /// Whether the address of a client may send one more request. Notes a refusal.
    pub(super) fn admit(&self, seen: &Seen) -> bool {
        let address = seen.client.and_then(Client::limited);
        let (Some(limiter), Some(address)) = (&self.limiter, address) else {
            return true;
        };
        if is_for_shop(seen) || limiter.take(address, seen.started).is_ok() {
            return true;
        }
        self.requests.refuse(seen.route);
        if seen.route == RouteLabel::Buy {
            let answer = BuyAnswer::Refused(ProblemKind::QuotaExceeded);
            self.buys.count(None, answer);
        }
        if let Some(left_out) = REFUSALS.spend(seen.started) {
            let (request_id, method, route, _) = seen.fields();
            tracing::warn!(
                request_id,
                client = seen.client.map(tracing::field::display),
                method,
                route,
                left_out,
                "refused {method} {route}: its address sends too many requests"
            );
        }
        false
    }
}

/// Whether it is for a file or a page of the shop, or for nothing that there is. Neither costs more
/// than a refusal.
fn is_for_shop(seen: &Seen) -> bool {
    seen.route == RouteLabel::Other && matches!(seen.method, Method::GET | Method::HEAD)
}
