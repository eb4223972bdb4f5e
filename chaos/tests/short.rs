//! The short form of `make chaos`: two running sales, and the faults that find most, one after the
//! other.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

mod common;

use common::play;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_process_breaks_a_law_and_every_lane_flows_again_in_time() {
    play(&[
        "worker-killed",
        "gateway-killed",
        "control-killed",
        "worker-postgres-silent-back",
        "worker-paused",
    ])
    .await;
}

/// Among them a Redis that forgets everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_store_breaks_a_law_and_every_lane_flows_again_in_time() {
    play(&["redis-killed", "postgres-killed", "redis-flushed"]).await;
}
