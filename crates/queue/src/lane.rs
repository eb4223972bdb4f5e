//! The lane of a product: a Redis stream with one entry a job, read from its head by the one
//! worker that holds the lane's lease.
//!
//! There is no consumer group. An entry leaves the stream only when its job has ended, so the
//! head of the stream *is* the oldest job without an outcome: a worker that takes a lane over
//! starts there and repeats at most the batch that its predecessor did not acknowledge, order of
//! arrival is kept by construction, and the length of the stream is the exact depth (undelivered
//! and in work), with no second list to keep in step.

mod acknowledge;

use std::time::Duration;

use redis::{AsyncCommands, RedisResult, streams::StreamReadOptions};

use crate::connect::Queue;

pub use acknowledge::{Acknowledged, Acknowledgement, Dead, Ended, acknowledge};

/// One entry of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id of the entry: `MILLISECONDS-SEQUENCE`, by Redis's clock.
    pub id: String,
    /// The field `job`; none when the entry has no such field.
    pub job: Option<Vec<u8>>,
}

/// Entries as Redis answers them, each with its fields. The client's own type makes a map of the
/// fields of each entry and copies the values out of it.
type Reply = Vec<(String, Vec<(Vec<u8>, Vec<u8>)>)>;

fn entries(reply: Reply) -> impl Iterator<Item = Entry> {
    reply.into_iter().map(|(id, fields)| {
        let mut fields = fields.into_iter();
        let job = fields.find(|(name, _)| name == b"job");
        Entry {
            id,
            job: job.map(|(_, value)| value),
        }
    })
}

impl Entry {
    /// When the entry was appended, in milliseconds since the Unix epoch by Redis's clock.
    pub fn appended_ms(&self) -> Option<i64> {
        appended_ms(&self.id)
    }
}

/// A piece of a lane, read from one entry to another with all that lay between them. Since entries
/// are appended with ever greater ids, none can come between them later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    first: String,
    last: String,
    count: usize,
}

impl Run {
    /// The run of `entries`, as one [`read`] or [`wait`] answered them, or several, each from where
    /// the one before had ended.
    pub fn of(entries: &[Entry]) -> Option<Self> {
        Some(Self {
            first: entries.first()?.id.clone(),
            last: entries.last()?.id.clone(),
            count: entries.len(),
        })
    }

    /// The run of `count` entries from `first` to `last`.
    pub fn new(first: String, last: String, count: usize) -> Self {
        Self { first, last, count }
    }

    /// Whether `count` different entries from `first` to `last` are the whole run.
    fn is(&self, first: &str, last: &str, count: usize) -> bool {
        self.first == first && self.last == last && self.count == count
    }
}

/// The time in the id of an entry.
pub fn appended_ms(entry_id: &str) -> Option<i64> {
    entry_id.split('-').next()?.parse().ok()
}

/// Where reading starts: before the first entry there can be.
pub const HEAD: &str = "0-0";

/// At most `count` entries after the entry `after`, without waiting.
pub async fn read(
    connection: &mut impl Queue,
    lane: &str,
    after: &str,
    count: usize,
) -> RedisResult<Vec<Entry>> {
    let reply: Reply = connection
        .xrange_count(lane, format!("({after}"), "+", count)
        .await?;
    Ok(entries(reply).collect())
}

/// Like [`read`], but waits up to `longest` for a first entry. The connection must be the
/// caller's own: nothing else passes over it meanwhile.
pub async fn wait(
    connection: &mut impl Queue,
    lane: &str,
    after: &str,
    count: usize,
    longest: Duration,
) -> RedisResult<Vec<Entry>> {
    let milliseconds = usize::try_from(longest.as_millis()).unwrap_or(1).max(1);
    let options = StreamReadOptions::default()
        .count(count)
        .block(milliseconds);
    let reply: Vec<(String, Reply)> = connection
        .xread_options(&[lane], &[after], &options)
        .await?;
    let streams = reply.into_iter().map(|(_, reply)| reply);
    Ok(streams.flat_map(entries).collect())
}

/// Those of the entries `ids` that are still in the lane, in one round trip, in the order of `ids`.
pub async fn read_each(
    connection: &mut impl Queue,
    lane: &str,
    ids: &[String],
) -> RedisResult<Vec<Entry>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for id in ids {
        pipe.xrange(lane, id, id);
    }
    let replies: Vec<Reply> = pipe.query_async(connection).await?;
    Ok(replies.into_iter().flat_map(entries).collect())
}

/// Redis's clock, in milliseconds since the Unix epoch: the clock of the ids of entries.
pub async fn now_ms(connection: &mut impl Queue) -> RedisResult<i64> {
    let (seconds, microseconds): (i64, i64) = redis::cmd("TIME").query_async(connection).await?;
    Ok(seconds * 1000 + microseconds / 1000)
}

/// How many entries each of `lanes` has, in one round trip.
pub async fn depths(connection: &mut impl Queue, lanes: &[String]) -> RedisResult<Vec<u64>> {
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for lane in lanes {
        pipe.cmd("XLEN").arg(lane);
    }
    pipe.query_async(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_entry_is_in_its_id() {
        assert_eq!(appended_ms("1715423000000-12"), Some(1_715_423_000_000));
        assert_eq!(appended_ms("nonsense"), None);
    }
}
