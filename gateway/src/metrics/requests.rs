//! Requests by route and class of status.

use std::sync::Arc;

use flashsale_telemetry::Register;
use http::StatusCode;
use prometheus::IntCounter;

flashsale_domain::words! {
    /// The routes there are, as metrics and logs have them, so that no path of a shopper becomes a label.
    pub enum RouteLabel {
        /// A buy.
        Buy = "/buy",
        /// A look-up of one.
        Order = "/orders/{jobId}",
        /// Where an order is paid.
        Checkout = "/orders/{jobId}/checkout",
        /// An order is given back.
        Cancel = "/orders/{jobId}/cancel",
        /// A payment provider tells of a payment.
        PaymentEvent = "/payments/{provider}/events",
        /// All sales.
        Sales = "/sales",
        /// One sale.
        Sale = "/sales/{sale}",
        /// `/pass` and `/pass/challenge`
        Pass = "/pass",
        /// Who is asking.
        Session = "/session",
        /// Everything under that.
        Operations = "/operations",
        /// The document.
        OpenApi = "/openapi.json",
        /// Socket.io.
        Socket = "/socket.io/",
        /// A file or page of the shop, wherever it was asked for.
        Shop = "shop",
        /// Any other path.
        Other = "other",
    }
}

const ROUTES: usize = RouteLabel::ALL.len();

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl RouteLabel {
    /// The route of a path. The shop has no paths of its own: what it answers is known by its
    /// answers, and [`RouteLabel::Other`] until then.
    pub fn of(path: &str) -> Self {
        match path {
            "/buy" => Self::Buy,
            "/sales" => Self::Sales,
            "/pass" | "/pass/challenge" => Self::Pass,
            "/session" => Self::Session,
            "/openapi.json" => Self::OpenApi,
            _ if path.starts_with("/socket.io/") => Self::Socket,
            _ if path.starts_with("/orders/") => match path.rsplit('/').next() {
                Some("checkout") => Self::Checkout,
                Some("cancel") => Self::Cancel,
                _ => Self::Order,
            },
            _ if path.starts_with("/payments/") => Self::PaymentEvent,
            _ if path.starts_with("/sales/") => Self::Sale,
            _ if path.starts_with("/operations/") => Self::Operations,
            _ => Self::Other,
        }
    }
}

/// One counter a route and class, looked up once. Cheap to clone: every request has one.
#[derive(Debug, Clone)]
pub struct RequestCounters(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    answered: [[IntCounter; CLASSES.len()]; ROUTES],
    refused: [IntCounter; ROUTES],
}

impl RequestCounters {
    /// Counters, all at 0.
    pub fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let counters = register.counters(
            "requests_total",
            "HTTP requests by route and class of status.",
            &["route", "status"],
        )?;
        let answered = RouteLabel::ALL
            .map(|route| CLASSES.map(|class| counters.with_label_values(&[route.as_str(), class])));
        let refused = register.counters(
            "requests_refused_total",
            "HTTP requests refused by route, since their address sends too many.",
            &["route"],
        )?;
        let refused = RouteLabel::ALL.map(|route| refused.with_label_values(&[route.as_str()]));
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
