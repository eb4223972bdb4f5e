//! Figures of each sale.

use std::{collections::HashMap, sync::Arc};

use flashsale_domain::{id::SaleId, lifecycle::Phase};
use flashsale_telemetry::Register;
use parking_lot::Mutex;
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

/// What a gauge shows of the figures of a sale.
type Figure = fn(&SaleFigures) -> Option<i64>;

/// Name, help text and figure of each gauge by sale.
const FIGURES: [(&str, &str, Figure); 11] = [
    ("queue_depth", "Jobs waiting or being settled", |figures| {
        figures.queue_depth.map(gauged)
    }),
    (
        "remaining_units",
        "Units left over all products",
        |figures| figures.remaining.map(gauged),
    ),
    ("replicas_desired", "Workers that are wanted", |figures| {
        figures.desired.map(i64::from)
    }),
    ("replicas_ready", "Workers that are ready", |figures| {
        Some(figures.ready.into())
    }),
    (
        "scaling_limited",
        "1 while the depth asks for more workers than busy lanes can use",
        |figures| figures.limited.map(i64::from),
    ),
    ("queue_up", "1 while Redis answers", |figures| {
        Some(figures.queue_up.into())
    }),
    ("ledger_up", "1 while PostgreSQL answers", |figures| {
        Some(figures.ledger_up.into())
    }),
    (
        "queue_durable",
        "1 while acknowledged buys survive a crash of Redis",
        |figures| figures.durable.map(i64::from),
    ),
    (
        "oversold_units",
        "Units sold beyond the stock, 0 in a healthy system",
        |figures| figures.oversold,
    ),
    (
        "ledger_went_back",
        "1 from when the ledger was seen to have lost commits until it is repaired",
        |figures| figures.ledger_went_back.map(i64::from),
    ),
    (
        "unfenced_batches",
        "Batches of the sale's products that workers of the previous release have settled",
        |figures| figures.unfenced_batches,
    ),
];

/// Gauges by sale.
#[derive(Debug, Clone)]
pub struct Sales {
    phases: IntGaugeVec,
    /// The same of each namespace that has a controller of its own.
    counted: Arc<Mutex<Counted>>,
    figures: Vec<(IntGaugeVec, Figure)>,
    stalled: IntGaugeVec,
}

impl Sales {
    pub(super) fn new(register: Register<'_>) -> Result<Self, prometheus::Error> {
        let by_sale = |name, help| register.gauges(name, help, &["sale"]);
        let figures = FIGURES.map(|(name, help, figure)| Ok((by_sale(name, help)?, figure)));
        Ok(Self {
            phases: register.gauges("sales", "FlashSales by phase", &["phase"])?,
            counted: Arc::default(),
            figures: figures
                .into_iter()
                .collect::<Result<_, prometheus::Error>>()?,
            stalled: by_sale("stalled", "1 while the sale needs attention")?,
        })
    }

    /// How many sales of `namespace`, or of all, are in each phase; phases that are not listed have none.
    pub fn phases(&self, namespace: Option<&str>, counts: &[(Phase, usize)]) {
        let mut counted = self.counted.lock();
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

    /// What was seen of one sale; a figure that is not known is absent, never 0.
    pub fn set(&self, sale: &SaleId, figures: &SaleFigures) {
        for (gauges, figure) in &self.figures {
            set(gauges, sale.as_str(), figure(figures));
        }
    }

    /// Whether a sale in force needs attention, as its condition `Stalled` says.
    pub fn stalled(&self, sale: &SaleId, is_stalled: bool) {
        set(&self.stalled, sale.as_str(), Some(is_stalled.into()));
    }

    /// The sale is gone, and with it its series.
    pub fn forget(&self, sale: &SaleId) {
        let figures = self.figures.iter().map(|(gauges, _)| gauges);
        for gauges in figures.chain([&self.stalled]) {
            set(gauges, sale.as_str(), None);
        }
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
