//! Jobs that failed and wait for their next attempt.
//!
//! They stay in their lane, so that they keep their unit and their place in the depth; this hash
//! (`fs:{sale}:retry:{product}`, entry id → `ATTEMPTS DUE_MS`) is what the lane's driver, or the
//! worker that takes the lane over, knows of them.

use std::collections::HashMap;

use redis::{AsyncCommands, RedisResult};

use crate::{connect::Queue, id::ProductId, keys::SaleKeys};

/// A failed job's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since the Unix epoch.
    pub due_ms: i64,
}

/// Longest wait between two attempts: doubling stops here.
pub const MAX_BACKOFF_MS: u64 = 600_000;

/// The wait after `attempts` failed ones: `backoff`, then twice that, and so on.
#[must_use]
pub fn backoff_ms(backoff: u64, attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(32);
    backoff
        .saturating_mul(1_u64 << doublings)
        .min(MAX_BACKOFF_MS)
}

/// All of a lane's failed jobs, by entry id.
pub async fn read(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
) -> RedisResult<HashMap<String, Retry>> {
    let fields: HashMap<String, String> = connection.hgetall(keys.retry(product)).await?;
    Ok(fields
        .into_iter()
        .filter_map(|(entry, text)| Some((entry, parse(&text)?)))
        .collect())
}

/// Notes a failed attempt. Acknowledging the entry takes the note away.
pub async fn write(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    entry_id: &str,
    retry: Retry,
) -> RedisResult<()> {
    let text = format!("{} {}", retry.attempts, retry.due_ms);
    connection.hset(keys.retry(product), entry_id, text).await
}

fn parse(text: &str) -> Option<Retry> {
    let (attempts, due_ms) = text.split_once(' ')?;
    Some(Retry {
        attempts: attempts.parse().ok()?,
        due_ms: due_ms.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        assert_eq!(
            [1, 2, 3].map(|attempts| backoff_ms(1000, attempts)),
            [1000, 2000, 4000]
        );
        assert_eq!(backoff_ms(1000, 40), MAX_BACKOFF_MS);
        assert_eq!(backoff_ms(u64::MAX, 2), MAX_BACKOFF_MS);
    }
}
