//! The dead-letter lane: entries that no attempt could settle, with the reason, for a person to
//! look at, replay or discard. Stream `fs:{sale}:dead`, fields `product`, `reason`, `attempts`,
//! `job`.

use std::{fmt, str::FromStr, sync::LazyLock};

use flashsale_domain::{id::ProductId, job::Job};
use redis::{
    AsyncCommands, RedisResult, Script,
    streams::{StreamId, StreamRangeReply},
};

use crate::{connect::Queue, keys::SaleKeys, lane};

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its id in the dead-letter lane; begins with the time of death in milliseconds.
    pub id: String,
    /// The lane it came from.
    pub product: String,
    /// Why it died.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
    /// The entry's job, byte for byte.
    pub job: Vec<u8>,
}

impl DeadLetter {
    fn from_stream(entry: &StreamId) -> Self {
        Self {
            id: entry.id.clone(),
            product: entry.get("product").unwrap_or_default(),
            reason: entry.get("reason").unwrap_or_default(),
            attempts: entry.get("attempts").unwrap_or_default(),
            job: entry.get("job").unwrap_or_default(),
        }
    }

    /// When it died, in milliseconds since the Unix epoch by Redis's clock.
    pub fn died_ms(&self) -> Option<i64> {
        lane::appended_ms(&self.id)
    }

    /// The job, if the letter is one.
    pub fn parse(&self) -> Option<Job> {
        let product = ProductId::new(self.product.as_str()).ok()?;
        Job::parse(&self.job, &product).ok()
    }
}

/// The id of a letter, checked: `MILLISECONDS-SEQUENCE`. Ordered as the letters died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId {
    milliseconds: u64,
    sequence: u64,
}

/// A text is not the id of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id of a dead letter; write it as listed, e.g. 1715423000000-0")]
pub struct NotALetterId;

impl FromStr for LetterId {
    type Err = NotALetterId;

    fn from_str(text: &str) -> Result<Self, NotALetterId> {
        // The parser of numbers would take a sign.
        let number = |digits: &str| {
            let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_plain)
        };
        let (milliseconds, sequence) = text.split_once('-').ok_or(NotALetterId)?;
        Ok(Self {
            milliseconds: number(milliseconds).ok_or(NotALetterId)?,
            sequence: number(sequence).ok_or(NotALetterId)?,
        })
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// At most `count` letters after the letter `after` ([`lane::HEAD`] for the first), oldest first.
pub async fn list(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    after: &str,
    count: usize,
) -> RedisResult<Vec<DeadLetter>> {
    let reply: StreamRangeReply = connection
        .xrange_count(keys.dead(), format!("({after}"), "+", count)
        .await?;
    Ok(reply.ids.iter().map(DeadLetter::from_stream).collect())
}

/// Letters that [`jobs`] reads in one call; each carries its whole job.
const JOBS_READ: usize = 500;

/// All letters of the sale that are jobs, oldest first: the letter's id and the job.
pub async fn jobs(connection: &mut impl Queue, keys: &SaleKeys) -> RedisResult<Vec<(String, Job)>> {
    let mut jobs = Vec::new();
    let mut after = lane::HEAD.to_owned();
    loop {
        let page = list(connection, keys, &after, JOBS_READ).await?;
        let Some(last) = page.last() else {
            return Ok(jobs);
        };
        after.clone_from(&last.id);
        jobs.extend(
            page.into_iter()
                .filter_map(|letter| letter.parse().map(|job| (letter.id, job))),
        );
    }
}

/// Those of `letters` that are still there, in the order given, in one round trip.
pub async fn find(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    letters: &[LetterId],
) -> RedisResult<Vec<DeadLetter>> {
    if letters.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for id in letters.iter().map(ToString::to_string) {
        pipe.cmd("XRANGE").arg(keys.dead()).arg(&id).arg(&id);
    }
    let replies: Vec<StreamRangeReply> = pipe.query_async(connection).await?;
    let found = replies.iter().flat_map(|reply| &reply.ids);
    Ok(found.map(DeadLetter::from_stream).collect())
}

/// How many letters there are.
pub async fn count(connection: &mut impl Queue, keys: &SaleKeys) -> RedisResult<u64> {
    connection.xlen(keys.dead()).await
}

/// KEYS: the sale's record, dead, lane, jobs, stock. ARGV: letter id, product, job id, user, job. The
/// job id is empty when the letter is not a job. Takes the letter out only if it is still there, so
/// that two replays make one job. The job is shown as queued unless its id has another record: then
/// it is the one of another buy, whose outcome stays.
const REPLAY: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('XDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[3], '*', 'job', ARGV[5])
if ARGV[3] == '' then return 1 end
local record = redis.call('HGET', KEYS[4], ARGV[3])
if not record or string.match(record, '^f [^ ]+ [^ ]+ (.*)$') == ARGV[4] then
  local ticket = (redis.call('HGET', KEYS[5], ARGV[2] .. '#') or 0) + redis.call('XLEN', KEYS[3])
  redis.call('HSET', KEYS[4], ARGV[3], 'q ' .. string.format('%.0f', ticket) .. ' ' .. ARGV[2] .. ' ' .. ARGV[4])
end
return 1";

static REPLAY_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(REPLAY));

/// Puts a letter back at the end of its lane, with all its attempts before it. False when it was
/// gone already, names no product that a lane could have, or is of a sale that is not in force.
pub async fn replay(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    letter: &DeadLetter,
) -> RedisResult<bool> {
    let Ok(product) = ProductId::new(letter.product.as_str()) else {
        return Ok(false);
    };
    let job = letter.parse();
    REPLAY_SCRIPT
        .key(keys.record())
        .key(keys.dead())
        .key(keys.lane(&product))
        .key(keys.jobs())
        .key(keys.stock())
        .arg(&letter.id)
        .arg(product.as_str())
        .arg(
            job.as_ref()
                .map(|job| job.job_id.to_string())
                .unwrap_or_default(),
        )
        .arg(job.as_ref().map_or("", |job| job.data.user_id.as_str()))
        .arg(&letter.job)
        .invoke_async(connection)
        .await
}

/// Takes a letter away for good. False when it was gone already.
pub async fn discard(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    letter_id: &str,
) -> RedisResult<bool> {
    let gone: u64 = connection.xdel(keys.dead(), &[letter_id]).await?;
    Ok(gone > 0)
}

/// Takes letters away for good, in one command. Answers how many were still there.
pub async fn discard_all(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    letters: &[LetterId],
) -> RedisResult<u64> {
    if letters.is_empty() {
        return Ok(0);
    }
    let ids: Vec<String> = letters.iter().map(ToString::to_string).collect();
    connection.xdel(keys.dead(), &ids).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_letters_are_plain_numbers_and_sort_by_death() {
        let id = |text: &str| text.parse::<LetterId>();
        assert_eq!(
            id("1715423000000-12").unwrap().to_string(),
            "1715423000000-12"
        );
        assert!(id("9-10").unwrap() > id("9-9").unwrap());
        assert!(id("10-0").unwrap() > id("9-9").unwrap());
        for bad in [
            "", "-", "7", "7-", "-7", "+7-0", "7-+1", "7-0 ", "7-0-0", "a-b", "(7-0",
        ] {
            assert_eq!(id(bad), Err(NotALetterId), "{bad:?}");
        }
    }
}
