//! What Redis knew of jobs that ended, after it lost it.

use std::time::Duration;

use flashsale_domain::{
    id::{IdempotencyKey, JobId, SaleId},
    outcome::{JobRecord, JobState},
};
use flashsale_ledger::{Decided, Ledger, Outcomes};
use flashsale_queue::{catalogue::OUTCOMES_OF, connect::Queue, keys::SaleKeys};
use redis::{RedisResult, Script};
use tokio::time::Instant;

use crate::error::RecoveryError;

/// Outcomes written in one call of Redis: about two milliseconds.
const CHUNK: usize = 500;

/// Longest that a batch which was sent before Redis lost its data may take to be committed: the
/// driver gives a call up after two seconds, the server waits for a lock no longer than that.
const UNDER_WAY: Duration = Duration::from_secs(3);

/// KEYS: record. ARGV: field, value. Writes only into a sale that is in force.
const SET_IN_FORCE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end";

/// Gives Redis every outcome back that the ledger decided and Redis has no record of, so that each
/// job answers as before and each key gets its job again. Records that are there stay as they are.
/// Then notes that `server` has them. Answers how many outcomes the ledger has; `progress` is told
/// how many were read so far.
///
/// Rejections are read a second time after three seconds: a batch that was in flight when Redis lost
/// its data finds no lane entries to acknowledge. Orders need no second read, because a job without a
/// record is looked up in the ledger.
///
/// # Errors
/// A store is away. What was restored stays, and the same call does the rest.
pub async fn restore_outcomes(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    server: &str,
    mut progress: impl FnMut(u64),
) -> Result<u64, RecoveryError> {
    let keys = SaleKeys::new(sale);
    let began = Instant::now();
    let all = Outcomes::of(sale);
    let read = write_pages(ledger, connection, &keys, all, &mut progress).await?;
    // A sale without any outcome has not settled a batch yet, so there is nothing to wait for.
    if read > 0 {
        tokio::time::sleep_until(began + UNDER_WAY).await;
        let rejections = Outcomes::rejections_of(sale);
        write_pages(ledger, connection, &keys, rejections, |_| ()).await?;
    }
    let () = Script::new(SET_IN_FORCE)
        .key(keys.record())
        .arg(OUTCOMES_OF)
        .arg(server)
        .invoke_async(connection)
        .await?;
    Ok(read)
}

/// Writes all of `outcomes` that Redis has no record of; answers how many there are.
async fn write_pages(
    ledger: &Ledger,
    connection: &mut impl Queue,
    keys: &SaleKeys,
    mut outcomes: Outcomes,
    mut progress: impl FnMut(u64),
) -> Result<u64, RecoveryError> {
    let mut read = 0;
    while let Some(page) = ledger.next_outcomes(&mut outcomes).await? {
        read += u64::try_from(page.len()).unwrap_or(u64::MAX);
        let records: Vec<_> = page.into_iter().map(record).collect();
        write_absent(connection, keys, &records).await?;
        progress(read);
    }
    Ok(read)
}

/// KEYS: record, jobs, first answers. ARGV: job, its record, `USER KEY`, repeated. Writes what is
/// absent, and only for a sale that is in force. Where the job stood in its lane is not known any
/// more; it has ended.
const WRITE_ABSENT: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return end
for i = 1, #ARGV, 3 do
  redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('HSETNX', KEYS[3], ARGV[i + 2], ARGV[i] .. ' 1')
end";

async fn write_absent(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    records: &[Record],
) -> RedisResult<()> {
    let script = Script::new(WRITE_ABSENT);
    for chunk in records.chunks(CHUNK) {
        let mut call = script.key(keys.record());
        call.key(keys.jobs()).key(keys.first_answers());
        for (job, record, key) in chunk {
            call.arg(job.to_string())
                .arg(record.to_string())
                .arg(format!("{} {key}", record.user_id));
        }
        let () = call.invoke_async(connection).await?;
    }
    Ok(())
}

/// A job, its record and its shopper's key.
type Record = (JobId, JobRecord, IdempotencyKey);

fn record(decided: Decided) -> Record {
    let record = JobRecord {
        state: JobState::Final {
            outcome: decided.outcome,
            order_id: decided.order,
        },
        product_id: decided.product,
        user_id: decided.user,
    };
    (decided.job, record, decided.key)
}
