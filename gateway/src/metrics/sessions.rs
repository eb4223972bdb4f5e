//! Sessions of sockets: how many there are, and were not taken.

flashsale_telemetry::metrics! {
    /// Engine.IO sessions, of which every socket has one.
    pub struct SessionMetrics {
        open: gauge("sessions", "Open Engine.IO sessions, one for each socket."),
        pending: gauge("sessions_pending", "Engine.IO sessions that have joined no namespace."),
        of_shoppers: gauge("sessions_of_shoppers", "Engine.IO sessions whose shopper is known."),
    }
    refused: counters("sessions_refused_total", "Engine.IO sessions refused by reason.", "reason") {
        /// There were too many.
        refused_total: "total",
        /// Too many had not joined.
        refused_pending: "pending",
        /// Too many of their address had not joined.
        refused_address: "address",
        /// Their shopper had too many.
        refused_shopper: "shopper",
    }
}
