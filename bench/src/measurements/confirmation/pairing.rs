//! Brings together what is known of each buy, and sees that each was confirmed, and once.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use flashsale_core::id::JobId;

use super::buyers::Bought;
use crate::{
    error::{Result, check},
    latencies::Latencies,
};

/// How long after it was due each buy reached a stage.
#[derive(Debug)]
pub(super) struct Ways {
    /// Its answer was read.
    pub(super) acknowledged: Latencies,
    /// A worker told of its order, which is then committed.
    pub(super) settled: Latencies,
    /// Its confirmation was read from the shopper's socket.
    pub(super) confirmed: Latencies,
}

/// Holds buys, what workers told, and what sockets heard against each other.
pub(super) fn pair(
    bought: &[Bought],
    told: &[(JobId, Instant)],
    heard: &[(JobId, Instant)],
) -> Result<Ways> {
    let due: HashMap<JobId, Instant> = bought.iter().map(|buy| (buy.job, buy.due)).collect();
    Ok(Ways {
        acknowledged: bought
            .iter()
            .map(|buy| buy.acknowledged - buy.due)
            .collect(),
        settled: after_due(&due, told, "told by a worker")?,
        confirmed: after_due(&due, heard, "confirmed on a socket")?,
    })
}

/// How long after it was due each buy's event came. One event a buy, neither more nor less.
fn after_due(
    due: &HashMap<JobId, Instant>,
    events: &[(JobId, Instant)],
    what: &str,
) -> Result<Latencies> {
    let mut first: HashMap<JobId, Duration> = HashMap::with_capacity(due.len());
    let (mut unknown, mut repeated) = (0, 0);
    for (job, at) in events {
        match due.get(job) {
            None => unknown += 1,
            Some(due) => repeated += u32::from(first.insert(*job, *at - *due).is_some()),
        }
    }
    let missing = due.len() - first.len();
    check(missing + unknown == 0 && repeated == 0, || {
        format!(
            "of {} acknowledged buys {missing} were not {what} and {repeated} more than once, and \
             {unknown} that nobody was told of were",
            due.len()
        )
    })?;
    Ok(first.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn bought(due: Instant) -> [Bought; 2] {
        [JobId(Uuid::from_u128(1)), JobId(Uuid::from_u128(2))].map(|job| Bought {
            job,
            due,
            acknowledged: due + Duration::from_millis(1),
        })
    }

    #[test]
    fn ways_are_measured_from_when_a_buy_was_due() {
        let due = Instant::now();
        let bought = bought(due);
        let at = due + Duration::from_millis(3);
        let told = bought.map(|buy| (buy.job, at));
        let heard = bought.map(|buy| (buy.job, at + Duration::from_millis(2)));
        let ways = pair(&bought, &told, &heard).unwrap();
        let medians = [ways.acknowledged, ways.settled, ways.confirmed];
        assert_eq!(
            medians.map(|latencies| latencies.quantile_ms(0.5).to_bits()),
            [1.0_f64, 3.0, 5.0].map(f64::to_bits)
        );
    }

    #[test]
    fn a_missing_a_repeated_and_a_made_up_event_are_errors() {
        let due = Instant::now();
        let jobs = bought(due).map(|buy| (buy.job, due));
        let expected: HashMap<_, _> = jobs.into();
        let made_up = (JobId(Uuid::from_u128(3)), due);
        assert!(after_due(&expected, &jobs, "heard").is_ok());
        for wrong in [
            vec![jobs[0]],
            vec![jobs[0], jobs[1], jobs[1]],
            vec![jobs[0], jobs[1], made_up],
        ] {
            assert!(after_due(&expected, &wrong, "heard").is_err(), "{wrong:?}");
        }
    }
}
