//! What happened in one second, by sale.

use std::collections::HashMap;

use flashsale_domain::{event::Settled, id::SaleId, outcome::Outcome};
use flashsale_queue::figures::BuysByAnswer;
use serde::Serialize;

/// Jobs that ended in a second, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeCounts {
    /// Became orders.
    pub confirmed: u64,
    /// Found no unit left.
    pub sold_out: u64,
    /// Of shoppers who have their share.
    pub limit_reached: u64,
    /// Could not be settled; they are among the dead letters.
    pub failed: u64,
}

/// Batches that were settled in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchCounts {
    /// How many.
    pub count: u64,
    /// Jobs in all of them.
    pub jobs: u64,
    /// Jobs in the largest.
    pub largest: u64,
}

/// One second of one sale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SaleTally {
    pub(super) buys: BuysByAnswer,
    pub(super) outcomes: OutcomeCounts,
    pub(super) batches: BatchCounts,
}

/// One second of all sales in which something happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Second(HashMap<SaleId, SaleTally>);

impl SaleTally {
    /// Buys that were taken.
    pub(super) fn queued(&self) -> u64 {
        self.buys.get("queued").copied().unwrap_or_default()
    }

    /// Buys that were turned away.
    pub(super) fn refused(&self) -> u64 {
        let is_refusal = |answer: &str| !matches!(answer, "queued" | "replayed");
        let refusals = self.buys.iter().filter(|(answer, _)| is_refusal(answer));
        refusals.map(|(_, count)| count).sum()
    }
}

impl Second {
    /// Adds what a gateway answered.
    pub(super) fn add_buys(&mut self, sale: SaleId, buys: BuysByAnswer) {
        let tally = self.0.entry(sale).or_default();
        for (answer, count) in buys.into_iter().filter(|(_, count)| *count > 0) {
            let total = tally.buys.entry(answer).or_default();
            *total = total.saturating_add(count);
        }
    }

    /// Adds what a worker settled; one message is one batch.
    pub(super) fn add_settled(&mut self, settled: &Settled) {
        let tally = self.0.entry(settled.sale.clone()).or_default();
        let outcomes = &mut tally.outcomes;
        outcomes.confirmed += length(&settled.confirmed);
        for (_, _, outcome) in &settled.rejected {
            match outcome {
                Outcome::Confirmed => outcomes.confirmed += 1,
                Outcome::SoldOut => outcomes.sold_out += 1,
                Outcome::LimitReached => outcomes.limit_reached += 1,
                Outcome::Failed => outcomes.failed += 1,
            }
        }
        let jobs = length(&settled.confirmed) + length(&settled.rejected);
        tally.batches.count += 1;
        tally.batches.jobs += jobs;
        tally.batches.largest = tally.batches.largest.max(jobs);
    }

    /// The tally of a sale; zeros when nothing happened.
    pub(super) fn of(&self, sale: &SaleId) -> SaleTally {
        self.0.get(sale).cloned().unwrap_or_default()
    }
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use flashsale_domain::id::{JobId, ProductId, UserId};

    use super::*;

    fn sale() -> SaleId {
        SaleId::new("drop").unwrap()
    }

    fn buys(counts: &[(&str, u64)]) -> BuysByAnswer {
        let counts = counts.iter();
        counts
            .map(|(answer, count)| ((*answer).to_owned(), *count))
            .collect()
    }

    fn settled(confirmed: usize, rejected: &[Outcome]) -> Settled {
        let (user, job) = (UserId::new("u").unwrap(), JobId(uuid::Uuid::nil()));
        let rejected = rejected.iter().map(|outcome| (user.clone(), job, *outcome));
        Settled {
            sale: sale(),
            product: ProductId::new("p").unwrap(),
            stock: None,
            version: 0,
            rejected: rejected.collect(),
            confirmed: vec![(user.clone(), job, 1); confirmed],
            states: Vec::new(),
        }
    }

    #[test]
    fn gateways_are_summed_and_zeros_left_out() {
        let mut second = Second::default();
        second.add_buys(sale(), buys(&[("queued", 3), ("sold-out", 2)]));
        second.add_buys(
            sale(),
            buys(&[("queued", 4), ("replayed", 1), ("lane-full", 0)]),
        );
        let tally = second.of(&sale());
        let summed = buys(&[("queued", 7), ("replayed", 1), ("sold-out", 2)]);
        assert_eq!(tally.buys, summed);
        assert_eq!((tally.queued(), tally.refused()), (7, 2));
    }

    #[test]
    fn one_message_is_one_batch() {
        let mut second = Second::default();
        second.add_settled(&settled(3, &[Outcome::SoldOut, Outcome::LimitReached]));
        second.add_settled(&settled(2, &[Outcome::Failed]));
        let tally = second.of(&sale());
        let batches = (
            tally.batches.count,
            tally.batches.jobs,
            tally.batches.largest,
        );
        assert_eq!(batches, (2, 8, 5));
        let outcomes = OutcomeCounts {
            confirmed: 5,
            sold_out: 1,
            limit_reached: 1,
            failed: 1,
        };
        assert_eq!(tally.outcomes, outcomes);
    }
}
