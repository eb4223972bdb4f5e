//! How many events one object gets for one reason: some at once, then one now and then. Each is an object
//! in the API server's store, and one that flaps would make thousands.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::Reason;

/// Events at once, as many as client-go lets an object have.
const BURST: u32 = 25;

/// Time between those that follow.
const EACH: Duration = Duration::from_secs(30);

/// Time between looks for budgets that are whole and need no memory any more.
const PRUNE: Duration = Duration::from_mins(1);

/// When the budget of each object and reason will be whole again.
#[derive(Debug, Default)]
pub(super) struct Budget {
    whole_at: HashMap<(String, Reason), Instant>,
    /// When those that are whole are forgotten next.
    prune_at: Option<Instant>,
}

impl Budget {
    /// Whether the object with the UID `object` may get another event for `reason`. It is counted then.
    pub(super) fn take(&mut self, object: &str, reason: Reason, now: Instant) -> bool {
        if self.prune_at.is_none_or(|at| at <= now) {
            self.whole_at.retain(|_, whole_at| *whole_at > now);
            self.prune_at = Some(now + PRUNE);
        }
        let key = (object.to_owned(), reason);
        let whole_at = self.whole_at.get(&key).copied().unwrap_or(now).max(now) + EACH;
        let is_left = whole_at.duration_since(now) <= EACH * BURST;
        if is_left {
            self.whole_at.insert(key, whole_at);
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_flaps_for_an_hour_makes_a_bounded_number_of_events() {
        let start = Instant::now();
        let mut budget = Budget::default();
        let seconds = 0..3_600;
        let mut take = |object: &str, reason, second| {
            budget.take(object, reason, start + Duration::from_secs(second))
        };
        let told = seconds.filter(|second| take("uid", Reason::Scaled, *second));
        assert_eq!(told.count(), 25 + 3_600 / 30 - 1);
        // Neither another reason nor another object has to wait for that.
        assert!(take("uid", Reason::SoldOut, 3_600));
        assert!(take("another", Reason::Scaled, 3_600));
        assert!(take("uid", Reason::Scaled, 3_600));
        assert!(!take("uid", Reason::Scaled, 3_600));
        assert!(take("uid", Reason::Opened, 7_200));
        assert_eq!(
            budget.whole_at.len(),
            1,
            "budgets that are whole take no memory"
        );
    }
}
