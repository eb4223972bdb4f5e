//! Whether the role of the gateway may look orders up: said at start, not by the first shopper whose
//! order Redis does not know any more. Buys need no right in the ledger, so a gateway without it
//! goes on selling.

use std::time::Duration;

use flashsale_ledger::{Ledger, LedgerClient, LedgerError};
use tokio::time::sleep;

/// How long until the ledger is asked again, while it is away or the right is missing.
const RETRY: Duration = Duration::from_secs(5);

/// Asks until the right is there, and says once that it is missing.
pub async fn check(ledger: Ledger) {
    let mut told = None;
    loop {
        match ledger.check_rights(LedgerClient::Gateway).await {
            Ok(()) => return,
            Err(error @ LedgerError::MissingRight { .. }) => {
                let message = error.to_string();
                if told.as_ref() != Some(&message) {
                    tracing::error!(
                        "orders that Redis does not know cannot be looked up: {message}"
                    );
                    told = Some(message);
                }
            }
            // Away, or not migrated yet: the gateway sells without it.
            Err(error) => tracing::debug!(%error, "rights were not looked up: {error}"),
        }
        sleep(RETRY).await;
    }
}
