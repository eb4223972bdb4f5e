//! What happened while a history was written, as the caller of a check tells it.

use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;

/// Wall clocks of two machines, or of the load and of whoever noted a loss, may differ by this
/// much, in microseconds. It widens what is excused, and only where data was lost.
const SLACK_US: i64 = 1_000_000;

/// An outcome that was decided before a loss may still be told after it for this long, in
/// microseconds: its worker may be paused or cut off in between.
const TOLD_WITHIN_US: i64 = 60_000_000;

/// What the caller of a check tells about the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each told by a flag of its own"
)]
pub struct Circumstances {
    /// Redis lost data: at any time, up to TO, or what was written FROM..TO (RFC 3339, by the
    /// clock of the machine that ran the load). May be given several times.
    #[arg(
        long,
        value_name = "[FROM..]TO",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub redis_lost: Vec<Loss>,

    /// PostgreSQL lost commits: the same times.
    #[arg(
        long,
        value_name = "[FROM..]TO",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub ledger_lost: Vec<Loss>,

    /// The sale is still being settled: a job in its lane is no finding.
    #[arg(long)]
    pub running: bool,

    /// Units were put back on sale meanwhile: later buys may be confirmed where earlier ones were
    /// told sold out. Cancelled orders, and rises of the stock that the history heard of, are
    /// known without it.
    #[arg(long)]
    pub restocked: bool,

    /// Jobs failed an attempt meanwhile and were tried again behind others.
    #[arg(long)]
    pub retried: bool,

    /// Dead letters were replayed meanwhile: a job may be told `failed` first and another outcome
    /// later.
    #[arg(long)]
    pub letters_replayed: bool,
}

/// A loss of data: what was written from `from` until `to` may be gone. Microseconds since the Unix
/// epoch; none where it has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// The first instant whose writes may be gone: when the snapshot or the last replicated write
    /// was made.
    pub from: Option<i64>,
    /// When the data was gone: the crash, the flush, the promotion.
    pub to: Option<i64>,
}

/// Why a text is no loss.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// A time is malformed.
    #[error("`{0}` is no time; write e.g. 2026-12-01T10:00:00Z, or FROM..TO")]
    Time(String),
    /// It ends before it begins.
    #[error("the loss ends before it begins; write FROM..TO with the earlier time first")]
    Order,
}

impl FromStr for Loss {
    type Err = LossError;

    /// Reads `TO` or `FROM..TO`, RFC 3339; an empty text is a loss at any time.
    fn from_str(text: &str) -> Result<Self, LossError> {
        let time = |text: &str| {
            if text.is_empty() {
                return Ok(None);
            }
            let time: Timestamp = text.parse().map_err(|_| LossError::Time(text.to_owned()))?;
            Ok(Some(time.as_microsecond()))
        };
        let (from, to) = text.split_once("..").unwrap_or(("", text));
        let loss = Self {
            from: time(from)?,
            to: time(to)?,
        };
        match (loss.from, loss.to) {
            (Some(from), Some(to)) if from > to => Err(LossError::Order),
            _ => Ok(loss),
        }
    }
}

impl Loss {
    /// Whether something written at some instant of `earliest..=latest` may be gone by it.
    pub fn covers(&self, earliest: i64, latest: i64) -> bool {
        self.from
            .is_none_or(|from| latest.saturating_add(SLACK_US) >= from)
            && self
                .to
                .is_none_or(|to| earliest <= to.saturating_add(SLACK_US))
    }

    /// Whether the decision of a buy that was sent at `sent` and told at `told` may be gone by it.
    pub fn covers_decision(&self, sent: i64, told: i64) -> bool {
        self.covers(sent, told)
            && self
                .to
                .is_none_or(|to| told <= to.saturating_add(TOLD_WITHIN_US))
    }

    /// Whether it happened after `before` and not after `after`.
    pub fn lies_between(&self, before: i64, after: i64) -> bool {
        self.to.is_none_or(|to| {
            to.saturating_add(SLACK_US) >= before && to <= after.saturating_add(SLACK_US)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_with_one_time_with_two_and_with_none() {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_microsecond();
        let at = second("2026-12-01T10:00:00Z");
        assert_eq!("".parse::<Loss>().unwrap(), Loss::default());
        let until: Loss = "2026-12-01T10:00:00Z".parse().unwrap();
        assert_eq!((until.from, until.to), (None, Some(at)));
        let between: Loss = "2026-12-01T09:59:58Z..2026-12-01T10:00:00Z"
            .parse()
            .unwrap();
        assert_eq!((between.from, between.to), (Some(at - 2_000_000), Some(at)));
        assert!("yesterday".parse::<Loss>().is_err());
        let backwards = "2026-12-01T10:00:00Z..2026-12-01T09:59:58Z";
        assert!(matches!(backwards.parse::<Loss>(), Err(LossError::Order)));
    }

    #[test]
    fn a_loss_covers_what_may_have_been_written_in_it_and_nothing_after() {
        let loss = Loss {
            from: Some(10_000_000),
            to: Some(20_000_000),
        };
        assert!(loss.covers(15_000_000, 16_000_000));
        assert!(loss.covers(1_000_000, 12_000_000));
        assert!(!loss.covers(1_000_000, 8_000_000));
        assert!(!loss.covers(21_500_000, 22_000_000));
        assert!(loss.covers_decision(15_000_000, 40_000_000));
        assert!(!loss.covers_decision(15_000_000, 90_000_000));
        assert!(loss.lies_between(12_000_000, 30_000_000));
        assert!(!loss.lies_between(22_000_000, 30_000_000));
    }
}
