//! Keeps a lane's lease alive beside its driver.

use std::time::Instant;

use flashsale_core::{connect::SharedConnection, lease};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Renews the lease `key` for `owner` until `done`, then gives it back. Cancels `lost` when
/// another worker has taken it, or when nothing was heard for a whole term.
pub async fn keep(
    mut queue: SharedConnection,
    key: String,
    owner: String,
    lost: CancellationToken,
    done: CancellationToken,
    metrics: Metrics,
) {
    let mut held = Instant::now();
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            () = tokio::time::sleep(lease::RENEWAL) => {}
        }
        match lease::hold(&mut queue, &key, &owner).await {
            Ok(true) => held = Instant::now(),
            Ok(false) => {
                metrics.leases_lost.inc();
                tracing::warn!(lease = key, "lost the lease {key} to another worker");
                lost.cancel();
                return;
            }
            Err(error) if held.elapsed() > lease::TERM => {
                metrics.leases_lost.inc();
                tracing::warn!(lease = key, %error, "could not renew the lease {key}: {error}");
                lost.cancel();
                return;
            }
            Err(_) => {}
        }
    }
    if let Err(error) = lease::release(&mut queue, &key, &owner).await {
        tracing::warn!(lease = key, %error, "could not give the lease {key} back, it runs out by itself: {error}");
    }
}
