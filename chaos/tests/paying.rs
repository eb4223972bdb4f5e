//! The short form of `make chaos` for payments. A program of its own, so that it does not run beside the other
//! rounds: two cores are full with two of them.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

mod common;

use common::play;

/// Also by the provider's own account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_ends_and_every_payment_has_one_order_or_one_refund() {
    play(&[
        "provider-away",
        "provider-events-lost",
        "gateway-killed-while-paying",
    ])
    .await;
}
