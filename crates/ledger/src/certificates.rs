//! New certificates for the connections to PostgreSQL.

use std::sync::{Arc, atomic::Ordering};

use flashsale_transport::{RELOAD_INTERVAL, Renewal, tls::Peer};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};

use crate::servers::{self, Server};
use crate::{
    error::LedgerError,
    handle::Ledger,
    primary::{ATTEMPT_LIMIT, Primary},
};

/// Has the connections of `ledger` use what the files of `renewal` have, for as long as somebody uses
/// it.
pub(super) fn follow(ledger: &Ledger, renewal: Arc<Renewal>) {
    let in_use = Arc::downgrade(&ledger.certificates);
    // What the task holds itself does not count as a use.
    let unused = Ledger {
        certificates: Arc::default(),
        ..ledger.clone()
    };
    tokio::spawn(async move {
        loop {
            sleep(RELOAD_INTERVAL).await;
            let Some(certificates) = in_use.upgrade() else {
                return;
            };
            let ledger = Ledger {
                certificates,
                ..unused.clone()
            };
            ledger.renew(&renewal).await;
        }
    });
}

impl Ledger {
    async fn renew(&self, renewal: &Renewal) {
        let present = self.primary.as_ref().map_or(0, Primary::present);
        let connected = renewal
            .renew(Peer::PostgreSql, async |url, certificates| {
                let relay = self.relay.as_ref();
                let servers = servers::named_by(url, self.transaction_pooler, certificates, relay)
                    .map_err(|error| error.to_string())?;
                one_lets_in(&servers, present).await?;
                Ok(servers)
            })
            .await;
        let Some(servers) = connected else {
            return;
        };
        if let Some(server) = servers.get(present) {
            self.pool.set_connect_options(server.options.clone());
        }
        if let Some(primary) = &self.primary {
            primary.renew(servers);
        }
        self.certificates.fetch_add(1, Ordering::AcqRel);
        self.leave_former_connections();
    }
}

/// Connects to one of `servers`, to the one at `present` if that is possible.
async fn one_lets_in(servers: &[Server], present: usize) -> Result<(), String> {
    let (before, from) = servers.split_at(present.min(servers.len()));
    let mut last = "the address names no server".to_owned();
    for server in from.iter().chain(before) {
        match timeout(ATTEMPT_LIMIT, PgConnection::connect_with(&server.options)).await {
            Ok(Ok(connection)) => {
                // It has let us in; how the connection ends does not matter.
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) => last = LedgerError::from(error).to_string(),
            Err(_) => last = format!("no answer within {ATTEMPT_LIMIT:?}"),
        }
    }
    Err(last)
}
