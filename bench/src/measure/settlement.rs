//! What settlement is measured at, and which limits it has.

use std::fmt;

use super::{DEFAULT_BATCH, PRODUCTS, WORKERS, count};

/// Batch sizes that one worker settles one product with.
pub const BATCHES: [u32; 6] = [1, 10, 100, 500, DEFAULT_BATCH, 2_000];

/// How many workers there are for one product, in batches of [`DEFAULT_BATCH`].
pub const CROWDS: [u32; 4] = [1, 2, 4, WORKERS];

/// How many products one worker settles, in batches of [`DEFAULT_BATCH`].
pub const ASSORTMENTS: [u32; 3] = [1, PRODUCTS, 100];

/// Milliseconds of a round trip to a PostgreSQL that is away: in another zone, in another town.
pub const DISTANCES: [u32; 2] = [1, 5];

/// Batch sizes that are settled in a PostgreSQL that is away.
pub const FAR_BATCHES: [u32; 2] = [100, DEFAULT_BATCH];

/// How the rows of the limit's batches are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Binary arrays that are unnested, as the worker sends them.
    Arrays,
    /// `COPY` in its binary form.
    Copy,
}

/// Orders a second by the plain statements of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlainBatches {
    /// How rows are sent.
    pub form: Form,
    /// Products.
    pub products: u32,
    /// Orders in one transaction.
    pub batch: u32,
    /// Milliseconds of a round trip to PostgreSQL; 0 for one on this machine.
    pub away_ms: u32,
}

impl fmt::Display for PlainBatches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            products,
            batch,
            away_ms,
            ..
        } = *self;
        let form = match self.form {
            Form::Arrays => "plain statements",
            Form::Copy => "COPY",
        };
        match away_ms {
            0 => write!(formatter, "{form}, {}", count(products, "product"))?,
            _ => write!(formatter, "{form}, {away_ms} ms away")?,
        }
        write!(formatter, ", batches of {batch}")
    }
}
