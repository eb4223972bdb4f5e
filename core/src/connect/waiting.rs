//! A pool of connections for calls that keep their connection waiting.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio::ConnectionLike};

use super::{BlockingConnection, CONNECT_TIMEOUT, SharedConnection, blocking::replaced};

/// A pool of connections for calls that keep their connection waiting, one call at a time.
pub type WaitingPool = bb8::Pool<WaitingConnections>;

/// Makes the connections of a [`WaitingPool`]. They lead to the server that their
/// [`SharedConnection`] led to when they were made. Once that one is replaced, calls that wait fail,
/// and the connections are thrown away.
#[derive(Debug, Clone)]
pub struct WaitingConnections {
    shared: SharedConnection,
    longest: Duration,
}

/// A connection of a [`WaitingPool`].
#[derive(Debug)]
pub struct WaitingConnection {
    connection: BlockingConnection,
    /// Whether a command was not answered, or given up: an answer may still come.
    is_broken: bool,
}

/// A pool of at most `size` connections to where `shared` leads, for calls that wait up to
/// `longest`; connects when first used. They are not pinged before use, since that would cost each
/// call a round trip.
#[must_use]
pub fn waiting_pool(shared: &SharedConnection, size: u32, longest: Duration) -> WaitingPool {
    let connections = WaitingConnections {
        shared: shared.clone(),
        longest,
    };
    bb8::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CONNECT_TIMEOUT)
        .build_unchecked(connections)
}

impl bb8::ManageConnection for WaitingConnections {
    type Connection = WaitingConnection;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<WaitingConnection> {
        Ok(WaitingConnection {
            connection: self.shared.blocking(self.longest).await?,
            is_broken: false,
        })
    }

    async fn is_valid(&self, connection: &mut WaitingConnection) -> RedisResult<()> {
        if connection.connection.is_current() {
            Ok(())
        } else {
            Err(replaced())
        }
    }

    fn has_broken(&self, connection: &mut WaitingConnection) -> bool {
        // The connections to a cluster mend themselves, each for itself, and making new ones would
        // have the sales of all servers wait for the one that is away.
        let is_broken = connection.is_broken && !connection.connection.leads_to_cluster();
        is_broken || !connection.connection.is_current()
    }
}

impl ConnectionLike for WaitingConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            self.is_broken = true;
            let answer = self.connection.req_packed_command(command).await;
            self.is_broken = answer.is_err();
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            self.is_broken = true;
            let answers = self
                .connection
                .req_packed_commands(pipeline, offset, count)
                .await;
            self.is_broken = answers.is_err();
            answers
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
