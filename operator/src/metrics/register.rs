//! Makes a metric and registers it, named after the operator.

use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

/// Where metrics are registered.
#[derive(Clone, Copy)]
pub(super) struct Register<'a>(pub(super) &'a Registry);

fn named(name: &str) -> String {
    format!("flashsale_operator_{name}")
}

impl Register<'_> {
    pub(super) fn gauge(self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(named(name), help)?)
    }

    pub(super) fn gauges(
        self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(named(name), help), &[label])?)
    }

    pub(super) fn counters(
        self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(named(name), help), &[label])?)
    }

    pub(super) fn histogram(
        self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(named(name), help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?)
    }

    fn add<C: Collector + Clone + 'static>(self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}
