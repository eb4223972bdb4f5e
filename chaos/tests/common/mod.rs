//! What the short forms of `make chaos` share.

use std::{env, path::Path};

use flashsale_chaos::{faults::Fault, round};

/// Repeats what another run has drawn.
const SEED_VARIABLE: &str = "FLASHSALE_CHAOS_SEED";

/// How many times a limit a lane may take on a machine that does other things at the same time;
/// `make chaos` judges by the limits themselves.
const SLOW_MACHINE: u64 = 4;

/// Plays a round of these faults, one after the other: no law may be broken, and every lane flows again in time.
pub(crate) async fn play(faults: &[&str]) {
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
