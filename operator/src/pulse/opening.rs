//! The minutes around an opening: are the workers there before it, and how late was the sale seen
//! open with workers ready?

use std::time::Duration;

use flashsale_domain::{
    id::SaleId,
    lifecycle::{self, Phase},
};
use jiff::Timestamp;

use super::until;
use crate::{
    context::Context,
    events::{Draft, Reason},
    roster::{Entry, Observation},
    workers::Workers,
};

/// How long before the opening it is told that workers are not ready, whatever the reason. Those that
/// cannot start are told of as soon as that is seen, by the condition `WorkersAvailable`.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Something to tell of an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The workers are ready before the opening, or are not.
    Prewarmed {
        /// Whether they are.
        ready: bool,
        /// In a sentence.
        note: String,
    },
    /// The sale was seen open, with workers ready, so long after its opening.
    Opened(Duration),
}

/// What `observed`, which was seen at `now` and is about to take the place of the one in `entry`, tells
/// of the opening.
pub(super) fn news(
    entry: &mut Entry,
    observed: &Observation,
    workers: Workers,
    now: Timestamp,
) -> Vec<News> {
    let sale = &entry.desired().sale.sale;
    let Some(opens) = sale.schedule.opens_at else {
        return Vec::new();
    };
    let mut news = Vec::new();
    if lifecycle::is_prewarming(sale.schedule, &sale.workers, now)
        && entry.memory.prewarm_told != Some(opens)
        && let Some(told) = prewarmed(opens, now, observed, workers)
    {
        entry.memory.prewarm_told = Some(opens);
        news.push(told);
    }
    if observed.phase == Some(Phase::Scheduled) {
        entry.memory.awaited = true;
    } else if entry.memory.awaited
        && matches!(observed.phase, Some(Phase::Open | Phase::SoldOut))
        && observed.announced == Some(true)
        && workers.ready > 0
    {
        entry.memory.awaited = false;
        news.push(News::Opened(until(now, opens)));
    }
    news
}

fn prewarmed(
    opens: Timestamp,
    now: Timestamp,
    observed: &Observation,
    workers: Workers,
) -> Option<News> {
    let wanted = observed.decision?.workers;
    let left = until(opens, now);
    let ready = wanted > 0 && workers.ready >= wanted;
    let note = format!(
        "{} of {wanted} workers are ready {:.0} s before the opening",
        workers.ready,
        left.as_secs_f64()
    );
    if ready {
        return Some(News::Prewarmed { ready, note });
    }
    (left <= LAST_CALL).then(|| News::Prewarmed {
        ready,
        note: format!(
            "{note}; the sale opens all the same and its buys wait; {}",
            observed.obstacle.as_ref().map_or(
                "see kubectl describe pods for what keeps the workers",
                |obstacle| obstacle.message.as_str(),
            )
        ),
    })
}

/// Measures what is measured of `news`, and answers the events that tell the rest.
pub(super) fn drafts(context: &Context, sale: &SaleId, news: &[News]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for one in news {
        match one {
            News::Opened(lag) => context.metrics.opening_lag.observe(lag.as_secs_f64()),
            News::Prewarmed { ready, note } => {
                let entries = context.roster.entries();
                let Some(entry) = entries.get(sale) else {
                    continue;
                };
                drafts.push(Draft {
                    object: entry.desired().object.clone(),
                    reason: if *ready {
                        Reason::Prewarmed
                    } else {
                        Reason::NotPrewarmed
                    },
                    note: note.clone(),
                });
            }
        }
    }
    drafts
}
