//! A lane's lease: which worker drives it.
//!
//! A plain key with a time to live, which keeps two workers from fighting over one row lock. It is
//! not what keeps the laws: should two drive a lane for a moment (one was paused longer than its
//! lease), the ledger refuses the batches of the one that took it over earlier, and an
//! acknowledgement tells only of entries that are still in the lane.

use std::{sync::LazyLock, time::Duration};

use redis::{RedisResult, Script};

use crate::connect::Queue;

/// How long a lease lasts when its holder is silent: the longest that a dead worker's lane
/// stands still, bar the wait for the next look at it.
pub const TERM: Duration = Duration::from_secs(3);

/// How often a holder renews: three times a term, so that one lost renewal costs nothing.
pub const RENEWAL: Duration = Duration::from_secs(1);

// All run at maxmemory too: without a driver, a lane that has filled Redis would never empty.
const HOLD: &str = r"#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0";

const RENEW: &str = r"#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0";

const RELEASE: &str = r"#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

static HOLD_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(HOLD));
static RENEW_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(RENEW));
static RELEASE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(RELEASE));

/// Takes the lease `key` for `owner`, or keeps it when `owner` has it. False when another has it.
pub async fn hold(connection: &mut impl Queue, key: &str, owner: &str) -> RedisResult<bool> {
    HOLD_SCRIPT
        .key(key)
        .arg(owner)
        .arg(TERM.as_secs() * 1000)
        .invoke_async(connection)
        .await
}

/// Keeps the lease `key` for `term` from now if `owner` still has it: [`TERM`], or less to repeat a
/// renewal that was not answered. False when another has it, and also when nobody has: another may
/// have had it meanwhile, and what a driver knows of its lane is then out of date.
pub async fn renew(
    connection: &mut impl Queue,
    key: &str,
    owner: &str,
    term: Duration,
) -> RedisResult<bool> {
    let term_ms = u64::try_from(term.as_millis()).unwrap_or(u64::MAX).max(1);
    RENEW_SCRIPT
        .key(key)
        .arg(owner)
        .arg(term_ms)
        .invoke_async(connection)
        .await
}

/// Whether each of the leases `keys` is held, by whomever, in one round trip.
pub async fn held(connection: &mut impl Queue, keys: &[String]) -> RedisResult<Vec<bool>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for key in keys {
        pipe.cmd("EXISTS").arg(key);
    }
    pipe.query_async(connection).await
}

/// The worker in the name of a lease's owner, which also names the takeover: `WORKER/TAKEOVER`.
pub fn worker(owner: &str) -> &str {
    owner.split_once('/').map_or(owner, |(worker, _)| worker)
}

/// Gives the lease `key` back if `owner` has it.
pub async fn release(connection: &mut impl Queue, key: &str, owner: &str) -> RedisResult<bool> {
    RELEASE_SCRIPT
        .key(key)
        .arg(owner)
        .invoke_async(connection)
        .await
}
