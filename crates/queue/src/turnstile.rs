//! The turnstile: one Redis script that decides whether a buy is taken, in this order: the sale
//! is known and open now, the shopper is within the rate limit, the key is new, the product is
//! known, a unit is left for it, the lane has room. Then the job is appended to its lane. A repeat
//! gets the first answer also when the sale was closed or paused in between.
//!
//! One call may carry several concurrent buys of one sale: a call costs Redis about as much as
//! two buys do, so a busy gateway that gathers what arrives while the last call is on its way
//! halves the work.
//!
//! There are no stock tokens to keep, and so none to lose: a unit is left when the stock that the
//! ledger told last is greater than the number of jobs in the lane, since every waiting job may
//! take one. A job that ends without an order leaves the lane and by that gives its unit back.

mod replication;

use flashsale_domain::id::{IdempotencyKey, JobId, ProductId, UserId};
use redis::{Cmd, ErrorKind, FromRedisValue, Script, ServerErrorKind, Value};

use crate::{
    connect::Queue,
    keys::{SaleKeys, WAKE, channel},
};

pub use replication::{ReplicatedCall, Replication};

/// Most buys that one call may carry. Redis does nothing else during a call, so this bounds how
/// long (a buy takes it about 10 µs).
pub const MAX_BUYS_A_CALL: usize = 128;

/// The script.
const SOURCE: &str = include_str!("turnstile/admit.lua");

/// One buy at the turnstile.
#[derive(Debug, Clone)]
pub struct Buy {
    /// Who.
    pub user: UserId,
    /// What.
    pub product: ProductId,
    /// The shopper's key.
    pub key: IdempotencyKey,
    /// The id that the job gets if the buy is taken.
    pub job_id: JobId,
    /// The job, as JSON; see [`flashsale_domain::job`]. None when the price in force is above what the shopper
    /// would pay: the buy then only gets its first answer again, if it is a repeat.
    pub job: Option<Vec<u8>>,
}

/// The turnstile's answer to one buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Taken: acknowledged and waiting in its lane.
    Queued {
        /// Place in the lane, 1 for the next one settled.
        position: u64,
    },
    /// Taken before, under this key: the first answer again.
    Replayed {
        /// The id of the first answer.
        job_id: JobId,
        /// The position of the first answer.
        position: u64,
    },
    /// The key was used for another product.
    KeyReused,
    /// The sale is not in force.
    UnknownSale,
    /// The sale opens later.
    NotOpen {
        /// Microseconds since the Unix epoch.
        opens_at_us: i64,
    },
    /// Intake is closed by hand.
    Suspended,
    /// The sale is over.
    Closed,
    /// The shopper asked too often.
    RateLimited {
        /// Milliseconds after which one more request passes.
        retry_after_ms: u64,
    },
    /// The sale does not offer the product.
    UnknownProduct,
    /// Every unit is sold or spoken for.
    SoldOut,
    /// The lane has no room.
    LaneFull,
    /// The buy is new and brought no job, see [`Buy::job`].
    TooExpensive,
}

impl Admission {
    /// Whether it promises the shopper that the buy waits in line.
    pub fn is_acknowledgement(&self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Replayed { .. })
    }
}

/// Why a call of the turnstile came to nothing. Buys of a failed call may have been taken: the
/// shopper's retry with the same key finds out.
#[derive(Debug, thiserror::Error)]
pub enum TurnstileError {
    /// Redis failed or did not answer in time.
    #[error("the turnstile could not be asked: {0}")]
    Redis(#[from] redis::RedisError),
    /// The script answered something it never answers.
    #[error(
        "the turnstile answered {0:?}, which is no admission; do all gateways run one version?"
    )]
    Answer(String),
}

/// The script, loaded into Redis at its first use and again after Redis lost it.
#[derive(Debug, Clone)]
pub struct Turnstile {
    script: std::sync::Arc<Script>,
}

impl Default for Turnstile {
    fn default() -> Self {
        Self {
            script: std::sync::Arc::new(Script::new(SOURCE)),
        }
    }
}

impl Turnstile {
    /// Decides `buys` of one sale, in their order; one admission a buy.
    pub async fn admit(
        &self,
        connection: &mut impl Queue,
        keys: &SaleKeys,
        buys: &[Buy],
    ) -> Result<Vec<Admission>, TurnstileError> {
        if buys.is_empty() {
            return Ok(Vec::new());
        }
        let call = self.command(keys, buys, connection.get_db(), false);
        let answer: Value = match call.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(connection).await?;
                call.query_async(connection).await?
            }
            answer => answer?,
        };
        read_answers(answer, buys.len())
    }

    /// The command that has the script decide `buys`; `is_waited_for` when replicas are waited for
    /// after it.
    fn command(&self, keys: &SaleKeys, buys: &[Buy], database: i64, is_waited_for: bool) -> Cmd {
        let mut products: Vec<&ProductId> = Vec::with_capacity(4);
        let lanes: Vec<usize> = buys
            .iter()
            .map(|buy| {
                products
                    .iter()
                    .position(|known| **known == buy.product)
                    .unwrap_or_else(|| {
                        products.push(&buy.product);
                        products.len() - 1
                    })
            })
            .collect();
        let mut call = redis::cmd("EVALSHA");
        let [half, other_half] = keys.paces();
        call.arg(self.script.get_hash()).arg(6 + products.len());
        call.arg(keys.record()).arg(keys.stock()).arg(keys.jobs());
        call.arg(keys.first_answers()).arg(half).arg(other_half);
        for product in &products {
            call.arg(keys.lane(product));
        }
        call.arg(products.len());
        for product in products {
            call.arg(product.as_str());
        }
        for (buy, lane) in buys.iter().zip(lanes) {
            call.arg(lane + 1)
                .arg(buy.user.as_str())
                .arg(buy.key.as_str())
                .arg(buy.job_id.to_string())
                .arg(buy.job.as_deref().unwrap_or_default());
        }
        call.arg(u8::from(is_waited_for));
        call.arg(channel(WAKE, database).as_ref());
        call
    }
}

fn read_answers(answer: Value, buys: usize) -> Result<Vec<Admission>, TurnstileError> {
    let Value::Array(values) = answer else {
        return Err(TurnstileError::Answer(format!("{answer:?}")));
    };
    let mut admissions = values
        .into_iter()
        .map(read_answer)
        .collect::<Result<Vec<_>, TurnstileError>>()?;
    if let [whole_sale] = &admissions[..] {
        let whole_sale = whole_sale.clone();
        admissions.resize(buys, whole_sale);
    }
    if admissions.len() == buys {
        Ok(admissions)
    } else {
        Err(TurnstileError::Answer(format!(
            "{} answers to {buys} buys",
            admissions.len()
        )))
    }
}

fn read_answer(value: Value) -> Result<Admission, TurnstileError> {
    if let Value::Int(position) = value {
        let position = u64::try_from(position);
        return match position {
            Ok(position) => Ok(Admission::Queued { position }),
            Err(_) => Err(TurnstileError::Answer(format!("{value:?}"))),
        };
    }
    let text = String::from_redis_value(value).map_err(redis::RedisError::from)?;
    read_text(&text).ok_or(TurnstileError::Answer(text))
}

fn read_text(text: &str) -> Option<Admission> {
    let letter = text.get(..1)?;
    let rest = &text[1..];
    Some(match letter {
        "R" => {
            let mut parts = rest.split(' ');
            Admission::Replayed {
                job_id: parts.next()?.parse().ok()?,
                position: parts.next()?.parse().ok()?,
            }
        }
        "T" => Admission::RateLimited {
            retry_after_ms: rest.parse().ok()?,
        },
        "N" => Admission::NotOpen {
            opens_at_us: rest.parse().ok()?,
        },
        "X" => Admission::KeyReused,
        "U" => Admission::UnknownSale,
        "H" => Admission::Suspended,
        "C" => Admission::Closed,
        "P" => Admission::UnknownProduct,
        "S" => Admission::SoldOut,
        "F" => Admission::LaneFull,
        "E" => Admission::TooExpensive,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_the_whole_sale_answers_every_buy() {
        let answer = Value::Array(vec![Value::BulkString(b"N1700000000000000".to_vec())]);
        let admissions = read_answers(answer, 3).unwrap();
        assert_eq!(
            admissions,
            vec![
                Admission::NotOpen {
                    opens_at_us: 1_700_000_000_000_000
                };
                3
            ]
        );
    }

    #[test]
    fn a_wrong_number_of_answers_is_an_error() {
        let answer = Value::Array(vec![Value::Int(1), Value::Int(2)]);
        assert!(read_answers(answer, 3).is_err());
        assert!(read_answers(Value::Okay, 1).is_err());
    }

    #[test]
    fn a_repeat_carries_the_first_answer() {
        let read = read_text("R0190a5a0-0000-7000-8000-000000000001 812").unwrap();
        assert!(matches!(read, Admission::Replayed { position: 812, .. }));
    }
}
