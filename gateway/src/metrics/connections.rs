//! Connections: how many there are, may be, and were not taken or kept.

use flashsale_telemetry::Register;
use prometheus::{IntCounter, IntGauge};

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
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let refused = register.counters(
            "connections_refused_total",
            "Connections refused by reason.",
            &["reason"],
        )?;
        let timed_out = register.counters(
            "connections_timed_out_total",
            "Connections cut off by what their clients kept waiting for.",
            &["waiting"],
        )?;
        Ok(Self {
            open: register.gauge("connections", "Open connections, sockets included.")?,
            limit: register.gauge(
                "connections_limit",
                "Connections that may be open at a time.",
            )?,
            refused_total: refused.with_label_values(&["total"]),
            refused_address: refused.with_label_values(&["address"]),
            refused_memory: refused.with_label_values(&["memory"]),
            timed_out_head: timed_out.with_label_values(&["head"]),
            timed_out_write: timed_out.with_label_values(&["write"]),
        })
    }
}
