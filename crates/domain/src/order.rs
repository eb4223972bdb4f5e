//! Where an order stands, from settlement to its end.
//!
//! In the sale's record in Redis and in answers of the ledger it is one short text: `p EXPIRES_MS` while
//! the order waits for its payment (`p` alone where it may wait for ever), `c` once it is completed, and
//! `x REASON` once it is cancelled (`x` alone where nobody said why).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest reason, in characters; `orders.end_reason` holds as many.
const LONGEST_REASON: usize = 32;

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// It has its unit and waits for its payment.
    Pending {
        /// Until when it may be paid, in milliseconds since the Unix epoch by PostgreSQL's clock. None:
        /// for as long as nobody ends it.
        expires_ms: Option<i64>,
    },
    /// It is paid, or nothing had to be paid here.
    Completed,
    /// Its unit went back. It stays cancelled.
    Cancelled {
        /// Why: `expired`, `shopper`, `staff`, `declined`, `refunded`, or a word of the shop's own.
        reason: Option<String>,
    },
}

/// A text that is not a state.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not the state of an order; expected e.g. \"p 1767225600000\", \"c\" or \"x expired\""
)]
pub struct MalformedState(String);

impl fmt::Display for OrderState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending { expires_ms: None } => formatter.write_str("p"),
            Self::Pending {
                expires_ms: Some(at),
            } => write!(formatter, "p {at}"),
            Self::Completed => formatter.write_str("c"),
            Self::Cancelled { reason: None } => formatter.write_str("x"),
            Self::Cancelled {
                reason: Some(reason),
            } => write!(formatter, "x {reason}"),
        }
    }
}

impl FromStr for OrderState {
    type Err = MalformedState;

    fn from_str(text: &str) -> Result<Self, MalformedState> {
        let state = match text.split_once(' ') {
            None if text == "p" => Some(Self::Pending { expires_ms: None }),
            None if text == "c" => Some(Self::Completed),
            None if text == "x" => Some(Self::Cancelled { reason: None }),
            Some(("p", at)) => at.parse().ok().map(|at| Self::Pending {
                expires_ms: Some(at),
            }),
            Some(("x", reason)) => is_reason(reason).then(|| Self::Cancelled {
                reason: Some(reason.to_owned()),
            }),
            _ => None,
        };
        state.ok_or_else(|| MalformedState(text.to_owned()))
    }
}

/// As its text.
impl Serialize for OrderState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OrderState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Wider than the column, so that a later release may allow more.
fn is_reason(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= LONGEST_REASON
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_back_as_it_was_written() {
        for state in [
            OrderState::Pending { expires_ms: None },
            OrderState::Pending {
                expires_ms: Some(1_767_225_600_000),
            },
            OrderState::Completed,
            OrderState::Cancelled { reason: None },
            OrderState::Cancelled {
                reason: Some("out of reach".to_owned()),
            },
        ] {
            assert_eq!(state.to_string().parse::<OrderState>().unwrap(), state);
        }
        for text in ["", "q", "p soon", "c 1", "x ", "x a\nb"] {
            assert!(text.parse::<OrderState>().is_err(), "{text:?}");
        }
        let long = format!("x {}", "a".repeat(LONGEST_REASON + 1));
        assert!(long.parse::<OrderState>().is_err());
    }
}
