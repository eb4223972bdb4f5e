//! What a shared connection sends its commands over: a connection to one server, or one to each
//! server of a cluster.

use std::{io, sync::Arc, time::Duration};

use flashsale_transport::CONNECT_TIMEOUT;
use redis::{
    Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{
        ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub,
    },
    cluster::ClusterConfig,
    cluster_async::ClusterConnection,
};
use tokio::time::timeout;

use super::{
    certificates::explain,
    cluster,
    destination::{Cluster, Destination, LOOKUP_LIMIT, Relayed, connection_config},
};

/// A connection that breaks and is made again by itself.
pub(super) enum Link {
    Server {
        client: Box<Client>,
        manager: ConnectionManager,
    },
    /// To one server through a relay. It is replaced when it breaks: a connection manager takes no
    /// resolver.
    Relayed {
        server: Relayed,
        connection: MultiplexedConnection,
    },
    Cluster {
        cluster: Arc<Cluster>,
        connection: ClusterConnection,
    },
}

impl Relayed {
    async fn connect(
        &self,
        response_timeout: Option<Duration>,
    ) -> RedisResult<MultiplexedConnection> {
        let config = connection_config(Some(&self.relay), response_timeout);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        connecting.await.map_err(explain)
    }
}

/// A connection that nobody else uses.
#[derive(Clone)]
pub enum DedicatedConnection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all servers of a cluster.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for DedicatedConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DedicatedConnection")
            .finish_non_exhaustive()
    }
}

impl Link {
    /// To one server, lazily: nothing is connected yet. A command that is not answered in time is given
    /// up by the caller.
    pub(super) fn lazy(client: Box<Client>) -> RedisResult<Arc<Self>> {
        // Waiting for an answer is limited outside, together with waiting for the connection.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            // The caller answers 503 or waits; a second layer of retries would only hide the
            // outage.
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        let manager = client.get_connection_manager_lazy(config)?;
        Ok(Arc::new(Self::Server { client, manager }))
    }

    /// To a server lazily, and through a relay or to a cluster at once: connecting to all servers of a
    /// cluster, with TLS, takes longer than a server may be silent. A server of a cluster that does not
    /// answer within `response_timeout` is taken for lost.
    pub(super) async fn open(
        destination: Destination,
        response_timeout: Duration,
    ) -> RedisResult<Arc<Self>> {
        let cluster = match destination {
            Destination::Server(client) => return Self::lazy(client),
            Destination::Relayed(server) => {
                // Waiting for an answer is limited outside.
                let connection = server.connect(None).await?;
                return Ok(Arc::new(Self::Relayed { server, connection }));
            }
            Destination::Cluster(cluster) => cluster,
        };
        let config = cluster_config(response_timeout);
        let connecting = cluster.client.get_async_connection_with_config(config);
        let connected = timeout(LOOKUP_LIMIT, connecting).await;
        let connection = connected
            .unwrap_or_else(|_| Err(silent()))
            .map_err(explain)?;
        Ok(Arc::new(Self::Cluster {
            cluster,
            connection,
        }))
    }

    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server { manager, .. } => manager.clone().send_packed_command(command).await,
            Self::Relayed { connection, .. } => {
                connection.clone().send_packed_command(command).await
            }
            Self::Cluster { connection, .. } => {
                cluster::send(&mut connection.clone(), command).await
            }
        }
    }

    pub(super) async fn send_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server { manager, .. } => {
                let mut manager = manager.clone();
                manager.send_packed_commands(pipeline, offset, count).await
            }
            Self::Relayed { connection, .. } => {
                let mut connection = connection.clone();
                connection
                    .send_packed_commands(pipeline, offset, count)
                    .await
            }
            Self::Cluster { connection, .. } => {
                cluster::send_all(connection, pipeline, offset, count).await
            }
        }
    }

    pub(super) fn destination(&self) -> Destination {
        match self {
            Self::Server { client, .. } => Destination::Server(client.clone()),
            Self::Relayed { server, .. } => Destination::Relayed(server.clone()),
            Self::Cluster { cluster, .. } => Destination::Cluster(Arc::clone(cluster)),
        }
    }
}

impl Destination {
    /// A connection for one caller, whose commands are answered within `response_timeout` or fail.
    pub(super) async fn connect(
        &self,
        response_timeout: Duration,
    ) -> RedisResult<DedicatedConnection> {
        Ok(match self {
            Self::Server(client) => {
                let config = connection_config(None, Some(response_timeout));
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                DedicatedConnection::Server(connection.await.map_err(explain)?)
            }
            Self::Relayed(server) => {
                DedicatedConnection::Server(server.connect(Some(response_timeout)).await?)
            }
            Self::Cluster(cluster) => {
                let config = cluster_config(response_timeout);
                let connecting = cluster.client.get_async_connection_with_config(config);
                DedicatedConnection::Cluster(connecting.await.map_err(explain)?)
            }
        })
    }

    /// A connection for subscriptions. A cluster forwards each message to all of its servers, so one
    /// of them is enough.
    pub(super) async fn connect_for_messages(&self) -> RedisResult<PubSub> {
        let servers = match self {
            Self::Server(client) | Self::Relayed(Relayed { client, .. }) => {
                return client.get_async_pubsub().await.map_err(explain);
            }
            Self::Cluster(cluster) => &cluster.servers,
        };
        let mut last = None;
        for server in servers {
            let client = Client::open(server.clone())?;
            let connecting = async {
                cluster::check_member(&client).await?;
                client.get_async_pubsub().await
            };
            let connected = timeout(CONNECT_TIMEOUT, connecting).await;
            match connected.unwrap_or_else(|_| Err(silent())) {
                Ok(messages) => return Ok(messages),
                Err(error) => last = Some(error),
            }
        }
        Err(explain(last.unwrap_or_else(silent)))
    }
}

impl ConnectionLike for DedicatedConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => Box::pin(cluster::send(connection, command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => {
                Box::pin(cluster::send_all(connection, pipeline, offset, count))
            }
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(_) => 0,
        }
    }
}

fn cluster_config(response_timeout: Duration) -> ClusterConfig {
    ClusterConfig::new()
        .set_connection_timeout(CONNECT_TIMEOUT)
        .set_response_timeout(response_timeout)
}

fn silent() -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, "no server of the cluster answers").into()
}
