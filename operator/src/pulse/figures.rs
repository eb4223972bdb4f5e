//! What Prometheus sees of a sale: the last look, and never a zero for what could not be read.

use flashsale_domain::{id::SaleId, observation::SaleObservation, scaling};

use crate::{
    metrics::{Metrics, SaleFigures},
    roster::Observation,
    workers::Workers,
};

/// Shows `observed`. To be called while the sale is held in the roster, so that a sale that was taken
/// out is not shown again.
pub(super) fn show(metrics: &Metrics, sale: &SaleId, observed: &Observation, workers: Workers) {
    let queue_up = observed.queue_error.is_none();
    let ledger_up = observed.ledger_error.is_none();
    let decision = observed.decision;
    let durable = observed.durability.as_ref().and_then(|found| found.holds);
    let figures = SaleFigures {
        queue_depth: observed
            .lanes
            .as_ref()
            .filter(|_| queue_up)
            .map(SaleObservation::depth),
        remaining: observed.remaining().filter(|_| ledger_up),
        desired: decision.map(|decision| decision.workers),
        ready: workers.ready,
        limited: decision.map(|decision| decision.reason == scaling::Reason::LimitedByHotProducts),
        queue_up,
        ledger_up,
        durable: last(durable, queue_up, |holds| !holds),
        oversold: last(observed.oversold, ledger_up, |units| *units != 0),
        ledger_went_back: last(observed.ledger_went_back(), queue_up, |went_back| {
            *went_back
        }),
        unfenced_batches: observed
            .stock
            .as_ref()
            .filter(|_| ledger_up)
            .map(|stock| stock.unfenced_batches),
    };
    metrics.sales.set(sale, &figures);
}

/// What was read last while the store is `up`. While it is not, bad news stays bad, and good news is
/// nothing that anybody knows.
fn last<T>(read: Option<T>, up: bool, is_bad: impl Fn(&T) -> bool) -> Option<T> {
    read.filter(|read| up || is_bad(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(observed: &Observation) -> String {
        let registry = prometheus::Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        show(
            &metrics,
            &SaleId::new("shop.drop").unwrap(),
            observed,
            Workers::default(),
        );
        prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap()
    }

    fn away(oversold: i64) -> Observation {
        Observation {
            oversold: Some(oversold),
            queue_error: Some("refused".to_owned()),
            ledger_error: Some("refused".to_owned()),
            ..Observation::default()
        }
    }

    #[test]
    fn what_could_not_be_read_is_absent_and_never_zero() {
        let text = shown(&away(0));
        for figure in [
            "oversold_units",
            "queue_depth",
            "remaining_units",
            "replicas_desired",
            "scaling_limited",
            "queue_durable",
            "ledger_went_back",
            "unfenced_batches",
        ] {
            let series = format!("flashsale_operator_{figure}{{");
            assert!(!text.contains(&series), "{figure}: {text}");
        }
    }

    #[test]
    fn units_that_were_oversold_stay_so_while_the_ledger_is_away() {
        let series = "flashsale_operator_oversold_units{sale=\"shop.drop\"}";
        assert!(shown(&away(3)).contains(&format!("{series} 3")));
        let read = Observation {
            oversold: Some(0),
            ..Observation::default()
        };
        assert!(shown(&read).contains(&format!("{series} 0")));
    }
}
