//! Is PostgreSQL within reach? If not, why not, in its own words: a pool of connections only
//! knows that none came in time.

use std::{io, time::Duration};

use flashsale_core::ledger::LedgerError;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

/// How long connecting may take, TLS and a busy server included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects once to the PostgreSQL at `url`.
pub(crate) async fn ledger(url: &str) -> Result<(), LedgerError> {
    let connection = timeout(PATIENCE, PgConnection::connect(url))
        .await
        .map_err(|_| sqlx::Error::Io(io::ErrorKind::TimedOut.into()))??;
    Ok(connection.close().await?)
}
