//! What the gateway counts. `docs/metrics.md` explains each; a test holds the page against this.

mod answers;
mod connections;
mod passes;
mod payments;
mod requests;
mod sessions;
mod tokens;

use flashsale_telemetry::{Register, build_info, metrics};
use prometheus::Registry;

pub use answers::{BuyAnswer, BuyCount, BuyCounters};
pub use connections::ConnectionMetrics;
pub use passes::PassMetrics;
pub use payments::PaymentMetrics;
pub use requests::{RequestCounters, RouteLabel};
pub use sessions::SessionMetrics;
pub use tokens::{IssuerMetrics, JwksMetrics, TokenMetrics};

/// Bounds in seconds of an acknowledgement: from an idle gateway's answer to the time limit.
const ACK_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 0.75, 1.0,
];

/// Bounds in seconds of one call of the script.
const CALL_BUCKETS: [f64; 12] = [
    0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.25, 0.5,
];

/// Bounds of the buys gathered into one call, up to the most there can be.
const GATHERED_BUCKETS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

metrics! {
    /// Every metric of the gateway but those of the lanes, which `lane_collector` shows.
    pub struct Metrics with {
        /// Buys by answer.
        buys: BuyCounters,
        /// Requests by route and class of status.
        requests: RequestCounters,
        /// The way of a buy to Redis and back.
        turnstile: TurnstileMetrics,
        /// Connections of shoppers.
        connections: ConnectionMetrics,
        /// Sessions of sockets.
        sessions: SessionMetrics,
        /// Sockets and what they are told.
        sockets: SocketMetrics,
        /// What is heard from workers.
        events: EventMetrics,
        /// Checks of tokens.
        tokens: TokenMetrics,
        /// Reads of the signing keys.
        jwks: JwksMetrics,
        /// Passes that were asked for.
        passes: PassMetrics,
        /// Payments.
        payments: PaymentMetrics,
    } {
        operations_refused: counter("operations_refused_total",
            "Requests and handshakes for operations without the operations token."),
    }
}

impl Metrics {
    /// All metrics, registered.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        build_info::register(registry, "gateway", env!("CARGO_PKG_VERSION"))?;
        Self::new(Register::new(registry, "gateway"))
    }
}

metrics! {
    /// The way of a buy to Redis and back.
    pub struct TurnstileMetrics {
        ack_seconds: histogram("ack_seconds", "From the arrival of a buy to its 200.", &ACK_BUCKETS),
        call_seconds: histogram("turnstile_call_seconds",
            "One call of the turnstile's script in Redis.", &CALL_BUCKETS),
        call_buys: histogram("turnstile_call_buys",
            "Buys gathered into one call of the turnstile's script.", &GATHERED_BUCKETS),
        waiting: gauge("buys_waiting", "Buys that wait for their call of the turnstile's script."),
        failures: counter("turnstile_failures_total",
            "Calls of the turnstile's script that failed or took too long."),
        replicated_call_seconds: histogram("replicated_call_seconds",
            "One call of the turnstile's script and the wait for replicas after it.", &CALL_BUCKETS),
        replica_shortfalls: counter("replica_shortfalls_total",
            "Calls of the turnstile's script that too few replicas had in time."),
    }
}

metrics! {
    /// Sockets and what they are told.
    pub struct SocketMetrics {
        connected: gauge("sockets", "Socket.io sockets connected."),
        refused: counter("sockets_refused_total",
            "Socket.io handshakes refused for want of a good token."),
        ended: counter("sockets_ended_total",
            "Socket.io sockets disconnected because their token ended."),
    }
    emitted: counters("events_emitted_total",
        "Socket.io events: those to all once for all sockets, order events once a shopper.", "event") {
        /// Sent to all.
        stock_updates: "stock-update",
        /// Sent to all.
        lane_progress: "lane-progress",
        /// Sent to all.
        sale_statuses: "sale-status",
        /// Sent to a shopper.
        orders_confirmed: "order_confirmed",
        /// Sent to a shopper.
        orders_paid: "order_paid",
        /// Sent to a shopper.
        orders_cancelled: "order_cancelled",
        /// Sent to a shopper.
        orders_rejected: "order_rejected",
    }
}

metrics! {
    /// What is heard from workers.
    pub struct EventMetrics {
        heard: counter("settled_messages_total",
            "Messages about settled batches heard from workers."),
        unreadable: counter("settled_messages_unreadable_total",
            "Messages of workers that this version could not read."),
        orders_changed: counter("order_messages_total",
            "Messages about orders that were paid or cancelled, heard from workers."),
        resubscriptions: counter("resubscriptions_total",
            "Times that the subscription to workers was lost and made again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_has_a_row_for_each() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics
            .jwks
            .of_issuer("i")
            .show_age(std::time::Duration::ZERO);
        let page = include_str!("../../docs/metrics.md");
        let names: Vec<String> = registry
            .gather()
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        assert!(names.len() > 15);
        for name in names {
            assert!(
                page.contains(&format!("| `{name}` |")),
                "docs/metrics.md lacks {name}"
            );
        }
    }
}
