//! What became of a job: the record under `fs:{sale}:jobs` that `GET /orders/{jobId}` reads.
//!
//! A record is one short text, since a sale has as many as it has acknowledged buys:
//! `q TICKET PRODUCT USER` while queued, then `c ORDER PRODUCT USER` (confirmed), `s 0 …`
//! (sold out), `l 0 …` (limit reached) or `f 0 …` (failed). The alphabets of the ids have no
//! space, so none of the parts needs quoting.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::{ProductId, UserId};

crate::words! {
    /// The final answer to an acknowledged buy, by its name in JSON, metrics and tables. There is exactly one
    /// for each (law 2).
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Outcome {
        /// An order exists.
        Confirmed = "confirmed",
        /// No unit was left.
        SoldOut = "sold_out",
        /// The shopper has as many units as the sale allows one shopper.
        LimitReached = "limit_reached",
        /// No attempt could settle the job; it is in the dead-letter lane with its reason.
        Failed = "failed",
    }
}

impl Outcome {
    /// The final answer that a status of `GET /orders/{jobId}` stands for; none while the buy waits. A buy
    /// whose order was cancelled was confirmed.
    pub fn of_status(status: &str) -> Option<Self> {
        if status == "cancelled" {
            Some(Self::Confirmed)
        } else {
            Self::named(status)
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waiting in its lane.
    Queued {
        /// How many jobs of the lane will have been settled when this one is: its position now
        /// is the ticket minus those settled so far.
        ticket: u64,
    },
    /// Ended.
    Final {
        /// How it ended.
        outcome: Outcome,
        /// The order, where there is one.
        order_id: Option<i64>,
    },
}

/// One job's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Where the job stands.
    pub state: JobState,
    /// What was asked for.
    pub product_id: ProductId,
    /// Whose job it is; nobody else may read it (law 6).
    pub user_id: UserId,
}

/// A text under `fs:{sale}:jobs` that is not a record.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a job record; expected e.g. \"c 4711 sneaker-001 user-1\"")]
pub struct MalformedRecord(String);

impl MalformedRecord {
    /// Whose job it is, as far as the text tells: what stands where a record has its user id.
    pub fn owner(&self) -> Option<&str> {
        self.0.splitn(4, ' ').nth(3)
    }
}

impl fmt::Display for JobRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, number) = match self.state {
            JobState::Queued { ticket } => ('q', ticket),
            JobState::Final { outcome, order_id } => {
                let letter = match outcome {
                    Outcome::Confirmed => 'c',
                    Outcome::SoldOut => 's',
                    Outcome::LimitReached => 'l',
                    Outcome::Failed => 'f',
                };
                (
                    letter,
                    order_id.and_then(|id| u64::try_from(id).ok()).unwrap_or(0),
                )
            }
        };
        write!(
            formatter,
            "{letter} {number} {} {}",
            self.product_id, self.user_id
        )
    }
}

impl FromStr for JobRecord {
    type Err = MalformedRecord;

    fn from_str(text: &str) -> Result<Self, MalformedRecord> {
        parse(text).ok_or_else(|| MalformedRecord(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<JobRecord> {
    let mut parts = text.splitn(4, ' ');
    let letter = parts.next()?;
    let number: u64 = parts.next()?.parse().ok()?;
    let product_id = ProductId::new(parts.next()?).ok()?;
    let user_id = UserId::new(parts.next()?).ok()?;
    let outcome = match letter {
        "q" => None,
        "c" => Some(Outcome::Confirmed),
        "s" => Some(Outcome::SoldOut),
        "l" => Some(Outcome::LimitReached),
        "f" => Some(Outcome::Failed),
        _ => return None,
    };
    let state = match outcome {
        None => JobState::Queued { ticket: number },
        Some(outcome) => {
            let order_id = i64::try_from(number).ok().filter(|id| *id > 0);
            JobState::Final { outcome, order_id }
        }
    };
    Some(JobRecord {
        state,
        product_id,
        user_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let states = [
            JobState::Queued { ticket: 812 },
            JobState::Final {
                outcome: Outcome::Confirmed,
                order_id: Some(4711),
            },
            JobState::Final {
                outcome: Outcome::SoldOut,
                order_id: None,
            },
            JobState::Final {
                outcome: Outcome::LimitReached,
                order_id: None,
            },
            JobState::Final {
                outcome: Outcome::Failed,
                order_id: None,
            },
        ];
        for state in states {
            let record = JobRecord {
                state,
                product_id: ProductId::new("sneaker-001").unwrap(),
                user_id: UserId::new("auth0|7").unwrap(),
            };
            assert_eq!(record.to_string().parse::<JobRecord>().unwrap(), record);
        }
        assert_eq!(Outcome::of_status("cancelled"), Some(Outcome::Confirmed));
        assert_eq!(Outcome::of_status("sold_out"), Some(Outcome::SoldOut));
        assert_eq!(Outcome::of_status("queued"), None);
        assert!("z 1 p u".parse::<JobRecord>().is_err());
        assert!("c 1 p".parse::<JobRecord>().is_err());
    }
}
