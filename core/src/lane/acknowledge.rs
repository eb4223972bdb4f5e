//! Acknowledging: everything that a settled batch changes in Redis, in one transaction there.

use redis::{Pipeline, RedisResult};

use crate::{
    connect::Queue,
    event::Settled,
    id::{JobId, ProductId, UserId},
    keys::{EVENTS, SaleKeys},
    outcome::{JobRecord, JobState, Outcome},
};

/// A job that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its entry in the lane.
    pub entry_id: String,
    /// Its id.
    pub job_id: JobId,
    /// Whose it was.
    pub user_id: UserId,
    /// How it ended.
    pub outcome: Outcome,
    /// The order, where there is one.
    pub order_id: Option<i64>,
}

/// An entry for the dead-letter lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Its entry in the lane.
    pub entry_id: String,
    /// The entry's job, byte for byte, whether or not it can be read.
    pub job: Vec<u8>,
    /// Why it is dead.
    pub reason: String,
    /// How many attempts were made.
    pub attempts: u32,
}

/// What became of some entries of one lane.
#[derive(Debug, Clone, Default)]
pub struct Acknowledgement {
    /// Jobs that ended, the failed ones included.
    pub ended: Vec<Ended>,
    /// Entries to be dead-lettered; those that are jobs stand under `ended` as failed too.
    pub dead: Vec<Dead>,
    /// Stock and its version after the batch; none when the ledger was not asked.
    pub stock: Option<(i32, i64)>,
}

/// KEYS: lane, stock, retry. ARGV: product, stock, version (both empty when unknown), then entry
/// ids. Takes the entries out of the lane and, in the same instant, tells the stock that came of
/// them: the turnstile compares the two.
const SETTLE: &str = r"
local gone = 0
for from = 4, #ARGV, 1000 do
  local upto = math.min(from + 999, #ARGV)
  gone = gone + redis.call('XDEL', KEYS[1], unpack(ARGV, from, upto))
  if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('HDEL', KEYS[3], unpack(ARGV, from, upto)) end
end
if gone > 0 then redis.call('HINCRBY', KEYS[2], ARGV[1] .. '#', gone) end
if ARGV[2] ~= '' then
  local known = tonumber(redis.call('HGET', KEYS[2], ARGV[1] .. '@') or -1)
  if tonumber(ARGV[3]) > known then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2], ARGV[1] .. '@', ARGV[3])
  end
end
return gone";

/// Writes the outcomes, buries the dead, takes the entries out of the lane, tells the stock and
/// publishes the event: wholly or not at all. Doing it twice changes nothing but a second event.
/// Answers how many entries left the lane.
pub async fn acknowledge(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    acknowledgement: &Acknowledgement,
    event: &[u8],
) -> RedisResult<u64> {
    let mut pipe = redis::pipe();
    pipe.atomic();
    write_outcomes(&mut pipe, keys, product, &acknowledgement.ended);
    for dead in &acknowledgement.dead {
        pipe.cmd("XADD")
            .arg(keys.dead())
            .arg("*")
            .arg("product")
            .arg(product.as_str())
            .arg("reason")
            .arg(&dead.reason)
            .arg("attempts")
            .arg(dead.attempts)
            .arg("job")
            .arg(&dead.job)
            .ignore();
    }
    settle(&mut pipe, keys, product, acknowledgement);
    pipe.cmd("PUBLISH").arg(EVENTS).arg(event).ignore();
    let (gone,): (u64,) = pipe.query_async(connection).await?;
    Ok(gone)
}

fn write_outcomes(pipe: &mut Pipeline, keys: &SaleKeys, product: &ProductId, ended: &[Ended]) {
    if ended.is_empty() {
        return;
    }
    let command = pipe.cmd("HSET").arg(keys.jobs());
    for job in ended {
        let record = JobRecord {
            state: JobState::Final {
                outcome: job.outcome,
                order_id: job.order_id,
            },
            product_id: product.clone(),
            user_id: job.user_id.clone(),
        };
        command.arg(job.job_id.to_string()).arg(record.to_string());
    }
    command.ignore();
}

fn settle(
    pipe: &mut Pipeline,
    keys: &SaleKeys,
    product: &ProductId,
    acknowledgement: &Acknowledgement,
) {
    let command = pipe
        .cmd("EVAL")
        .arg(SETTLE)
        .arg(3)
        .arg(keys.lane(product))
        .arg(keys.stock())
        .arg(keys.retry(product))
        .arg(product.as_str());
    match acknowledgement.stock {
        Some((stock, version)) => command.arg(stock).arg(version),
        None => command.arg("").arg(""),
    };
    // A malformed entry has no job that ended; a failed job has both, and goes once.
    let malformed = acknowledgement
        .dead
        .iter()
        .map(|dead| &dead.entry_id)
        .filter(|entry_id| {
            !acknowledgement
                .ended
                .iter()
                .any(|job| job.entry_id == **entry_id)
        });
    for entry_id in acknowledgement
        .ended
        .iter()
        .map(|job| &job.entry_id)
        .chain(malformed)
    {
        command.arg(entry_id);
    }
}

impl Acknowledgement {
    /// The event that tells of it.
    #[must_use]
    pub fn event(&self, sale: &crate::id::SaleId, product: &ProductId) -> Settled {
        let mut settled = Settled {
            sale: sale.clone(),
            product: product.clone(),
            stock: self.stock.map(|(stock, _)| stock),
            version: self.stock.map_or(0, |(_, version)| version),
            confirmed: Vec::with_capacity(self.ended.len()),
            rejected: Vec::new(),
        };
        for job in &self.ended {
            match (job.outcome, job.order_id) {
                (Outcome::Confirmed, Some(order_id)) => {
                    settled
                        .confirmed
                        .push((job.user_id.clone(), job.job_id, order_id));
                }
                (outcome, _) => settled
                    .rejected
                    .push((job.user_id.clone(), job.job_id, outcome)),
            }
        }
        settled
    }
}
