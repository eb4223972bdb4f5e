//! A pool of connections for calls that keep their connection waiting.

use std::time::Duration;

use redis::{RedisError, RedisResult};

use super::{BlockingConnection, PooledConnection, SharedConnection, pool::of_at_most};

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

/// A pool of at most `size` connections to where `shared` leads, for calls that wait up to
/// `longest`; connects when first used. They are not pinged before use, since that would cost each
/// call a round trip.
pub fn waiting_pool(shared: &SharedConnection, size: u32, longest: Duration) -> WaitingPool {
    let shared = shared.clone();
    of_at_most(size, WaitingConnections { shared, longest })
}

impl bb8::ManageConnection for WaitingConnections {
    type Connection = PooledConnection<BlockingConnection>;
    type Error = RedisError;

    async fn connect(&self) -> RedisResult<Self::Connection> {
        let connection = self.shared.blocking(self.longest).await?;
        Ok(PooledConnection {
            generation: connection.generation(),
            connection,
            is_broken: false,
        })
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> RedisResult<()> {
        connection.check_current(&self.shared)
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        // The connections to a cluster mend themselves, each for itself, and making new ones would
        // have the sales of all servers wait for the one that is away.
        let is_broken = connection.is_broken && !connection.connection.leads_to_cluster();
        is_broken || !connection.is_current(&self.shared)
    }
}
