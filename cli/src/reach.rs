//! Is PostgreSQL within reach? If not, why not, in its own words: a pool of connections only
//! knows that none came in time.

use std::{io, time::Duration};

use flashsale_ledger::{Ledger, LedgerError};
use tokio::time::timeout;

/// How long connecting may take, TLS and a busy server included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects once to PostgreSQL.
pub(crate) async fn ledger(ledger: &Ledger) -> Result<(), LedgerError> {
    timeout(PATIENCE, ledger.try_to_connect())
        .await
        .map_err(|_| sqlx::Error::Io(io::ErrorKind::TimedOut.into()))?
}
