//! The control plane of a flash sale: turns a [`crd::FlashSale`] into Redis state and a worker
//! Deployment, scales it by the queue, and reports what it sees.
//!
//! It never touches a buy: opening and closing are part of what it writes to Redis beforehand, so
//! a sale opens, sells and closes while no operator is alive.

pub mod autoscalers;
pub mod backoff;
pub mod config;
pub mod context;
pub mod controller;
pub mod crd;
pub mod definition;
pub mod disruption_budgets;
pub mod events;
pub mod failure;
pub mod lease;
pub mod metrics;
pub mod obstacle;
pub mod ownership;
pub mod pulse;
pub mod reconcile;
pub mod roster;
pub mod run;
pub mod scale;
pub mod secrets;
pub mod stores;
pub mod watch;
pub mod workers;
pub mod written_statuses;
