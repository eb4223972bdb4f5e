//! Takes fewer connections while memory is short.

use std::{net::IpAddr, sync::Arc, time::Duration};

use flashsale_telemetry::memory;
use tokio::time::sleep;

use crate::places::Places;

/// How often memory is looked at. Reading it takes some 20 µs; a crowd that is let in within this
/// time does not fill what is left.
const LOOK: Duration = Duration::from_millis(200);

/// The share of the memory limit, in percent, above which no more connections are taken than there
/// are.
const SHORT: u64 = 80;

/// The share below which connections are taken again as before.
const ENOUGH: u64 = 75;

/// Connections that are taken however short memory is: memory that was freed stays with the process
/// for a while, and a gateway that serves nobody would be of no use to anybody.
const LEAST: usize = 64;

/// Looks at memory, of which the process may have `limit` bytes, as long as it runs.
pub(super) async fn watch(places: Arc<Places<IpAddr>>, limit: u64) {
    let mut is_short = false;
    loop {
        sleep(LOOK).await;
        let Some(used) = memory::resident_bytes() else {
            continue;
        };
        let percent = used.saturating_mul(100) / limit.max(1);
        if !is_short && percent >= SHORT {
            is_short = true;
            places.narrow(LEAST);
            tracing::warn!(
                used,
                limit,
                "{percent} % of the memory limit are in use; new connections are refused until it \
                 is less"
            );
        } else if is_short && percent < ENOUGH {
            is_short = false;
            places.widen();
            tracing::info!(
                used,
                limit,
                "{percent} % of the memory limit are in use; connections are taken again"
            );
        }
    }
}
