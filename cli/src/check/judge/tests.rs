//! The judge on generated sales: no false alarm where every law is kept, and every planted
//! violation found and named.

mod model;
mod plant;

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::super::{
    circumstances::Loss,
    verdict::{Law, Store, Verdict},
};
use model::{Model, TROUBLES, Trouble};
use plant::PLANTS;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // A seed makes the same sale again; a file of old failures would say no more.
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn a_sale_that_keeps_the_laws_is_clean(seed: u64, trouble in 0..TROUBLES.len()) {
        let made = Model::run(seed, TROUBLES[trouble]);
        let verdict = made.judge();
        prop_assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    }
}

/// Sales that each kind of violation is planted into.
const SALES: u64 = 40;

#[test]
fn every_planted_violation_is_found_and_named() {
    for (name, plant) in PLANTS {
        let mut planted = 0;
        for seed in 0..SALES {
            let trouble = TROUBLES[usize::try_from(seed).unwrap() % TROUBLES.len()];
            let mut made = Model::run(seed, trouble);
            let mut random = StdRng::seed_from_u64(seed);
            let Some(expected) = plant(&mut made, &mut random) else {
                continue;
            };
            planted += 1;
            let verdict = made.judge();
            assert!(
                expected.is_in(&verdict),
                "{name}, seed {seed}, {trouble:?}: {expected:?} is not among {:#?}",
                verdict.violations
            );
        }
        assert!(planted >= 3, "{name} was planted {planted} times");
    }
}

fn lost(verdict: &Verdict, store: Store) -> Vec<uuid::Uuid> {
    let rows = verdict.lost_with_store.iter();
    rows.filter(|row| row.store == store)
        .filter_map(|row| row.subject.job)
        .collect()
}

#[test]
fn a_waiting_job_that_redis_lost_is_named_in_its_own_column_and_is_a_violation_otherwise() {
    for seed in 0..SALES {
        let mut made = Model::run(seed, Trouble::None);
        let (job, us) = plant::vanished(&mut made);
        made.ending = crate::history::Ending::Complete;
        let violated = made.judge();
        assert!(
            violated
                .violations
                .iter()
                .any(|row| row.subject.job == Some(job))
        );
        assert!(lost(&violated, Store::Redis).is_empty());

        made.circumstances.redis_lost = vec![Loss {
            from: None,
            to: Some(plant::at(us + 5_000_000)),
        }];
        let excused = made.judge();
        assert!(excused.is_clean(), "{:#?}", excused.violations);
        assert_eq!(lost(&excused, Store::Redis), [job]);

        // It was bought long after what Redis lost had been written.
        made.circumstances.redis_lost = vec![Loss {
            from: None,
            to: Some(plant::at(us - 5_000_000)),
        }];
        let too_early = made.judge();
        assert!(
            too_early
                .violations
                .iter()
                .any(|row| row.subject.job == Some(job))
        );
    }
}

#[test]
fn an_order_in_a_lost_commit_is_named_in_its_own_column_and_is_a_violation_otherwise() {
    for seed in 0..SALES {
        let mut made = Model::run(seed, Trouble::None);
        let (job, us) = plant::confirmed_in_a_lost_commit(&mut made);
        let violated = made.judge();
        assert!(
            violated
                .violations
                .iter()
                .any(|row| { row.law == Law::NoLostAck && row.subject.job == Some(job) })
        );

        let (from, to) = (plant::at(us), plant::at(us + 2_000_000));
        made.circumstances.ledger_lost = vec![Loss {
            from: Some(from),
            to: Some(to),
        }];
        let excused = made.judge();
        assert!(excused.is_clean(), "{:#?}", excused.violations);
        assert_eq!(lost(&excused, Store::Ledger), [job]);

        let from = plant::at(us + 30_000_000);
        made.circumstances.ledger_lost = vec![Loss {
            from: Some(from),
            to: None,
        }];
        assert!(!made.judge().is_clean());
    }
}

#[test]
fn a_store_that_lost_data_excuses_no_second_outcome_and_no_second_order() {
    let never_excused = [
        "two_outcomes_by_events",
        "two_orders_of_a_key",
        "number_told_twice",
        "unit_appeared",
    ];
    for (name, plant) in PLANTS
        .iter()
        .filter(|(name, _)| never_excused.contains(name))
    {
        for seed in 0..SALES {
            let mut made = Model::run(seed, Trouble::None);
            made.circumstances.redis_lost = vec![Loss::default()];
            made.circumstances.ledger_lost = vec![Loss::default()];
            let mut random = StdRng::seed_from_u64(seed);
            let Some(expected) = plant(&mut made, &mut random) else {
                continue;
            };
            let verdict = made.judge();
            assert!(expected.is_in(&verdict), "{name}, seed {seed}");
        }
    }
}

#[test]
fn losses_that_happened_are_listed_and_nothing_is_listed_where_no_store_lost_data() {
    let mut listed = 0;
    for seed in 0..SALES {
        for trouble in TROUBLES {
            let verdict = Model::run(seed, trouble).judge();
            match trouble {
                Trouble::RedisLost | Trouble::LedgerLost => {
                    listed += verdict.lost_with_store.len();
                }
                _ => assert_eq!(verdict.lost_with_store, [], "seed {seed}, {trouble:?}"),
            }
        }
    }
    assert!(listed > 20, "{listed}");
}

#[test]
fn an_order_that_was_made_again_with_another_number_is_listed_where_the_ledger_lost_commits() {
    let mut renumbered = 0;
    for seed in 0..SALES {
        let mut made = Model::run(seed, Trouble::None);
        let mut random = StdRng::seed_from_u64(seed);
        let Some(job) = plant::renumber(&mut made, &mut random) else {
            continue;
        };
        renumbered += 1;
        let violated = made.judge();
        let names = |row: &super::super::verdict::Violation| row.subject.job == Some(job);
        assert!(violated.violations.iter().any(names));
        made.circumstances.ledger_lost = vec![Loss::default()];
        let excused = made.judge();
        assert!(excused.is_clean(), "{:#?}", excused.violations);
        assert_eq!(lost(&excused, Store::Ledger), [job]);
    }
    assert!(renumbered > 10, "{renumbered}");
}

#[test]
fn unacknowledged_jobs_are_matched_to_the_only_key_that_their_shopper_sent() {
    let mut settled = 0;
    for seed in 0..SALES {
        let mut made = Model::run(seed, Trouble::None);
        let mut random = StdRng::seed_from_u64(seed);
        let Some(job) = plant::settled_twice_before(&mut made, &mut random) else {
            continue;
        };
        settled += 1;
        let verdict = made.judge();
        assert!(verdict.is_clean(), "{:#?}", verdict.violations);
        // Once the shopper has sent a second key, the job may be of either.
        plant::another_key(&mut made, job);
        let verdict = made.judge();
        let mut rows = verdict.violations.iter();
        assert!(rows.any(|row| row.subject.job == Some(job)), "{job}");
    }
    assert!(settled > 10, "{settled}");
}

#[test]
fn an_unacknowledged_buy_may_be_settled_and_forgotten_before_it_is_repeated() {
    let mut settled = 0;
    for seed in 0..SALES {
        let mut made = Model::run(seed, Trouble::None);
        let mut random = StdRng::seed_from_u64(seed);
        let Some(job) = plant::settled_before(&mut made, &mut random) else {
            continue;
        };
        settled += 1;
        let verdict = made.judge();
        assert!(verdict.is_clean(), "{:#?}", verdict.violations);
        // A buy with another key must not get that order.
        let earlier = made.sale().ledger.orders.iter_mut();
        for order in earlier.filter(|order| order.job == uuid::Uuid::from_u128(2_000_000)) {
            "another".clone_into(&mut order.key);
        }
        let verdict = made.judge();
        let mut rows = verdict.violations.iter();
        assert!(rows.any(|row| row.law == Law::Once), "{job}");
    }
    assert!(settled > 10, "{settled}");
}
