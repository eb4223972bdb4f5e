//! Passes that were asked for.

use flashsale_telemetry::Register;
use prometheus::IntCounter;

/// Passes that were asked for.
#[derive(Debug, Clone)]
pub struct PassMetrics {
    /// Issued.
    pub issued: IntCounter,
    /// Not issued, since the proof does not count.
    pub refused: IntCounter,
    /// Not issued, since the external verifier could not be asked.
    pub unavailable: IntCounter,
}

impl PassMetrics {
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let asked = register.counters(
            "passes_total",
            "Passes that were asked for by what came of it.",
            &["result"],
        )?;
        Ok(Self {
            issued: asked.with_label_values(&["issued"]),
            refused: asked.with_label_values(&["refused"]),
            unavailable: asked.with_label_values(&["unavailable"]),
        })
    }
}
