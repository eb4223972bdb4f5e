//! Connections: how many there are, may be, and were not taken or kept.

use prometheus::{IntCounter, IntGauge, Registry};

use super::{counters, registered};

/// Connections of shoppers.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    /// Open connections, sockets included.
    pub open: IntGauge,
    /// How many there may be.
    pub limit: IntGauge,
    /// Refused since all places were taken.
    pub refused_total: IntCounter,
    /// Refused since their address had too many.
    pub refused_address: IntCounter,
    /// Refused since memory was short.
    pub refused_memory: IntCounter,
    /// Cut off in the middle of a head.
    pub timed_out_head: IntCounter,
    /// Cut off since their client took nothing of what was sent.
    pub timed_out_write: IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let open = IntGauge::new(
            "flashsale_gateway_connections",
            "Open connections, sockets included.",
        )?;
        let limit = IntGauge::new(
            "flashsale_gateway_connections_limit",
            "Connections that may be open at a time.",
        )?;
        let refused = counters(
            registry,
            "flashsale_gateway_connections_refused_total",
            "Connections refused by reason.",
            "reason",
        )?;
        let timed_out = counters(
            registry,
            "flashsale_gateway_connections_timed_out_total",
            "Connections cut off by what their clients kept waiting for.",
            "waiting",
        )?;
        Ok(Self {
            open: registered(registry, open)?,
            limit: registered(registry, limit)?,
            refused_total: refused.with_label_values(&["total"]),
            refused_address: refused.with_label_values(&["address"]),
            refused_memory: refused.with_label_values(&["memory"]),
            timed_out_head: timed_out.with_label_values(&["head"]),
            timed_out_write: timed_out.with_label_values(&["write"]),
        })
    }
}
