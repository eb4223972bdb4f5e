//! A pool of connections to Redis, each used by one task at a time.

use flashsale_transport::CONNECT_TIMEOUT;
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value, aio::ConnectionLike};

use super::{DedicatedConnection, SharedConnection, blocking::replaced};

/// A pool of connections for commands off the hot path.
pub type QueuePool = bb8::Pool<PooledConnections>;

/// Makes the connections of a [`QueuePool`]. They lead to the server that their
/// [`SharedConnection`] led to when they were made, and are thrown away once that one is replaced.
#[derive(Debug, Clone)]
pub struct PooledConnections {
    shared: SharedConnection,
}

/// A connection of a pool.
#[derive(Debug)]
pub struct PooledConnection<C> {
    pub(super) connection: C,
    /// The generation of the [`SharedConnection`] that it belongs to.
    pub(super) generation: u64,
    /// Whether a command was not answered, or given up: an answer may still come.
    pub(super) is_broken: bool,
}

/// A pool of at most `size` connections to where `shared` leads; connects when first used.
pub fn pool(shared: &SharedConnection, size: u32) -> QueuePool {
    let shared = shared.clone();
    of_at_most(size, PooledConnections { shared })
}

pub(super) fn of_at_most<M: bb8::ManageConnection>(size: u32, connections: M) -> bb8::Pool<M> {
    bb8::Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(CONNECT_TIMEOUT)
        .build_unchecked(connections)
}

impl<C> PooledConnection<C> {
    pub(super) fn is_current(&self, shared: &SharedConnection) -> bool {
        self.generation == shared.generation()
    }

    pub(super) fn check_current(&self, shared: &SharedConnection) -> RedisResult<()> {
        self.is_current(shared).then_some(()).ok_or_else(replaced)
    }
}

impl bb8::ManageConnection for PooledConnections {
    type Connection = PooledConnection<DedicatedConnection>;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<Self::Connection> {
        let (connection, generation) = self.shared.connect_dedicated().await?;
        Ok(PooledConnection {
            connection,
            generation,
            is_broken: false,
        })
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> RedisResult<()> {
        connection.check_current(&self.shared)?;
        redis::cmd("PING").exec_async(connection).await
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.is_broken || !connection.is_current(&self.shared)
    }
}

impl<C: ConnectionLike + Send> ConnectionLike for PooledConnection<C> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let answer = self.connection.req_packed_command(command);
        Box::pin(noting(&mut self.is_broken, answer))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let answer = self.connection.req_packed_commands(pipeline, offset, count);
        Box::pin(noting(&mut self.is_broken, answer))
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

/// `answer`; whether it is one is noted in `is_broken`, as is that it was given up.
async fn noting<T>(is_broken: &mut bool, answer: RedisFuture<'_, T>) -> RedisResult<T> {
    *is_broken = true;
    let answer = answer.await;
    *is_broken = answer.is_err();
    answer
}
