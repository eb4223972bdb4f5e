//! Creates the metrics of a process and registers them.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, Result, core::Collector,
};

/// Creates metrics whose names begin with `flashsale_PROCESS_`, and registers them.
///
/// ```
/// let registry = prometheus::Registry::new();
/// let register = flashsale_telemetry::Register::new(&registry, "gateway");
/// register.counter("buys_total", "Buys that were answered").unwrap().inc();
/// assert_eq!(registry.gather()[0].name(), "flashsale_gateway_buys_total");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Register<'a> {
    registry: &'a Registry,
    process: &'static str,
}

impl<'a> Register<'a> {
    /// Registers metrics of `process` in `registry`.
    pub fn new(registry: &'a Registry, process: &'static str) -> Self {
        Self { registry, process }
    }

    /// A counter.
    pub fn counter(self, name: &str, help: &str) -> Result<IntCounter> {
        self.add(IntCounter::new(self.full(name), help)?)
    }

    /// A counter for each combination of values of `labels`.
    pub fn counters(self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(self.options(name, help), labels)?)
    }

    /// A gauge of whole numbers.
    pub fn gauge(self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(self.full(name), help)?)
    }

    /// A gauge of whole numbers for each combination of values of `labels`.
    pub fn gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(self.options(name, help), labels)?)
    }

    /// A gauge of any numbers for each combination of values of `labels`.
    pub fn float_gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec> {
        self.add(GaugeVec::new(self.options(name, help), labels)?)
    }

    /// A histogram with these upper bounds of its buckets.
    pub fn histogram(self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram> {
        let options = HistogramOpts::new(self.full(name), help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?)
    }

    /// A histogram for each combination of values of `labels`.
    pub fn histograms(
        self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec> {
        let options = HistogramOpts::new(self.full(name), help).buckets(buckets.to_vec());
        self.add(HistogramVec::new(options, labels)?)
    }

    fn add<C: Collector + Clone + 'static>(self, collector: C) -> Result<C> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn options(self, name: &str, help: &str) -> Opts {
        Opts::new(self.full(name), help)
    }

    fn full(self, name: &str) -> String {
        format!("flashsale_{}_{name}", self.process)
    }
}
