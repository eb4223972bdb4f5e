//! The dead letters of a sale, as far as they are jobs.

use std::collections::HashMap;

use flashsale_ledger::{Ledger, LedgerError};
use flashsale_queue::{connect::Queue, dead_letter, keys::SaleKeys};
use redis::RedisResult;
use uuid::Uuid;

/// A dead letter's job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The letter's id.
    pub id: String,
    /// Whose job it is.
    pub user: String,
    /// The job's Idempotency-Key.
    pub key: String,
}

/// The dead letters that are jobs, by job.
pub async fn read(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<HashMap<Uuid, Letter>> {
    let jobs = dead_letter::jobs(connection, keys).await?.into_iter();
    let named = jobs.map(|(id, job)| {
        let letter = Letter {
            id,
            user: job.data.user_id.into(),
            key: job.data.idempotency_key.into(),
        };
        (job.job_id.0, letter)
    });
    Ok(named.collect())
}

/// Takes those letters away whose job id is the one of another buy that has its order: such a
/// letter says nothing of that buy, which keeps its own outcome.
pub(super) async fn retain_own(
    ledger: &Ledger,
    letters: &mut HashMap<Uuid, Letter>,
) -> Result<(), LedgerError> {
    let jobs: Vec<Uuid> = letters.keys().copied().collect();
    let query = sqlx::query_as(
        "SELECT job_id, user_id, idempotency_key FROM orders WHERE job_id = ANY ($1)",
    )
    .bind(jobs);
    let owners: Vec<(Uuid, String, String)> = ledger
        .read(async |connection| Ok(query.fetch_all(connection).await?))
        .await?;
    for (job, user, key) in owners {
        let is_another = |letter: &Letter| letter.user != user || letter.key != key;
        if letters.get(&job).is_some_and(is_another) {
            letters.remove(&job);
        }
    }
    Ok(())
}
