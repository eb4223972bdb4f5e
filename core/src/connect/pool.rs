//! A pool of connections to Redis, each used by one task at a time.

use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio::ConnectionLike};

use super::{CONNECT_TIMEOUT, DedicatedConnection, SharedConnection, blocking::replaced};

/// A pool of connections for commands off the hot path.
pub type QueuePool = bb8::Pool<PooledConnections>;

/// Makes the connections of a [`QueuePool`]. They lead to the server that their
/// [`SharedConnection`] led to when they were made, and are thrown away once that one is replaced.
#[derive(Debug, Clone)]
pub struct PooledConnections {
    shared: SharedConnection,
}

/// A connection of a [`QueuePool`].
#[derive(Debug)]
pub struct PooledConnection {
    connection: DedicatedConnection,
    generation: u64,
    /// Whether a command was not answered, or given up: an answer may still come.
    is_broken: bool,
}

/// A pool of at most `size` connections to where `shared` leads; connects when first used.
#[must_use]
pub fn pool(shared: &SharedConnection, size: u32) -> QueuePool {
    let connections = PooledConnections {
        shared: shared.clone(),
    };
    bb8::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CONNECT_TIMEOUT)
        .build_unchecked(connections)
}

impl PooledConnections {
    fn is_current(&self, connection: &PooledConnection) -> bool {
        connection.generation == self.shared.generation()
    }
}

impl bb8::ManageConnection for PooledConnections {
    type Connection = PooledConnection;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<PooledConnection> {
        let (connection, generation) = self.shared.connect_dedicated().await?;
        Ok(PooledConnection {
            connection,
            generation,
            is_broken: false,
        })
    }

    async fn is_valid(&self, connection: &mut PooledConnection) -> RedisResult<()> {
        if !self.is_current(connection) {
            return Err(replaced());
        }
        redis::cmd("PING").exec_async(connection).await
    }

    fn has_broken(&self, connection: &mut PooledConnection) -> bool {
        connection.is_broken || !self.is_current(connection)
    }
}

impl ConnectionLike for PooledConnection {
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
            let answer = self
                .connection
                .req_packed_commands(pipeline, offset, count)
                .await;
            self.is_broken = answer.is_err();
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
