//! Where a connection leads to.

use std::{sync::Arc, time::Duration};

use flashsale_transport::{CONNECT_TIMEOUT, Relay};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, TlsCertificates,
    cluster::ClusterClient,
};

/// How long finding the primary may take. The client library asks three Sentinels at a time, and
/// gives up one that is silent after a second and a half.
pub(super) const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// A cluster, and some of its servers.
pub(super) struct Cluster {
    /// Connects to all servers.
    pub(super) client: ClusterClient,
    /// Those that the address names.
    pub(super) servers: Vec<ConnectionInfo>,
    pub(super) relay: Option<Relay>,
}

/// A server, and the relay that leads to it.
#[derive(Clone)]
pub(super) struct Relayed {
    pub(super) client: Box<Client>,
    pub(super) relay: Relay,
}

/// Where a connection leads to.
#[derive(Clone)]
pub(super) enum Destination {
    Server(Box<Client>),
    Relayed(Relayed),
    Cluster(Arc<Cluster>),
}

pub(super) fn client(
    address: ConnectionInfo,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<Client> {
    match certificates {
        Some(certificates) => Client::build_with_tls(address, certificates.clone()),
        None => Client::open(address),
    }
}

/// How a connection to one server is made.
pub(super) fn connection_config(
    relay: Option<&Relay>,
    response_timeout: Option<Duration>,
) -> AsyncConnectionConfig {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(response_timeout);
    match relay {
        Some(relay) => config.set_dns_resolver(relay.clone()),
        None => config,
    }
}
