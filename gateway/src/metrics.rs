//! What the gateway counts. `docs/metrics.md` explains each; a test holds the page against this.

mod answers;
mod connections;
mod passes;
mod requests;
mod sessions;
mod tokens;

use flashsale_telemetry::{Register, build_info};
use prometheus::{Histogram, IntCounter, IntGauge, Registry};

pub use answers::{BuyAnswer, BuyCount, BuyCounters};
pub use connections::ConnectionMetrics;
pub use passes::PassMetrics;
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

/// Every metric of the gateway but those of the lanes, which `lane_collector` shows.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Buys by answer.
    pub buys: BuyCounters,
    /// Requests by route and class of status.
    pub requests: RequestCounters,
    /// The way of a buy to Redis and back.
    pub turnstile: TurnstileMetrics,
    /// Connections of shoppers.
    pub connections: ConnectionMetrics,
    /// Sessions of sockets.
    pub sessions: SessionMetrics,
    /// Sockets and what they are told.
    pub sockets: SocketMetrics,
    /// What is heard from workers.
    pub events: EventMetrics,
    /// Checks of tokens.
    pub tokens: TokenMetrics,
    /// Reads of the signing keys.
    pub jwks: JwksMetrics,
    /// Passes that were asked for.
    pub passes: PassMetrics,
    /// Attempts to use operations without the operations token.
    pub operations_refused: IntCounter,
}

/// The way of a buy to Redis and back.
#[derive(Debug, Clone)]
pub struct TurnstileMetrics {
    /// From the arrival of a buy to its 200.
    pub ack_seconds: Histogram,
    /// One call of the turnstile's script, failed ones included.
    pub call_seconds: Histogram,
    /// Buys that one call carried.
    pub call_buys: Histogram,
    /// Buys that wait for their call.
    pub waiting: IntGauge,
    /// Calls of the turnstile that failed.
    pub failures: IntCounter,
    /// One call of the turnstile's script and the wait for replicas after it, failed ones included.
    pub replicated_call_seconds: Histogram,
    /// Calls whose writes reached too few replicas in time.
    pub replica_shortfalls: IntCounter,
}

/// Sockets and what they are told.
#[derive(Debug, Clone)]
pub struct SocketMetrics {
    /// Connected sockets.
    pub connected: IntGauge,
    /// Sockets refused at the handshake.
    pub refused: IntCounter,
    /// Sockets disconnected because their token ended.
    pub ended: IntCounter,
    /// `stock-update` sent to all.
    pub stock_updates: IntCounter,
    /// `lane-progress` sent to all.
    pub lane_progress: IntCounter,
    /// `sale-status` sent to all.
    pub sale_statuses: IntCounter,
    /// `order_confirmed` sent to a shopper.
    pub orders_confirmed: IntCounter,
    /// `order_rejected` sent to a shopper.
    pub orders_rejected: IntCounter,
}

/// What is heard from workers.
#[derive(Debug, Clone)]
pub struct EventMetrics {
    /// Messages heard.
    pub heard: IntCounter,
    /// Messages that could not be read.
    pub unreadable: IntCounter,
    /// Times that the subscription was lost and made again.
    pub resubscriptions: IntCounter,
}

impl Metrics {
    /// All metrics, registered.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        build_info::register(registry, "gateway", env!("CARGO_PKG_VERSION"))?;
        let register = Register::new(registry, "gateway");
        Ok(Self {
            buys: BuyCounters::new(register)?,
            requests: RequestCounters::new(register)?,
            turnstile: TurnstileMetrics::new(register)?,
            connections: ConnectionMetrics::new(register)?,
            sessions: SessionMetrics::new(register)?,
            sockets: SocketMetrics::new(register)?,
            events: EventMetrics::new(register)?,
            tokens: TokenMetrics::new(register)?,
            jwks: JwksMetrics::new(register)?,
            passes: PassMetrics::new(register)?,
            operations_refused: register.counter(
                "operations_refused_total",
                "Requests and handshakes for operations without the operations token.",
            )?,
        })
    }
}

impl TurnstileMetrics {
    fn new(register: Register<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            ack_seconds: register.histogram(
                "ack_seconds",
                "From the arrival of a buy to its 200.",
                &ACK_BUCKETS,
            )?,
            call_seconds: register.histogram(
                "turnstile_call_seconds",
                "One call of the turnstile's script in Redis.",
                &CALL_BUCKETS,
            )?,
            call_buys: register.histogram(
                "turnstile_call_buys",
                "Buys gathered into one call of the turnstile's script.",
                &GATHERED_BUCKETS,
            )?,
            waiting: register.gauge(
                "buys_waiting",
                "Buys that wait for their call of the turnstile's script.",
            )?,
            failures: register.counter(
                "turnstile_failures_total",
                "Calls of the turnstile's script that failed or took too long.",
            )?,
            replicated_call_seconds: register.histogram(
                "replicated_call_seconds",
                "One call of the turnstile's script and the wait for replicas after it.",
                &CALL_BUCKETS,
            )?,
            replica_shortfalls: register.counter(
                "replica_shortfalls_total",
                "Calls of the turnstile's script that too few replicas had in time.",
            )?,
        })
    }
}

impl SocketMetrics {
    fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let emitted = register.counters(
            "events_emitted_total",
            "Socket.io events: those to all once for all sockets, order events once a shopper.",
            &["event"],
        )?;
        Ok(Self {
            connected: register.gauge("sockets", "Socket.io sockets connected.")?,
            refused: register.counter(
                "sockets_refused_total",
                "Socket.io handshakes refused for want of a good token.",
            )?,
            ended: register.counter(
                "sockets_ended_total",
                "Socket.io sockets disconnected because their token ended.",
            )?,
            stock_updates: emitted.with_label_values(&["stock-update"]),
            lane_progress: emitted.with_label_values(&["lane-progress"]),
            sale_statuses: emitted.with_label_values(&["sale-status"]),
            orders_confirmed: emitted.with_label_values(&["order_confirmed"]),
            orders_rejected: emitted.with_label_values(&["order_rejected"]),
        })
    }
}

impl EventMetrics {
    fn new(register: Register<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            heard: register.counter(
                "settled_messages_total",
                "Messages about settled batches heard from workers.",
            )?,
            unreadable: register.counter(
                "settled_messages_unreadable_total",
                "Messages about settled batches that this version could not read.",
            )?,
            resubscriptions: register.counter(
                "resubscriptions_total",
                "Times that the subscription to workers was lost and made again.",
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_has_a_row_for_each() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
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
