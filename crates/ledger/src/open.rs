//! Opening the ledger.

use std::sync::Arc;

use flashsale_transport::{Relay, Renewal, tls::Peer};

use crate::{
    config::{LedgerConfig, OpenError},
    handle::Ledger,
    servers,
};

impl Ledger {
    /// The ledger that `config` leads to; connects when first used. Reads the files of [`LedgerConfig::tls`], and follows
    /// changes of them in a runtime of tokio.
    pub fn open(config: &LedgerConfig) -> Result<Self, OpenError> {
        let certificates = config.tls.load(Peer::PostgreSql)?;
        let bounds = config.bounds.as_ref();
        let relay = bounds.map(|bounds| Relay::new(Peer::PostgreSql, bounds));
        let servers = servers::named_by(
            &config.url,
            config.transaction_pooler,
            &certificates,
            relay.as_ref(),
        )
        .map_err(|error| match error {
            sqlx::Error::Io(error) => OpenError::Socket(error),
            error => OpenError::Address(error),
        })?;
        // The driver would look for one on this machine.
        let Some(first) = servers.first().map(|server| server.options.clone()) else {
            let nowhere = sqlx::Error::Configuration("it names no server".into());
            return Err(OpenError::Address(nowhere));
        };
        for server in servers.iter().filter(|server| !server.is_authenticated) {
            tracing::warn!(
                server = server.name,
                "PostgreSQL at {} is not authenticated: whoever is on the way can take its place; write \
                 sslmode=verify-full in the address, and give the certificate of a private authority as \
                 ca.crt in the directory of --database-tls or in the Secret that has the address",
                server.name
            );
        }
        let renewal = config.tls.watched().map(|_| {
            let (url, source) = (config.url.clone(), config.tls.clone());
            Arc::new(Renewal::new(url, source, certificates))
        });
        Ok(Self::connect_lazily(config, first, servers, relay, renewal))
    }
}
