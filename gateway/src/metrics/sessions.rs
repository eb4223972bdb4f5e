//! Sessions of sockets: how many there are, and were not taken.

use flashsale_telemetry::Register;
use prometheus::{IntCounter, IntGauge};

/// Engine.IO sessions, of which every socket has one.
#[derive(Debug, Clone)]
pub struct SessionMetrics {
    /// All of them.
    pub open: IntGauge,
    /// Those that have joined no namespace.
    pub pending: IntGauge,
    /// Those whose shopper is known.
    pub of_shoppers: IntGauge,
    /// Refused since there were too many.
    pub refused_total: IntCounter,
    /// Refused since too many had not joined.
    pub refused_pending: IntCounter,
    /// Refused since too many of their address had not joined.
    pub refused_address: IntCounter,
    /// Refused since their shopper had too many.
    pub refused_shopper: IntCounter,
}

impl SessionMetrics {
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let refused = register.counters(
            "sessions_refused_total",
            "Engine.IO sessions refused by reason.",
            &["reason"],
        )?;
        Ok(Self {
            open: register.gauge("sessions", "Open Engine.IO sessions, one for each socket.")?,
            pending: register.gauge(
                "sessions_pending",
                "Engine.IO sessions that have joined no namespace.",
            )?,
            of_shoppers: register.gauge(
                "sessions_of_shoppers",
                "Engine.IO sessions whose shopper is known.",
            )?,
            refused_total: refused.with_label_values(&["total"]),
            refused_pending: refused.with_label_values(&["pending"]),
            refused_address: refused.with_label_values(&["address"]),
            refused_shopper: refused.with_label_values(&["shopper"]),
        })
    }
}
