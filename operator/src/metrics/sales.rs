//! Figures of each sale.

use std::{collections::HashMap, sync::Arc};

use flashsale_domain::{id::SaleId, lifecycle::Phase, scaling};
use flashsale_telemetry::Register;
use parking_lot::Mutex;
use prometheus::IntGaugeVec;

use crate::{roster::Observation, workers::Workers};

/// Sales by phase, by their namespace.
type Counted = HashMap<String, Vec<(Phase, usize)>>;

/// What was seen of one sale.
struct Seen<'a> {
    observed: &'a Observation,
    workers: Workers,
    /// Whether Redis answered last.
    queue_up: bool,
    /// Whether PostgreSQL answered last.
    ledger_up: bool,
}

/// What a gauge shows of a sale. None is "not known", which is never the same as 0: the series is then
/// absent.
type Figure = fn(&Seen<'_>) -> Option<i64>;

/// Name, help text and figure of each gauge by sale.
const FIGURES: [(&str, &str, Figure); 14] = [
    ("queue_depth", "Jobs waiting or being settled", |seen| {
        let lanes = seen.observed.lanes.as_ref()?;
        seen.queue_up.then(|| gauged(lanes.depth()))
    }),
    ("remaining_units", "Units left over all products", |seen| {
        let units = seen.observed.remaining()?;
        seen.ledger_up.then(|| gauged(units))
    }),
    ("replicas_desired", "Workers that are wanted", |seen| {
        Some(seen.observed.decision?.workers.into())
    }),
    ("replicas_ready", "Workers that are ready", |seen| {
        Some(seen.workers.ready.into())
    }),
    (
        "scaling_limited",
        "1 while the depth asks for more workers than busy lanes can use",
        |seen| {
            let reason = seen.observed.decision?.reason;
            Some((reason == scaling::Reason::LimitedByHotProducts).into())
        },
    ),
    ("queue_up", "1 while Redis answers", |seen| {
        Some(seen.queue_up.into())
    }),
    ("ledger_up", "1 while PostgreSQL answers", |seen| {
        Some(seen.ledger_up.into())
    }),
    (
        "queue_durable",
        "1 while acknowledged buys survive a crash of Redis",
        |seen| {
            let holds = seen.observed.durability.as_ref()?.holds?;
            last(holds, seen.queue_up, !holds)
        },
    ),
    (
        "oversold_units",
        "Units sold beyond the stock, 0 in a healthy system",
        |seen| {
            let units = seen.observed.oversold?;
            last(units, seen.ledger_up, units != 0)
        },
    ),
    (
        "ledger_went_back",
        "1 from when the ledger was seen to have lost commits until it is repaired",
        |seen| {
            let went_back = seen.observed.ledger_went_back()?;
            last(went_back, seen.queue_up, went_back)
        },
    ),
    (
        "unfenced_batches",
        "Batches of the sale's products that workers of the previous release have settled",
        |seen| {
            let stock = seen.observed.stock.as_ref()?;
            seen.ledger_up.then_some(stock.unfenced_batches)
        },
    ),
    (
        "pending_orders",
        "Orders that wait for their payment",
        |seen| {
            let stock = seen.observed.stock.as_ref()?;
            seen.ledger_up.then_some(stock.pending)
        },
    ),
    (
        "overdue_orders",
        "Orders whose time to pay has been over for half a minute, 0 in a healthy system",
        |seen| {
            let orders = seen.observed.stock.as_ref()?.overdue;
            last(orders, seen.ledger_up, orders != 0)
        },
    ),
    (
        "untold_order_changes",
        "Changes of orders that Redis and shoppers were not told of yet",
        |seen| {
            let stock = seen.observed.stock.as_ref()?;
            seen.ledger_up.then_some(stock.untold)
        },
    ),
];

/// What was read last of a store that is `up`. While it is not, bad news stays bad, and good news is
/// nothing that anybody knows.
fn last(read: impl Into<i64>, up: bool, is_bad: bool) -> Option<i64> {
    (up || is_bad).then(|| read.into())
}

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
    pub(super) fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let by_sale = |name, help| register.gauges(name, help, &["sale"]);
        let figures = FIGURES.map(|(name, help, figure)| Ok((by_sale(name, help)?, figure)));
        Ok(Self {
            phases: register.gauges("sales", "FlashSales by phase", &["phase"])?,
            counted: Arc::default(),
            figures: figures.into_iter().collect::<prometheus::Result<_>>()?,
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

    /// Shows what was `observed` of a sale, never a zero for what could not be read. To be called while the
    /// sale is held in the roster, so that a sale that was taken out is not shown again.
    pub fn show(&self, sale: &SaleId, observed: &Observation, workers: Workers) {
        let seen = Seen {
            observed,
            workers,
            queue_up: observed.queue_error.is_none(),
            ledger_up: observed.ledger_error.is_none(),
        };
        for (gauges, figure) in &self.figures {
            set(gauges, sale.as_str(), figure(&seen));
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
