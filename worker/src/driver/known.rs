//! What a lane's driver has learnt and the next one of this worker begins with.

use uuid::Uuid;

use super::size::BatchSize;

/// What is known of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// How many jobs a batch may have.
    pub size: BatchSize,
    /// The driver that the ledger had last, which a next one expects to succeed.
    pub driver: Option<Uuid>,
}

impl Known {
    /// Nothing yet, of a lane whose sale asks for batches of up to `most` jobs.
    pub fn new(most: usize) -> Self {
        Self {
            size: BatchSize::new(most),
            driver: None,
        }
    }

    /// The same of a lane whose sale now asks for `most`.
    #[must_use]
    pub fn of_at_most(self, most: usize) -> Self {
        Self {
            size: self.size.of_at_most(most),
            ..self
        }
    }
}
