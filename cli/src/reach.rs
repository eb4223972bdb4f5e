//! Is PostgreSQL within reach, and what time is it in Redis?

use std::{io, time::Duration};

use flashsale_ledger::{Ledger, LedgerError};
use flashsale_queue::{catalogue, connect::Queue};
use jiff::Timestamp;
use redis::RedisResult;
use tokio::time::timeout;

/// How long connecting may take, TLS and a busy server included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects once to PostgreSQL. What it says for not answering is its own: a pool of connections only
/// knows that none came in time.
pub(crate) async fn ledger(ledger: &Ledger) -> Result<(), LedgerError> {
    timeout(PATIENCE, ledger.try_to_connect())
        .await
        .map_err(|_| sqlx::Error::Io(io::ErrorKind::TimedOut.into()))?
}

/// Now by Redis's clock, which decides when sales open and close. Its error is one of Redis: another clock
/// is no answer.
pub(crate) async fn redis_clock(redis: &mut impl Queue) -> RedisResult<Timestamp> {
    let clock = catalogue::clock(redis).await?;
    Timestamp::from_microsecond(clock).map_err(|error| io::Error::other(error).into())
}
