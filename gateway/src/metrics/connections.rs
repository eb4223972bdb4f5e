//! Connections: how many there are, may be, and were not taken or kept.

flashsale_telemetry::metrics! {
    /// Connections of shoppers.
    pub struct ConnectionMetrics {
        open: gauge("connections", "Open connections, sockets included."),
        limit: gauge("connections_limit", "Connections that may be open at a time."),
    }
    refused: counters("connections_refused_total", "Connections refused by reason.", "reason") {
        /// All places were taken.
        refused_total: "total",
        /// Their address had too many.
        refused_address: "address",
        /// Memory was short.
        refused_memory: "memory",
    }
    timed_out: counters("connections_timed_out_total",
        "Connections cut off by what their clients kept waiting for.", "waiting") {
        /// Cut off in the middle of a head.
        timed_out_head: "head",
        /// Their client took nothing of what was sent.
        timed_out_write: "write",
    }
}
