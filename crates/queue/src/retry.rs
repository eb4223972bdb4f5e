//! Jobs that failed and wait for their next attempt.
//!
//! They stay in their lane, so that they keep their unit and their place in the depth; this hash
//! (`fs:{sale}:retry:{product}`, entry id → `ATTEMPTS DUE_MS`) is what the lane's driver, or the
//! worker that takes the lane over, knows of them.

use std::{collections::HashMap, sync::LazyLock};

use flashsale_domain::{id::ProductId, job::MAX_BACKOFF_MS};
use redis::{RedisResult, Script};

use crate::{connect::Queue, keys::SaleKeys};

/// A failed job's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next one is due, in milliseconds since the Unix epoch by Redis's clock: whoever
    /// takes the lane over has another clock than who noted it.
    pub due_ms: i64,
}

/// All of a lane's failed jobs, by entry id. None is due later than [`MAX_BACKOFF_MS`] from now,
/// whatever was noted: Redis's clock may have been set back since. A note of a later time is
/// corrected, so that the wait does not begin anew with the next reader.
pub async fn read(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
) -> RedisResult<HashMap<String, Retry>> {
    let ((seconds, microseconds), fields): ((i64, i64), HashMap<String, String>) = redis::pipe()
        .cmd("TIME")
        .cmd("HGETALL")
        .arg(keys.retry(product))
        .query_async(connection)
        .await?;
    let now_ms = seconds * 1000 + microseconds / 1000;
    let latest_ms = now_ms + i64::try_from(MAX_BACKOFF_MS).unwrap_or(i64::MAX - now_ms);
    let mut known = HashMap::with_capacity(fields.len());
    for (entry, text) in fields {
        let Some(mut retry) = parse(&text) else {
            continue;
        };
        if retry.due_ms > latest_ms {
            retry.due_ms = latest_ms;
            write(connection, keys, product, &entry, retry).await?;
        }
        known.insert(entry, retry);
    }
    Ok(known)
}

/// KEYS: the sale's record, lane, notes. ARGV: entry id, note.
const NOTE: &str = r"#!lua flags=allow-oom
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return 1";

static NOTE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(NOTE));

/// Notes a failed attempt of an entry that is still in the lane of a sale in force; of another
/// there is nothing to note, and the note would stay for ever. Acknowledging the entry takes the
/// note away.
pub async fn write(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    entry_id: &str,
    retry: Retry,
) -> RedisResult<()> {
    let text = format!("{} {}", retry.attempts, retry.due_ms);
    NOTE_SCRIPT
        .key(keys.record())
        .key(keys.lane(product))
        .key(keys.retry(product))
        .arg(entry_id)
        .arg(text)
        .invoke_async(connection)
        .await
}

fn parse(text: &str) -> Option<Retry> {
    let (attempts, due_ms) = text.split_once(' ')?;
    Some(Retry {
        attempts: attempts.parse().ok()?,
        due_ms: due_ms.parse().ok()?,
    })
}
