//! The records under `fs:{sale}:jobs`, a chunk at a time, and what the ledger says of them.

use std::collections::HashSet;

use flashsale_domain::{
    id::SaleId,
    outcome::{JobRecord, JobState, Outcome},
};
use flashsale_ledger::{Ledger, LedgerError};
use flashsale_queue::{connect::Queue, keys::SaleKeys, scan::Scan};
use redis::RedisResult;
use uuid::Uuid;

/// Records that one call of Redis reads: a few milliseconds in which it does nothing else.
const READ_COUNT: usize = 2_000;

/// A record with its job.
pub type Recorded = (Uuid, JobRecord);

/// A walk over all records. What is there from beginning to end is met exactly once.
#[derive(Debug)]
pub struct Walk {
    scan: Scan,
    /// Jobs met. Redis may show a field twice while the hash grows.
    met: HashSet<Uuid>,
}

/// A step of a walk.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Records met for the first time.
    pub records: Vec<Recorded>,
    /// Fields that are no records, as they stand there.
    pub unreadable: Vec<String>,
}

impl Walk {
    /// A walk over the records of the sale with these keys.
    pub fn of(keys: &SaleKeys) -> Self {
        Self {
            scan: Scan::of(keys.jobs()),
            met: HashSet::new(),
        }
    }

    /// The next records; none at the end.
    pub async fn next(&mut self, connection: &mut impl Queue) -> RedisResult<Option<Chunk>> {
        let Some(fields) = self.scan.next(connection).await? else {
            return Ok(None);
        };
        let mut chunk = Chunk::default();
        for (job, text) in fields {
            match (Uuid::try_parse(&job), text.parse::<JobRecord>()) {
                (Ok(job), Ok(record)) if self.met.insert(job) => chunk.records.push((job, record)),
                (Ok(_), Ok(_)) => {}
                _ => chunk.unreadable.push(format!("{job} = {text:?}")),
            }
        }
        Ok(Some(chunk))
    }
}

/// The records of these jobs as they are now; jobs without one are left out.
pub(super) async fn again(
    connection: &mut impl Queue,
    jobs_key: &str,
    jobs: impl Iterator<Item = Uuid>,
) -> RedisResult<Vec<Recorded>> {
    let jobs: Vec<Uuid> = jobs.collect();
    let mut records = Vec::new();
    for chunk in jobs.chunks(READ_COUNT) {
        let mut command = redis::cmd("HMGET");
        command.arg(jobs_key);
        for job in chunk {
            command.arg(job.hyphenated().to_string());
        }
        let texts: Vec<Option<String>> = command.query_async(connection).await?;
        records.extend(
            chunk
                .iter()
                .zip(texts)
                .filter_map(|(job, text)| Some((*job, text?.parse().ok()?))),
        );
    }
    Ok(records)
}

/// What the ledger says of some records.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Jobs of these records that have an order of their own.
    pub(super) with_order: u64,
    /// Jobs whose record the ledger contradicts, with what is wrong.
    pub(super) contradictions: Vec<(Uuid, String)>,
}

/// Compares records with the ledger as it is now, which is after the records were read: an order
/// that a record tells of was committed before the record was written, so it must be there.
pub(super) async fn compare(
    ledger: &Ledger,
    sale: &SaleId,
    records: &[Recorded],
) -> Result<Comparison, LedgerError> {
    let (mut jobs, mut states, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    let (mut products, mut users) = (Vec::new(), Vec::new());
    for (job, record) in records {
        let (state, order) = match record.state {
            JobState::Queued { .. } => ("queued", None),
            JobState::Final { outcome, order_id } => (outcome.as_str(), order_id),
        };
        jobs.push(*job);
        states.push(state);
        orders.push(order);
        products.push(record.product_id.as_str());
        users.push(record.user_id.as_str());
    }
    let query = sqlx::query_as(COMPARE)
        .bind(jobs)
        .bind(states)
        .bind(orders)
        .bind(products)
        .bind(users)
        .bind(sale.as_str())
        .bind(Outcome::Confirmed.as_str());
    let rows: Vec<(Uuid, bool, Option<String>)> = ledger
        .read(async |connection| Ok(query.fetch_all(connection).await?))
        .await?;
    let mut comparison = Comparison::default();
    for (job, has_order, contradiction) in rows {
        comparison.with_order += u64::from(has_order);
        comparison
            .contradictions
            .extend(contradiction.map(|words| (job, words)));
    }
    Ok(comparison)
}

// The limits make each lookup one probe of an index; as plain joins, the planner may read all
// orders for each chunk.
const COMPARE: &str = "\
    SELECT job, own.id IS NOT NULL,
           CASE
             WHEN state = $7 AND told IS NULL THEN 'was told confirmed without an order'
             WHEN state = $7 AND known.id IS NULL THEN
               format('was told confirmed with order %s, which the ledger does not have', told)
             WHEN state = $7 AND (known.user_id, known.product_id, known.sale_id)
                                 IS DISTINCT FROM (shopper, product, $6) THEN
               format('was told confirmed with order %s, which is shopper %s''s of %s in sale %s',
                      told, known.user_id, known.product_id, known.sale_id)
             WHEN state NOT IN ($7, 'queued') AND own.id IS NOT NULL THEN
               format('was told %s, but order %s settles it', state, own.id)
           END
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[])
             AS record(job, state, told, product, shopper)
      LEFT JOIN LATERAL (SELECT id, user_id, product_id, sale_id FROM orders
                          WHERE id = told LIMIT 1) AS known ON true
      LEFT JOIN LATERAL (SELECT id FROM orders WHERE job_id = job LIMIT 1) AS own ON true";
