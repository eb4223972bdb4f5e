//! Reads a lane, on a connection of its own: waiting for a job blocks a connection.

use std::time::Duration;

use flashsale_queue::{
    connect::{BlockingConnection, SharedConnection},
    lane::{self, Entry},
};
use redis::RedisResult;

/// The longest that a read is asked to wait; the connection's time limit follows it.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Reads one lane.
pub(super) struct Reader {
    shared: SharedConnection,
    lane: String,
    /// None until the first read.
    connection: Option<BlockingConnection>,
}

impl Reader {
    pub(super) fn new(shared: SharedConnection, lane: String) -> Self {
        Self {
            shared,
            lane,
            connection: None,
        }
    }

    /// Up to `count` entries after the entry `after`. With `wait`, waits that long for a first one.
    pub(super) async fn read(
        &mut self,
        after: &str,
        count: usize,
        wait: Option<Duration>,
    ) -> RedisResult<Vec<Entry>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.shared.blocking(LONGEST_WAIT).await?),
        };
        match wait {
            None => lane::read(connection, &self.lane, after, count).await,
            Some(wait) => {
                let wait = wait.min(LONGEST_WAIT);
                lane::wait(connection, &self.lane, after, count, wait).await
            }
        }
    }
}
