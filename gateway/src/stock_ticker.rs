//! Telling sockets how much is left, at most ten times a second a product, and less often where
//! many sockets would make that a load of its own.

use std::time::Duration;

use tokio::time::sleep;

use crate::{sockets::Sockets, stocks::Stocks};

/// Between two `stock-update` of one product; of the figures in between only the last is told.
/// Ten a second look continuous to people.
const INTERVAL: Duration = Duration::from_millis(100);

/// The same at most, however many sockets there are: a figure older than that would mislead.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);

/// Packets a second that stock updates may come to, where [`LONGEST_INTERVAL`] allows it. A packet
/// costs some 12 µs of processor time (`bench`, part `sockets`): a quarter of a core, so that buys
/// and their outcomes do not wait for figures that are soon outdated.
const PACKETS_A_SECOND: u64 = 20_000;

/// Tells each change at once, and those that follow within an interval together.
pub async fn run(stocks: Stocks, sockets: Sockets) {
    loop {
        stocks.changed().await;
        let changes = stocks.take_changes();
        for (product, stock) in &changes {
            sockets.tell_stock(product, *stock).await;
        }
        sleep(interval(changes.len() * sockets.count())).await;
    }
}

/// How long nothing is told after so many packets.
fn interval(packets: usize) -> Duration {
    let packets = u64::try_from(packets).unwrap_or(u64::MAX);
    Duration::from_micros(packets.saturating_mul(1_000_000 / PACKETS_A_SECOND))
        .clamp(INTERVAL, LONGEST_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sockets_hear_less_often_but_every_second_at_least() {
        assert_eq!(interval(0), INTERVAL);
        assert_eq!(interval(2_000), INTERVAL);
        assert_eq!(interval(10_000), Duration::from_millis(500));
        assert_eq!(interval(1_000_000), LONGEST_INTERVAL);
        assert_eq!(interval(usize::MAX), LONGEST_INTERVAL);
    }
}
