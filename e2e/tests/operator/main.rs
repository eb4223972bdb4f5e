//! The operator on a real control plane: each promise that it makes to a platform team.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says where"
)]

mod allowed;
mod big_cluster;
mod certificates;
mod conflicts;
mod database_roles;
mod edits;
mod figures;
mod health;
mod hostile_stores;
mod lifecycle;
mod listening;
mod many;
mod market;
mod mistakes;
mod outages;
mod pausing;
mod placement;
mod pod_template;
mod prewarming;
mod ready;
mod refusals;
mod replicas;
mod rollout;
mod scaling;
mod several;
mod workers_available;
