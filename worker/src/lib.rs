//! Settlement: takes jobs from the lanes and settles them, a batch at a time, in the ledger.
//!
//! - [`roster`] looks for lanes that have jobs and no driver, and takes as many as it has room
//!   for.
//! - [`driver`] drives one lane while it holds the lane's lease: read, settle, acknowledge, and
//!   again, each step overlapping the next.
//! - [`batch`] sorts entries into jobs and malformed ones; [`settlement`] settles a batch, waits
//!   for a ledger that is away, and finds the one job that poisons a batch.
//! - [`figures`] tells the operations page which lanes are driven here.

pub mod batch;
pub mod config;
pub mod driver;
pub mod figures;
pub mod lease_keeper;
pub mod metrics;
pub mod patience;
pub mod roster;
pub mod server;
pub mod settlement;
