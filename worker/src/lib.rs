//! Settlement: takes jobs from the lanes and settles them, a batch at a time, in the ledger.
//!
//! - [`roster`] looks for lanes that have jobs and no driver, and takes as many as it has room
//!   for.
//! - [`driver`] drives one lane while it holds the lane's lease: take over, read, settle,
//!   acknowledge, and again, each step overlapping the next.
//! - [`lease_keeper`] renews the lease as long as the driver makes [`progress`].
//! - [`batch`] sorts entries into jobs and malformed ones; [`settlement`] asks the ledger and says
//!   what a failure means.
//! - [`figures`] tells the operations page which lanes are driven here.

pub mod batch;
pub mod config;
pub mod driver;
pub mod figures;
pub mod lanes_waiting;
pub mod lease_keeper;
pub mod metrics;
pub mod patience;
pub mod progress;
pub mod roster;
pub mod server;
pub mod settlement;
