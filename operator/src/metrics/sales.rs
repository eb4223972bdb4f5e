//! Figures of each sale.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use flashsale_domain::{id::SaleId, lifecycle::Phase};
use flashsale_telemetry::Register;
use prometheus::IntGaugeVec;

/// What was seen of one sale. `None` is "not known", which is never the same as 0: the series is
/// then absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SaleFigures {
    /// Jobs waiting or being settled.
    pub queue_depth: Option<u64>,
    /// Units left over all products.
    pub remaining: Option<u64>,
    /// Workers that are wanted.
    pub desired: Option<u32>,
    /// Workers that are ready.
    pub ready: u32,
    /// Whether the depth asks for more workers than busy lanes can use.
    pub limited: Option<bool>,
    /// Whether Redis answered last.
    pub queue_up: bool,
    /// Whether PostgreSQL answered last.
    pub ledger_up: bool,
    /// Whether acknowledged buys survive a crash of Redis.
    pub durable: Option<bool>,
    /// Units sold beyond the stock; 0 in a healthy system.
    pub oversold: Option<i64>,
    /// Whether the ledger has forgotten what shoppers were told, and was not repaired since.
    pub ledger_went_back: Option<bool>,
    /// Batches that workers of the previous release have settled.
    pub unfenced_batches: Option<i64>,
}

/// Sales by phase, by their namespace.
type Counted = HashMap<String, Vec<(Phase, usize)>>;

/// Gauges by sale.
#[derive(Debug, Clone)]
pub(super) struct Sales {
    phases: IntGaugeVec,
    /// The same of each namespace that has a controller of its own.
    counted: Arc<Mutex<Counted>>,
    queue_depth: IntGaugeVec,
    remaining: IntGaugeVec,
    desired: IntGaugeVec,
    ready: IntGaugeVec,
    limited: IntGaugeVec,
    queue_up: IntGaugeVec,
    ledger_up: IntGaugeVec,
    durable: IntGaugeVec,
    oversold: IntGaugeVec,
    ledger_went_back: IntGaugeVec,
    unfenced_batches: IntGaugeVec,
    stalled: IntGaugeVec,
}

impl Sales {
    pub(super) fn new(register: Register<'_>) -> Result<Self, prometheus::Error> {
        let by_sale = |name, help| register.gauges(name, help, &["sale"]);
        Ok(Self {
            phases: register.gauges("sales", "FlashSales by phase", &["phase"])?,
            counted: Arc::default(),
            queue_depth: by_sale("queue_depth", "Jobs waiting or being settled")?,
            remaining: by_sale("remaining_units", "Units left over all products")?,
            desired: by_sale("replicas_desired", "Workers that are wanted")?,
            ready: by_sale("replicas_ready", "Workers that are ready")?,
            limited: by_sale(
                "scaling_limited",
                "1 while the depth asks for more workers than busy lanes can use",
            )?,
            queue_up: by_sale("queue_up", "1 while Redis answers")?,
            ledger_up: by_sale("ledger_up", "1 while PostgreSQL answers")?,
            durable: by_sale(
                "queue_durable",
                "1 while acknowledged buys survive a crash of Redis",
            )?,
            oversold: by_sale(
                "oversold_units",
                "Units sold beyond the stock, 0 in a healthy system",
            )?,
            ledger_went_back: by_sale(
                "ledger_went_back",
                "1 from when the ledger was seen to have lost commits until it is repaired",
            )?,
            unfenced_batches: by_sale(
                "unfenced_batches",
                "Batches of the sale's products that workers of the previous release have settled",
            )?,
            stalled: by_sale("stalled", "1 while the sale needs attention")?,
        })
    }

    pub(super) fn phases(&self, namespace: Option<&str>, counts: &[(Phase, usize)]) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = namespace.unwrap_or_default().to_owned();
        counted.insert(namespace, counts.to_vec());
        for phase in Phase::ALL {
            let sales: usize = counted
                .values()
                .flatten()
                .filter(|(counted, _)| *counted == phase)
                .map(|(_, count)| count)
                .sum();
            self.phases
                .with_label_values(&[phase.as_str()])
                .set(gauged(sales));
        }
    }

    pub(super) fn set(&self, sale: &SaleId, figures: &SaleFigures) {
        let sale = sale.as_str();
        set(&self.queue_depth, sale, figures.queue_depth.map(gauged));
        set(&self.remaining, sale, figures.remaining.map(gauged));
        set(&self.desired, sale, figures.desired.map(i64::from));
        set(&self.ready, sale, Some(figures.ready.into()));
        set(&self.limited, sale, figures.limited.map(i64::from));
        set(&self.queue_up, sale, Some(figures.queue_up.into()));
        set(&self.ledger_up, sale, Some(figures.ledger_up.into()));
        set(&self.durable, sale, figures.durable.map(i64::from));
        set(&self.oversold, sale, figures.oversold);
        let went_back = figures.ledger_went_back.map(i64::from);
        set(&self.ledger_went_back, sale, went_back);
        set(&self.unfenced_batches, sale, figures.unfenced_batches);
    }

    pub(super) fn stalled(&self, sale: &SaleId, is_stalled: bool) {
        set(&self.stalled, sale.as_str(), Some(is_stalled.into()));
    }

    pub(super) fn forget(&self, sale: &SaleId) {
        for gauges in self.by_sale() {
            set(gauges, sale.as_str(), None);
        }
    }

    fn by_sale(&self) -> [&IntGaugeVec; 12] {
        [
            &self.queue_depth,
            &self.remaining,
            &self.desired,
            &self.ready,
            &self.limited,
            &self.queue_up,
            &self.ledger_up,
            &self.durable,
            &self.oversold,
            &self.ledger_went_back,
            &self.unfenced_batches,
            &self.stalled,
        ]
    }
}

/// Sets the series of `sale`, or takes it away.
fn set(gauges: &IntGaugeVec, sale: &str, value: Option<i64>) {
    match value {
        Some(value) => gauges.with_label_values(&[sale]).set(value),
        // Fails only when there is no such series, which is what was asked for.
        None => drop(gauges.remove_label_values(&[sale])),
    }
}

/// A count as a gauge takes it.
fn gauged<T: TryInto<i64>>(count: T) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
