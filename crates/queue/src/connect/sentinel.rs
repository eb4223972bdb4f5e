//! Asking Sentinels for the primary through a relay, which redis-rs' own lookup would go round.

use std::io;

use flashsale_transport::{CONNECT_TIMEOUT, Relay};
use futures_util::future::select_ok;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
    aio::MultiplexedConnection,
};

use super::{
    address::SentinelAddress,
    destination::{client, connection_config},
};

/// The Sentinels of an address.
pub(super) struct Lookup {
    address: SentinelAddress,
    certificates: Option<TlsCertificates>,
    relay: Relay,
}

impl Lookup {
    pub(super) fn new(
        address: SentinelAddress,
        certificates: Option<TlsCertificates>,
        relay: Relay,
    ) -> Self {
        Self {
            address,
            certificates,
            relay,
        }
    }

    /// The first server that a Sentinel names and that says itself that it is a primary. All Sentinels are
    /// asked at once: one that is cut off from the others may name the primary of before.
    pub(super) async fn primary(&self) -> RedisResult<Client> {
        let sentinels = self.address.sentinels.iter();
        let lookups: Vec<_> = sentinels
            .map(|sentinel| Box::pin(self.primary_of(sentinel)))
            .collect();
        if lookups.is_empty() {
            return Err(failure("the address names no Sentinel"));
        }
        select_ok(lookups).await.map(|(primary, _)| primary)
    }

    /// The primary that `sentinel` names.
    async fn primary_of(&self, sentinel: &ConnectionInfo) -> RedisResult<Client> {
        let client = client(sentinel.clone(), self.certificates.as_ref())?;
        let named: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.address.name)
            .query_async(&mut self.connect(&client).await?)
            .await?;
        let (host, port) =
            named.ok_or_else(|| failure("Sentinel knows no primary of this name"))?;
        let primary = self.client(host, port)?;
        let role: Vec<Value> = redis::cmd("ROLE")
            .query_async(&mut self.connect(&primary).await?)
            .await?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(primary),
            _ => Err(failure("the server that Sentinel names is no primary")),
        }
    }

    async fn connect(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        let config = connection_config(Some(&self.relay), Some(CONNECT_TIMEOUT));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn client(&self, host: String, port: u16) -> RedisResult<Client> {
        let info = self.address.primary.clone();
        let address = match info.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        client(info.set_addr(address), self.certificates.as_ref())
    }
}

fn failure(text: &'static str) -> RedisError {
    io::Error::other(text).into()
}
