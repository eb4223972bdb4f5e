//! Requests by route and class of status.

use std::sync::Arc;

use flashsale_telemetry::Register;
use http::StatusCode;
use prometheus::IntCounter;

/// The routes there are, so that no path of a shopper becomes a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteLabel {
    /// `/buy`
    Buy,
    /// `/orders/{jobId}`
    Order,
    /// `/sales`
    Sales,
    /// `/sales/{sale}`
    Sale,
    /// `/pass` and `/pass/challenge`
    Pass,
    /// `/session`
    Session,
    /// Everything under `/operations`
    Operations,
    /// `/openapi.json`
    OpenApi,
    /// `/socket.io/`
    Socket,
    /// A file or page of the shop, wherever it was asked for.
    Shop,
    /// Any other path.
    Other,
}

const ROUTES: [(RouteLabel, &str); 11] = [
    (RouteLabel::Buy, "/buy"),
    (RouteLabel::Order, "/orders/{jobId}"),
    (RouteLabel::Sales, "/sales"),
    (RouteLabel::Sale, "/sales/{sale}"),
    (RouteLabel::Pass, "/pass"),
    (RouteLabel::Session, "/session"),
    (RouteLabel::Operations, "/operations"),
    (RouteLabel::OpenApi, "/openapi.json"),
    (RouteLabel::Socket, "/socket.io/"),
    (RouteLabel::Shop, "shop"),
    (RouteLabel::Other, "other"),
];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl RouteLabel {
    /// The route of a path. The shop has no paths of its own: what it answers is known by its
    /// answers, and [`RouteLabel::Other`] until then.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            "/buy" => Self::Buy,
            "/sales" => Self::Sales,
            "/pass" | "/pass/challenge" => Self::Pass,
            "/session" => Self::Session,
            "/openapi.json" => Self::OpenApi,
            _ if path.starts_with("/socket.io/") => Self::Socket,
            _ if path.starts_with("/orders/") => Self::Order,
            _ if path.starts_with("/sales/") => Self::Sale,
            _ if path.starts_with("/operations/") => Self::Operations,
            _ => Self::Other,
        }
    }

    /// The route as it is written in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ROUTES[self as usize].1
    }
}

/// One counter a route and class, looked up once. Cheap to clone: every request has one.
#[derive(Debug, Clone)]
pub struct RequestCounters(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    answered: [[IntCounter; CLASSES.len()]; ROUTES.len()],
    refused: [IntCounter; ROUTES.len()],
}

impl RequestCounters {
    /// Counters, all at 0.
    pub fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let counters = register.counters(
            "requests_total",
            "HTTP requests by route and class of status.",
            &["route", "status"],
        )?;
        let answered = ROUTES
            .map(|(_, route)| CLASSES.map(|class| counters.with_label_values(&[route, class])));
        let refused = register.counters(
            "requests_refused_total",
            "HTTP requests refused by route, since their address sends too many.",
            &["route"],
        )?;
        let refused = ROUTES.map(|(_, route)| refused.with_label_values(&[route]));
        Ok(Self(Arc::new(Counters { answered, refused })))
    }

    /// Counts a request of an address that sends too many, beside its answer.
    pub fn refuse(&self, route: RouteLabel) {
        self.0.refused[route as usize].inc();
    }

    /// Counts one request.
    pub fn count(&self, route: RouteLabel, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.0.answered[route as usize].get(class) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_stand_in_the_order_of_their_labels() {
        for (at, (route, name)) in ROUTES.iter().enumerate() {
            assert_eq!(*route as usize, at, "{name}");
        }
    }

    #[test]
    fn paths_are_told_by_their_route() {
        assert_eq!(RouteLabel::of("/orders/0190").as_str(), "/orders/{jobId}");
        assert_eq!(RouteLabel::of("/sales/drop").as_str(), "/sales/{sale}");
        assert_eq!(
            RouteLabel::of("/operations/figures").as_str(),
            "/operations"
        );
        assert_eq!(RouteLabel::of("/.env").as_str(), "other");
    }
}
