//! Drivers of several workers on one lane, in simulated time: with messages that are late, lost or
//! answered after they were given up, workers that are paused, cut off or killed, leases that
//! vanish, units that come back, and jobs that the ledger refuses or is too slow for. Only the
//! pipeline is the real one; ledger and Redis are models of a few lines. A seed decides everything,
//! so a run that fails can be looked at again: `SEED=17 cargo test -p flashsale-worker simulation`.

mod ledger;
mod queue;
mod world;

use std::{ops::Range, time::Duration};

use ledger::Broken;
use world::World;

/// Seeds tried: some thirty thousand jobs.
const SEEDS: u64 = 200;

/// Seeds tried until something that is left out is noticed.
const MOST_SEEDS: u64 = 2_000;

/// How long after the last fault every job must have its outcome. A lane waits for a lease's term,
/// a call that is given up and the time it is left to others, one after the other.
const RECOVERS_WITHIN: Duration = Duration::from_secs(10);

/// The seed that is asked for, or many: as many as `SEEDS` says.
fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let many = 0..number("SEEDS").unwrap_or(SEEDS);
    number("SEED").map_or(many, |seed| seed..seed + 1)
}

/// What is wrong at the end of the run of `seed`, if anything.
fn run(seed: u64, broken: Broken) -> Result<(), String> {
    let mut world = World::new(seed, broken);
    world.run(RECOVERS_WITHIN)?;
    world.judge()
}

/// Whether a run of any seed shows that `broken` is.
fn is_noticed(broken: Broken) -> bool {
    (0..MOST_SEEDS).any(|seed| run(seed, broken).is_err())
}

#[test]
fn every_job_gets_the_outcome_that_the_ledger_decided_in_order_of_arrival() {
    for seed in seeds() {
        if let Err(wrong) = run(seed, Broken::Nothing) {
            panic!("SEED={seed}: {wrong}");
        }
    }
}

#[test]
fn a_ledger_that_does_not_fence_is_noticed() {
    assert!(is_noticed(Broken::Fence));
}

#[test]
fn a_ledger_that_does_not_number_batches_is_noticed() {
    assert!(is_noticed(Broken::Numbers));
}

#[test]
fn a_ledger_that_forgets_rejections_is_noticed() {
    assert!(is_noticed(Broken::Rejections));
}

#[test]
fn an_acknowledgement_that_writes_without_an_entry_is_noticed() {
    assert!(is_noticed(Broken::Acknowledgement));
}
