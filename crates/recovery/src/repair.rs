//! Settling again what shoppers were told and the ledger has forgotten.

use std::collections::{BTreeMap, HashMap};

use flashsale_domain::{
    id::{IdempotencyKey, JobId, ProductId, SaleId},
    order::OrderState,
    outcome::{JobRecord, JobState, Outcome},
};
use flashsale_ledger::{Claim, Ledger, Repair, Repaired};
use flashsale_queue::{connect::Queue, keys::SaleKeys, scan::Scan, stock};
use redis::{RedisResult, Script};
use uuid::Uuid;

use crate::error::RecoveryError;

/// Records changed in one call of Redis.
const CHUNK: usize = 1_000;

/// Orders that shoppers were told of and that the ledger does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostOrders {
    /// Records that say confirmed.
    pub confirmed: u64,
    /// What is missing, by product, in the order of the numbers that were told.
    pub claims: BTreeMap<ProductId, Vec<Claim>>,
}

impl LostOrders {
    /// How many are missing.
    pub fn count(&self) -> usize {
        self.claims.values().map(Vec::len).sum()
    }
}

/// Compares every record that says confirmed with the ledger. `progress` is told how many were
/// read so far. Reads only.
///
/// # Errors
/// A store is away.
pub async fn lost_orders(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    mut progress: impl FnMut(u64),
) -> Result<LostOrders, RecoveryError> {
    let keys = SaleKeys::new(sale);
    let mut lost = HashMap::new();
    let mut confirmed = 0;
    let mut records = Scan::of(keys.jobs());
    while let Some(fields) = records.next(connection).await? {
        let told: HashMap<Uuid, Told> = fields.iter().filter_map(told).collect();
        confirmed += u64::try_from(told.len()).unwrap_or(u64::MAX);
        let jobs: Vec<Uuid> = told.keys().copied().collect();
        let known = ledger.jobs_with_order(&jobs).await?;
        lost.extend(told.into_iter().filter(|(job, _)| !known.contains(job)));
        progress(confirmed);
    }
    let mut keys_of = if lost.is_empty() {
        HashMap::new()
    } else {
        keys_of_jobs(connection, &keys, &lost).await?
    };
    let states = states_of_orders(connection, &keys, &lost).await?;
    let mut claims: BTreeMap<ProductId, Vec<Claim>> = BTreeMap::new();
    for (job, (record, told)) in lost {
        let state = states.get(&told);
        if matches!(state, Some(OrderState::Cancelled { .. })) {
            // Its shopper knows that there is no order.
            continue;
        }
        // A job that another producer appended left no first answer; its own id is as good a key.
        let key = keys_of
            .remove(&job)
            .or_else(|| IdempotencyKey::new(job.hyphenated().to_string()).ok());
        let Some(key) = key else { continue };
        claims.entry(record.product_id).or_default().push(Claim {
            job: JobId(job),
            user: record.user_id,
            key,
            told,
            is_paid: state == Some(&OrderState::Completed),
        });
    }
    for claims in claims.values_mut() {
        claims.sort_by_key(|claim| (claim.told, claim.job));
    }
    Ok(LostOrders { confirmed, claims })
}

/// A confirmed job's record and the number that its shopper was told.
type Told = (JobRecord, i64);

fn told((job, text): &(String, String)) -> Option<(Uuid, Told)> {
    let record: JobRecord = text.parse().ok()?;
    match record.state {
        JobState::Final {
            outcome: Outcome::Confirmed,
            order_id: Some(order),
        } => Some((Uuid::try_parse(job).ok()?, (record, order))),
        _ => None,
    }
}

/// The shoppers' keys behind these jobs, from the first answers: `USER KEY` to `JOB POSITION`.
async fn keys_of_jobs(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    jobs: &HashMap<Uuid, Told>,
) -> RedisResult<HashMap<Uuid, IdempotencyKey>> {
    let mut found = HashMap::new();
    let mut answers = Scan::of(keys.first_answers());
    while let Some(fields) = answers.next(connection).await? {
        for (name, answer) in &fields {
            let job = answer.split(' ').next().map(Uuid::try_parse);
            let (Some(Ok(job)), Some((_, key))) = (job, name.split_once(' ')) else {
                continue;
            };
            if let (true, Ok(key)) = (jobs.contains_key(&job), IdempotencyKey::new(key)) {
                found.insert(job, key);
            }
        }
    }
    Ok(found)
}

/// Where these orders stand, as far as their shoppers were told more than that they are confirmed.
async fn states_of_orders(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    jobs: &HashMap<Uuid, Told>,
) -> RedisResult<HashMap<i64, OrderState>> {
    let orders: Vec<i64> = jobs.values().map(|(_, told)| *told).collect();
    let mut states = HashMap::new();
    for orders in orders.chunks(CHUNK) {
        let known: Vec<Option<String>> = redis::cmd("HMGET")
            .arg(keys.orders())
            .arg(orders)
            .query_async(connection)
            .await?;
        let known = orders.iter().zip(known);
        states.extend(known.filter_map(|(order, text)| Some((*order, text?.parse().ok()?))));
    }
    Ok(states)
}

/// Settles lost orders of one product again and brings Redis in line: the stock, and records whose
/// order got another number. Answers what became of each, in the order of `claims`. May run twice.
///
/// # Errors
/// A store is away, or the sale does not offer the product any more. The ledger's part is one
/// transaction.
pub async fn settle_again(
    ledger: &Ledger,
    connection: &mut impl Queue,
    sale: &SaleId,
    product: &ProductId,
    claims: &[Claim],
) -> Result<Vec<Repair>, RecoveryError> {
    let Repaired { repairs, level } = ledger.settle_again(sale, product, claims).await?;
    let keys = SaleKeys::new(sale);
    let renumbered: Vec<(&Claim, i64)> = claims
        .iter()
        .zip(&repairs)
        .filter_map(|(claim, repair)| Some((claim, repair.order()?)))
        .filter(|(claim, order)| claim.told != *order)
        .collect();
    for chunk in renumbered.chunks(CHUNK) {
        renumber(connection, &keys, product, chunk).await?;
    }
    stock::update(connection, &keys, &[level]).await?;
    Ok(repairs)
}

/// KEYS: jobs. ARGV: job, record as it was, record as it shall be, repeated. A record that changed
/// meanwhile stays as it is.
const RENUMBER: &str = r"
for i = 1, #ARGV, 3 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end";

async fn renumber(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    orders: &[(&Claim, i64)],
) -> RedisResult<()> {
    let script = Script::new(RENUMBER);
    let mut call = script.key(keys.jobs());
    for (claim, order) in orders {
        let record = |number: i64| format!("c {number} {product} {}", claim.user);
        call.arg(claim.job.to_string())
            .arg(record(claim.told))
            .arg(record(*order));
    }
    call.invoke_async(connection).await
}
