//! What gateways answered.

use std::collections::BTreeMap;

use flashsale_queue::answers::Answers;
use serde::Serialize;

use crate::figures::{Figures, time};

/// A buy that was taken.
const QUEUED: &str = "queued";

/// A buy that was a repeat of one before.
const REPLAYED: &str = "replayed";

/// What gateways answered to the buys of a sale. Buys that were refused before their sale was known (no token, a body
/// that is not valid, too many requests of one address) belong to no sale and are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuyCounts {
    /// When the first was counted; null when Redis does not tell.
    #[schema(required = true, format = DateTime)]
    pub since: Option<String>,
    /// All: `queued`, `repeated` and `refused`.
    pub asked: u64,
    /// Taken, each a job of its own.
    pub queued: u64,
    /// Repeats of a buy, which were given its first answer.
    pub repeated: u64,
    /// Turned away.
    pub refused: u64,
    /// Those turned away, by the slug of the problem.
    pub refused_by_reason: BTreeMap<String, u64>,
}

/// The counts, and what there is to know about them.
pub(crate) fn of(
    answers: Result<Option<Answers>, String>,
    total: &Figures,
) -> (Option<BuyCounts>, Option<String>) {
    let answers = match answers {
        Ok(Some(answers)) => answers,
        Ok(None) => {
            let why = "Redis has no counts of this sale: nobody has asked to buy yet, Redis lost them, or the sale \
                       was withdrawn.";
            return (None, Some(why.to_owned()));
        }
        Err(why) => return (None, Some(why)),
    };
    let counts = BuyCounts::new(answers);
    let settled = total.settled();
    let note = (counts.queued < settled).then(|| {
        format!(
            "Gateways counted {} buys as queued, and {settled} were settled: counts were lost with a gateway or \
             with Redis, the sale is older than this count, or somebody else puts jobs into its lanes.",
            counts.queued
        )
    });
    (Some(counts), note)
}

impl BuyCounts {
    fn new(answers: Answers) -> Self {
        let Answers {
            since_ms,
            mut by_answer,
        } = answers;
        let queued = by_answer.remove(QUEUED).unwrap_or(0);
        let repeated = by_answer.remove(REPLAYED).unwrap_or(0);
        let refused = by_answer.values().sum();
        Self {
            since: time(since_ms),
            asked: queued + repeated + refused,
            queued,
            repeated,
            refused,
            refused_by_reason: by_answer,
        }
    }
}
