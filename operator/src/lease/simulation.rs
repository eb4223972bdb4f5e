//! Many operators against each other on one API server that loses, delays and reorders messages,
//! with clocks that disagree and run at different speeds, pauses, crashes and releases.
//!
//! Time is true time in milliseconds; each machine sees only its own clocks.

mod machine;
mod world;

use proptest::prelude::*;

use self::world::{Faults, World};

const SECOND: u64 = 1000;

/// What must hold at the worst: duration + retry period, and the time of a few messages.
const TAKE_OVER: u64 = 17 * SECOND;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Ten minutes of trouble, with clocks that differ by up to a day and run up to a tenth too
    /// fast or too slow.
    #[test]
    fn never_do_two_write_at_one_time(
        seed in any::<u64>(),
        loss in 0.0..0.4_f64,
        longest_delay in 1_u64..8000,
        pauses in 0.0..0.02_f64,
        ends in 0.0..0.02_f64,
    ) {
        let faults = Faults { loss, longest_delay, pauses, ends, drift: 0.1 };
        let mut world = World::new(3, faults, seed);
        world.run_until(600 * SECOND);
        prop_assert_eq!(world.overlap(), None);
    }

    /// Trouble never leaves them without a leader for good.
    #[test]
    fn somebody_leads_after_trouble(seed in any::<u64>(), pauses in 0.0..0.02_f64) {
        let faults = Faults { loss: 0.3, longest_delay: 3000, pauses, ends: 0.01, drift: 0.05 };
        let mut world = World::new(3, faults, seed);
        world.run_until(200 * SECOND);
        world.calm_down();
        // What was on its way, a pause, an expiry.
        world.run_until(300 * SECOND);
        prop_assert!(world.leader().is_some());
        prop_assert_eq!(world.overlap(), None);
    }

    #[test]
    fn dead_leader_is_succeeded_within_duration_and_retry_period(
        seed in any::<u64>(),
        moment in 30 * SECOND..40 * SECOND,
    ) {
        let mut world = World::new(2, Faults::none(), seed);
        world.run_until(moment);
        let leader = world.leader().unwrap();
        world.kill(leader);
        world.run_until(moment + TAKE_OVER);
        prop_assert!(world.leader().is_some());
        prop_assert_eq!(world.overlap(), None);
        prop_assert_eq!(world.transitions(), 1);
    }

    #[test]
    fn released_lease_is_taken_within_the_retry_period(
        seed in any::<u64>(),
        moment in 30 * SECOND..40 * SECOND,
    ) {
        let mut world = World::new(2, Faults::none(), seed);
        world.run_until(moment);
        let leader = world.leader().unwrap();
        // A process that is asked to stop hears its last answer before it gives the lease up.
        world.let_answer_arrive(leader);
        world.release(leader);
        world.run_until(world.now() + 2 * SECOND);
        prop_assert!(world.leader().is_some_and(|next| next != leader));
        prop_assert_eq!(world.overlap(), None);
    }
}

#[test]
fn leader_of_a_quiet_world_stays() {
    let mut world = World::new(3, Faults::none(), 1);
    world.run_until(SECOND);
    let leader = world.leader().unwrap();
    world.run_until(3600 * SECOND);
    assert_eq!(world.leader(), Some(leader));
    assert_eq!(world.transitions(), 0);
}
