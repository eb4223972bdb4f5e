//! Asking Sentinels for the primary through a relay, which redis-rs' own lookup would go round.

use std::io;

use redis::{Client, ConnectionAddr, ConnectionInfo, RedisResult, TlsCertificates};

use super::{
    CONNECT_TIMEOUT, Relay, address::SentinelAddress, destination::client,
    destination::connection_config,
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

    /// The primary that the first Sentinel that answers names. Whether it is one yet is not asked: a
    /// replica refuses the first write, and then the Sentinels are asked again.
    pub(super) async fn primary(&self) -> RedisResult<Client> {
        let mut last = None;
        for sentinel in &self.address.sentinels {
            match self.ask(sentinel).await {
                Ok(Some((host, port))) => return self.client(host, port),
                Ok(None) => {
                    last = Some(io::Error::other("Sentinel knows no primary of this name").into());
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::other("the address names no Sentinel").into()))
    }

    async fn ask(&self, sentinel: &ConnectionInfo) -> RedisResult<Option<(String, u16)>> {
        let client = client(sentinel.clone(), self.certificates.as_ref())?;
        let config = connection_config(Some(&self.relay), Some(CONNECT_TIMEOUT));
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connecting.await?;
        redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&self.address.name)
            .query_async(&mut connection)
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
