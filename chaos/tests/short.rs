//! The short form of `make chaos`: two running sales, and the faults that find most, one after the
//! other.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::{env, path::Path};

use flashsale_chaos::{faults::Fault, round};

/// Repeats what another run has drawn.
const SEED_VARIABLE: &str = "FLASHSALE_CHAOS_SEED";

/// How many times a limit a lane may take on a machine that does other things at the same time;
/// `make chaos` judges by the limits themselves.
const SLOW_MACHINE: u64 = 4;

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

/// Also by the provider's own account: each payment has one order or one refund.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_ends_and_every_payment_has_one_order_or_one_refund() {
    play(&[
        "provider-away",
        "provider-events-lost",
        "gateway-killed-while-paying",
    ])
    .await;
}

async fn play(faults: &[&str]) {
    let faults: Vec<Fault> = faults
        .iter()
        .map(|name| Fault::named(name).unwrap())
        .collect();
    let seed = match env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random::<u32>().into(),
    };
    println!("{SEED_VARIABLE}={seed}");
    let evidence = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos");
    let finding = round::play(&faults, seed, &evidence).await.unwrap();
    for episode in &finding.episodes {
        println!(
            "{:<28} {:>6} ms of {} ms to recover ({})",
            episode.fault, episode.recovered_ms, episode.limit_ms, episode.how
        );
    }
    let violations = &finding.judgement.violations;
    assert!(violations.is_empty(), "{violations:#?}");
    for episode in &finding.episodes {
        let is_in_time = episode.recovered_ms <= SLOW_MACHINE * episode.limit_ms;
        assert!(!episode.is_stuck && is_in_time, "{episode:#?}");
    }
    // Or nothing was tried.
    assert!(finding.judgement.acknowledged > 1_000, "{finding:#?}");
}
