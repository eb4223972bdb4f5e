//! Buys by answer.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

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

/// One counter an answer, looked up once so that counting a buy is one addition.
#[derive(Debug, Clone)]
pub struct BuyCounters {
    queued: IntCounter,
    replayed: IntCounter,
    refused: Vec<IntCounter>,
}

impl BuyCounters {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let options = Opts::new(
            "flashsale_gateway_buys_total",
            "Buys by answer: queued, replayed, or the slug of the problem.",
        );
        let counters = IntCounterVec::new(options, &["answer"])?;
        registry.register(Box::new(counters.clone()))?;
        let labelled = |answer: &str| counters.with_label_values(&[answer]);
        Ok(Self {
            queued: labelled("queued"),
            replayed: labelled("replayed"),
            refused: ProblemKind::ALL
                .iter()
                .map(|kind| labelled(kind.slug()))
                .collect(),
        })
    }

    /// Counts one buy.
    pub fn count(&self, answer: BuyAnswer) {
        match answer {
            BuyAnswer::Queued => self.queued.inc(),
            BuyAnswer::Replayed => self.replayed.inc(),
            // The kinds stand in the order of their declaration.
            BuyAnswer::Refused(kind) => {
                if let Some(counter) = self.refused.get(kind as usize) {
                    counter.inc();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_counts_under_its_own_slug() {
        let registry = Registry::new();
        let counters = BuyCounters::new(&registry).unwrap();
        for kind in ProblemKind::ALL {
            counters.count(BuyAnswer::Refused(*kind));
        }
        for family in registry.gather() {
            for metric in family.get_metric() {
                let answer = metric.get_label()[0].value();
                let expected = f64::from(u8::from(!matches!(answer, "queued" | "replayed")));
                assert!(
                    (metric.get_counter().get_value() - expected).abs() < 0.5,
                    "{answer}"
                );
            }
        }
    }
}
