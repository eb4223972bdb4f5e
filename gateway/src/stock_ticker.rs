//! Telling sockets how much is left, at most ten times a second a product.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{sockets::Sockets, stocks::Stocks};

/// Between two `stock-update` of one product; of the figures in between only the last is told.
/// Ten a second look continuous to people.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells each change at once, and those that follow within [`INTERVAL`] together, until
/// `shutdown`.
pub async fn run(stocks: Stocks, sockets: Sockets, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = stocks.changed() => {}
        }
        for (product, stock) in stocks.take_changes() {
            sockets.tell_stock(&product, stock).await;
        }
        sleep(INTERVAL).await;
    }
}
