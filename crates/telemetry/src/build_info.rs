//! Which version of what is running, as the constant metric `flashsale_build_info`.

use prometheus::{IntGauge, Opts, Registry};

/// Registers `flashsale_build_info{component,version}`, which is always 1: dashboards show by it
/// which versions run beside each other during a rollout, and alerts tell by it that a component
/// was there and is gone.
///
/// ```
/// let registry = prometheus::Registry::new();
/// flashsale_telemetry::build_info::register(&registry, "gateway", "1.2.3").unwrap();
/// assert_eq!(registry.gather()[0].name(), "flashsale_build_info");
/// ```
pub fn register(registry: &Registry, component: &str, version: &str) -> prometheus::Result<()> {
    let options = Opts::new(
        "flashsale_build_info",
        "Always 1: what runs, and its version.",
    )
    .const_label("component", component)
    .const_label("version", version);
    let info = IntGauge::with_opts(options)?;
    info.set(1);
    registry.register(Box::new(info))
}
