//! Passes that were asked for.

flashsale_telemetry::metrics! {
    /// Passes that were asked for.
    pub struct PassMetrics {}
    asked: counters("passes_total", "Passes that were asked for by what came of it.", "result") {
        /// Issued.
        issued: "issued",
        /// Not issued, since the proof does not count.
        refused: "refused",
        /// Not issued, since the external verifier could not be asked.
        unavailable: "unavailable",
    }
}
