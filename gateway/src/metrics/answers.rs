//! Buys by sale and answer.

use flashsale_domain::id::SaleId;
use flashsale_telemetry::Register;
use prometheus::{
    IntCounter, IntCounterVec,
    core::Collector as _,
    proto::{Metric, MetricFamily},
};

use crate::problem::ProblemKind;

/// How a buy was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuyAnswer {
    /// 200, a new job.
    Queued,
    /// 200, the first answer again.
    Replayed,
    /// A problem.
    Refused(ProblemKind),
}

/// The label of buys that were refused before their sale was known.
const NO_SALE: &str = "";

/// What a buy can be answered once its sale is known.
const OF_A_SALE: [BuyAnswer; 12] = [
    BuyAnswer::Queued,
    BuyAnswer::Replayed,
    BuyAnswer::Refused(ProblemKind::SoldOut),
    BuyAnswer::Refused(ProblemKind::QuotaExceeded),
    BuyAnswer::Refused(ProblemKind::PassRequired),
    BuyAnswer::Refused(ProblemKind::SaleNotOpen),
    BuyAnswer::Refused(ProblemKind::SaleClosed),
    BuyAnswer::Refused(ProblemKind::IdempotencyKeyReused),
    BuyAnswer::Refused(ProblemKind::UnknownProduct),
    BuyAnswer::Refused(ProblemKind::LaneFull),
    BuyAnswer::Refused(ProblemKind::PriceHigher),
    BuyAnswer::Refused(ProblemKind::Unavailable),
];

impl BuyAnswer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Replayed => "replayed",
            Self::Refused(kind) => kind.slug(),
        }
    }
}

/// One counter a sale and answer.
#[derive(Debug, Clone)]
pub struct BuyCounters(IntCounterVec);

impl BuyCounters {
    /// Counters, all of buys without a sale at 0.
    pub fn new(register: Register<'_>) -> prometheus::Result<Self> {
        let counters = Self(register.counters(
            "buys_total",
            "Buys by sale and answer: queued, replayed, or the slug of the problem.",
            &["sale", "answer"],
        )?);
        for kind in ProblemKind::ALL {
            counters.of(NO_SALE, BuyAnswer::Refused(*kind));
        }
        Ok(counters)
    }

    /// Counts one buy; `sale` is none when it was refused before its sale was known.
    pub fn count(&self, sale: Option<&SaleId>, answer: BuyAnswer) {
        self.of(sale.map_or(NO_SALE, SaleId::as_str), answer).inc();
    }

    /// Shows zeros for a sale in force. A counter that springs into being with the opening's
    /// first thousand buys has, to Prometheus, never risen.
    pub fn show(&self, sale: &SaleId) {
        for answer in OF_A_SALE {
            self.of(sale.as_str(), answer);
        }
    }

    /// Forgets a sale that was withdrawn.
    pub fn forget(&self, sale: &SaleId) {
        for answer in OF_A_SALE {
            // Refused only when it is not there.
            let _ = self
                .0
                .remove_label_values(&[sale.as_str(), answer.as_str()]);
        }
    }

    /// Every count so far, with its sale (empty where none was known) and its answer.
    pub fn totals(&self) -> Vec<BuyCount> {
        let families = self.0.collect();
        let metrics = families.iter().flat_map(MetricFamily::get_metric);
        metrics.map(BuyCount::of).collect()
    }

    fn of(&self, sale: &str, answer: BuyAnswer) -> IntCounter {
        self.0.with_label_values(&[sale, answer.as_str()])
    }
}

/// Buys of one sale that were answered in one way, since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuyCount {
    /// The sale; empty when the buys were refused before their sale was known.
    pub sale: String,
    /// `queued`, `replayed` or the slug of a problem.
    pub answer: String,
    /// How many.
    pub count: u64,
}

impl BuyCount {
    fn of(metric: &Metric) -> Self {
        let label = |name: &str| {
            let mut labels = metric.get_label().iter();
            let found = labels.find(|label| label.name() == name);
            found.map_or_else(String::new, |label| label.value().to_owned())
        };
        Self {
            sale: label("sale"),
            answer: label("answer"),
            count: whole(metric.get_counter().get_value()),
        }
    }
}

/// A counter's value. Prometheus shows numbers as floats, which hold every whole one to 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a counter of whole numbers is whole, and never negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    fn counts(registry: &Registry) -> Vec<(String, String, f64)> {
        let families = registry.gather();
        let metrics = families.iter().flat_map(MetricFamily::get_metric);
        metrics
            .map(|metric| {
                let label = |name: &str| {
                    let labels = metric.get_label().iter();
                    let mut found = labels.filter(|label| label.name() == name);
                    found.next().unwrap().value().to_owned()
                };
                let value = metric.get_counter().get_value();
                (label("sale"), label("answer"), value)
            })
            .collect()
    }

    #[test]
    fn every_answer_counts_for_its_own_sale() {
        let registry = Registry::new();
        let counters = BuyCounters::new(Register::new(&registry, "gateway")).unwrap();
        let (drop, other) = (SaleId::new("drop").unwrap(), SaleId::new("other").unwrap());
        counters.show(&drop);
        counters.show(&other);
        for answer in OF_A_SALE {
            counters.count(Some(&drop), answer);
        }
        for (sale, answer, count) in counts(&registry) {
            let expected = f64::from(u8::from(sale == "drop"));
            assert!((count - expected).abs() < 0.5, "{sale} {answer} {count}");
        }
    }

    #[test]
    fn totals_are_what_was_counted() {
        let counters = BuyCounters::new(Register::new(&Registry::new(), "gateway")).unwrap();
        let drop = SaleId::new("drop").unwrap();
        for _ in 0..3 {
            counters.count(Some(&drop), BuyAnswer::Queued);
        }
        let totals = counters.totals();
        let wanted = BuyCount {
            sale: "drop".to_owned(),
            answer: "queued".to_owned(),
            count: 3,
        };
        assert!(totals.contains(&wanted), "{totals:?}");
    }

    #[test]
    fn a_withdrawn_sale_leaves_nothing() {
        let registry = Registry::new();
        let counters = BuyCounters::new(Register::new(&registry, "gateway")).unwrap();
        let before = counts(&registry).len();
        let drop = SaleId::new("drop").unwrap();
        counters.show(&drop);
        assert_eq!(counts(&registry).len(), before + OF_A_SALE.len());
        counters.forget(&drop);
        assert_eq!(counts(&registry).len(), before);
    }
}
