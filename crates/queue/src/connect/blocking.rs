//! A connection of one's own, for commands that make the server wait.

use std::io;

use redis::{Cmd, Pipeline, RedisError, RedisFuture, Value, aio::ConnectionLike};

use super::{DedicatedConnection, SharedConnection};

/// A connection for commands that block. It belongs to the server that its [`SharedConnection`]
/// led to when it was made: once that one is replaced, every command fails.
#[derive(Debug, Clone)]
pub struct BlockingConnection {
    connection: DedicatedConnection,
    shared: SharedConnection,
    generation: u64,
}

impl BlockingConnection {
    pub(super) fn new(
        connection: DedicatedConnection,
        shared: SharedConnection,
        generation: u64,
    ) -> Self {
        Self {
            connection,
            shared,
            generation,
        }
    }

    /// The generation of the shared connection that this belongs to.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn leads_to_cluster(&self) -> bool {
        matches!(self.connection, DedicatedConnection::Cluster(_))
    }
}

impl ConnectionLike for BlockingConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let answer = self.connection.req_packed_command(command);
        self.shared.unless_replaced(self.generation, answer)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let answer = self.connection.req_packed_commands(pipeline, offset, count);
        self.shared.unless_replaced(self.generation, answer)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

impl SharedConnection {
    /// `answer`, or an error as soon as the connection of `generation` is replaced.
    fn unless_replaced<'a, T: Send + 'a>(
        &'a self,
        generation: u64,
        answer: RedisFuture<'a, T>,
    ) -> RedisFuture<'a, T> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = self.replaced(generation) => Err(replaced()),
                answer = answer => answer,
            }
        })
    }
}

/// The error of a connection whose shared connection was replaced.
pub(super) fn replaced() -> RedisError {
    let text = "the connection to Redis was replaced";
    io::Error::new(io::ErrorKind::ConnectionAborted, text).into()
}
