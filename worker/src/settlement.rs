//! Calls of the ledger on behalf of one lane, and what a failed one means.

use flashsale_domain::{
    id::{ProductId, SaleId},
    job::Job,
};
use flashsale_ledger::{
    BatchTurn, ChangedOrder, Expiry, Fault, Ledger, LedgerError, OrderChanges, OrderPlace,
    Settlement, Succession, WaitReason,
};

use uuid::Uuid;

use crate::{batch::Waiting, metrics::Metrics};

/// A call of the ledger that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether the time limit ran out, be it without an answer or without a connection: another try
    /// from here takes as long.
    pub silent: bool,
    /// Whether nothing was changed and nothing will be: the ledger answered with an error. Anything
    /// else may still commit, even after another attempt.
    pub certain: bool,
    /// What the ledger said.
    pub message: String,
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        let fault = error.fault();
        // A server that shuts down says so even where the transaction is committed already.
        let certain = fault != Fault::Server(WaitReason::Unreachable) && error.is_answer();
        Self {
            silent: error.ran_out_of_time(),
            fault,
            certain,
            message: error.to_string(),
        }
    }
}

impl Failure {
    /// A call whose task broke: nobody knows how far it came.
    pub fn broken(message: String) -> Self {
        Self {
            fault: Fault::Server(WaitReason::Other),
            silent: false,
            certain: false,
            message,
        }
    }
}

/// The settling part of a lane's driver.
#[derive(Debug, Clone)]
pub struct Settler {
    /// The ledger.
    pub ledger: Ledger,
    /// The sale of the lane.
    pub sale: SaleId,
    /// The product of the lane.
    pub product: ProductId,
    /// For `flashsale_worker_ledger_up`, which every call brings up to date.
    pub metrics: Metrics,
}

impl Settler {
    /// Takes the lane over in the ledger from the driver `expected`: batches of an earlier takeover
    /// are refused from then on.
    ///
    /// # Errors
    /// When the ledger did not say so; it may have happened nevertheless.
    pub async fn take_over(&self, expected: Option<Uuid>) -> Result<Succession, Failure> {
        let taken = self
            .ledger
            .take_over_from(&self.sale, &self.product, expected);
        self.heard(taken.await)
    }

    /// Settles `jobs` as the batch `turn`.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn settle(&self, turn: &BatchTurn, jobs: &[Waiting]) -> Result<Settlement, Failure> {
        let jobs: Vec<&Job> = jobs.iter().map(|waiting| &waiting.job).collect();
        let settled = self.ledger.settle(&self.sale, &self.product, turn, &jobs);
        let settled = self.heard(settled.await);
        if settled.is_ok() {
            let lane = (self.sale.clone(), self.product.clone());
            self.metrics.lanes_waiting.flow(&lane);
        }
        settled
    }

    /// Cancels up to `limit` orders that were not paid in time, as the driver `driver`.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn expire_orders(&self, driver: Uuid, limit: u32) -> Result<Expiry, Failure> {
        let expired = self
            .ledger
            .expire_orders(&self.sale, &self.product, driver, limit);
        self.heard(expired.await)
    }

    /// Notes that changes of orders were told up to number `told`, and reads up to `limit` of the next.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn order_changes(&self, told: i64, limit: u32) -> Result<OrderChanges, Failure> {
        let changes = self
            .ledger
            .order_changes(&self.sale, &self.product, told, limit);
        self.heard(changes.await)
    }

    /// Reads where orders of the product stand, among the next `limit` of the sale behind `place`.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn order_states(
        &self,
        place: &OrderPlace,
        limit: u32,
    ) -> Result<(Vec<ChangedOrder>, Option<OrderPlace>), Failure> {
        let states = self
            .ledger
            .order_states(&self.sale, &self.product, place, limit);
        self.heard(states.await)
    }

    fn heard<T>(&self, answer: Result<T, LedgerError>) -> Result<T, Failure> {
        let answer = answer.map_err(Failure::from);
        let is_up = match &answer {
            Ok(_) => true,
            Err(failure) => failure.certain && !is_whole_ledger(failure.fault),
        };
        self.metrics.ledger_up.set(i64::from(is_up));
        answer
    }
}

/// Whether the fault befalls every lane of the ledger, so that it counts as down.
fn is_whole_ledger(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Server(
            WaitReason::Unreachable
                | WaitReason::ReadOnly
                | WaitReason::TooManyConnections
                | WaitReason::Schema
                | WaitReason::NotPermitted
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_did_not_come_in_time_is_not_waited_for_twice() {
        let failure = Failure::from(LedgerError::Database(sqlx::Error::PoolTimedOut));
        assert!(failure.silent);
        assert_eq!(failure.fault, Fault::Server(WaitReason::Unreachable));
    }
}
