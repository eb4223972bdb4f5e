//! Reads a lane from its head, a batch ahead of the settling.

use std::time::Duration;

use flashsale_core::{
    connect::{BlockingConnection, SharedConnection},
    lane::{self, Entry, HEAD},
};
use redis::RedisResult;
use tokio_util::sync::CancellationToken;

/// The longest that [`Reader::wait`] is asked to wait; the connection's time limit follows it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A cursor in a lane, on a connection of its own: waiting for a job blocks a connection.
pub(super) struct Reader {
    queue: SharedConnection,
    connection: Option<BlockingConnection>,
    lane: String,
    /// The last entry read.
    cursor: String,
    /// Entries read and not yet taken.
    ahead: Vec<Entry>,
}

impl Reader {
    pub(super) fn new(queue: SharedConnection, lane: String) -> Self {
        Self {
            queue,
            connection: None,
            lane,
            cursor: HEAD.to_owned(),
            ahead: Vec::new(),
        }
    }

    /// Forgets the connection and starts over at the head.
    pub(super) fn reset(&mut self) {
        self.connection = None;
        self.ahead.clear();
        self.rewind();
    }

    /// Starts over at the head. For a lane found empty this only heals a stream that was deleted
    /// and begun anew with lesser ids.
    pub(super) fn rewind(&mut self) {
        HEAD.clone_into(&mut self.cursor);
    }

    async fn connection(&mut self) -> RedisResult<BlockingConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = self.queue.blocking(LONGEST_WAIT).await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    fn keep(&mut self, entries: Vec<Entry>) {
        if let Some(last) = entries.last() {
            self.cursor.clone_from(&last.id);
        }
        self.ahead.extend(entries);
    }

    /// Reads until `count` entries are held or the lane has no more.
    pub(super) async fn read_ahead(&mut self, count: usize) -> RedisResult<()> {
        let missing = count.saturating_sub(self.ahead.len());
        if missing > 0 {
            let mut connection = self.connection().await?;
            let entries = lane::read(&mut connection, &self.lane, &self.cursor, missing).await?;
            self.keep(entries);
        }
        Ok(())
    }

    /// Takes a full batch of `count` entries out of those read ahead, if there are as many.
    pub(super) fn take_full(&mut self, count: usize) -> Option<Vec<Entry>> {
        (self.ahead.len() >= count).then(|| std::mem::take(&mut self.ahead))
    }

    /// Takes up to `count` entries: those read ahead, topped up with what came since, since a
    /// fuller batch costs the ledger no more commits.
    pub(super) async fn take(&mut self, count: usize) -> RedisResult<Vec<Entry>> {
        self.read_ahead(count).await?;
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Waits up to `longest` for an entry. True when there is one to take.
    pub(super) async fn wait(
        &mut self,
        count: usize,
        longest: Duration,
        stop: &CancellationToken,
    ) -> RedisResult<bool> {
        let mut connection = self.connection().await?;
        let longest = longest.min(LONGEST_WAIT);
        let entries = tokio::select! {
            entries = lane::wait(&mut connection, &self.lane, &self.cursor, count, longest) => entries?,
            () = stop.cancelled() => {
                // The server may still be waiting on it.
                self.connection = None;
                return Ok(false);
            }
        };
        self.keep(entries);
        Ok(!self.ahead.is_empty())
    }
}
