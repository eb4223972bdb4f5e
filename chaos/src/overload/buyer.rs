//! One shopper who buys again and again, to see when buying works.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{task::JoinHandle, time::timeout};

use super::{system::PRODUCT, wire::Wire};
use crate::error::ChaosError;

/// Time between two buys; each is of another shopper.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// What a buy takes at most where nothing is wrong.
pub const PROMPT: Duration = Duration::from_millis(100);

/// One buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When its answer had come, or was given up.
    pub answered_at: Timestamp,
    /// Whether it was acknowledged within [`PROMPT`].
    pub is_prompt: bool,
}

/// Buys until it is told to stop.
#[derive(Debug)]
pub struct Buyer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Sample>>,
}

impl Buyer {
    /// Begins to buy at a gateway, from the address `source`.
    pub fn start(gateway: SocketAddr, source: Ipv4Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self {
            task: tokio::spawn(buy(gateway, source, Arc::clone(&stop))),
            stop,
        }
    }

    /// Ends, and gives all buys in their order.
    pub async fn stop(self) -> Result<Vec<Sample>, ChaosError> {
        self.stop.store(true, Ordering::Relaxed);
        self.task
            .await
            .map_err(|error| ChaosError::Wrong(format!("the buyer failed: {error}")))
    }
}

async fn buy(gateway: SocketAddr, source: Ipv4Addr, stop: Arc<AtomicBool>) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut wire = None;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let status = timeout(ANSWER, ask(&mut wire, gateway, source)).await;
        let is_acknowledged = matches!(status, Ok(Ok(200)));
        if !matches!(status, Ok(Ok(_))) {
            wire = None;
        }
        samples.push(Sample {
            answered_at: Timestamp::now(),
            is_prompt: is_acknowledged && began.elapsed() <= PROMPT,
        });
        tokio::time::sleep(INTERVAL.saturating_sub(began.elapsed())).await;
    }
    samples
}

async fn ask(wire: &mut Option<Wire>, gateway: SocketAddr, source: Ipv4Addr) -> io::Result<u16> {
    let wire = match wire {
        Some(wire) => wire,
        None => wire.insert(Wire::connect(source, gateway, None).await?),
    };
    let name = format!("buyer-{:016x}", rand::random::<u64>());
    let body = format!("{{\"productId\":\"{PRODUCT}\",\"userId\":\"{name}\"}}");
    let request = format!(
        "POST /buy HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {name}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    wire.send(request.as_bytes()).await?;
    wire.answer().await
}

/// How long after `end` buying worked again for good; none when it did not, or nobody tried.
pub fn recovery(samples: &[Sample], end: Timestamp) -> Option<Duration> {
    if !samples.last()?.is_prompt || samples.last()?.answered_at <= end {
        return None;
    }
    let last_bad = samples
        .iter()
        .rev()
        .find(|sample| !sample.is_prompt && sample.answered_at > end);
    match last_bad {
        Some(bad) => bad.answered_at.duration_since(end).try_into().ok(),
        None => Some(Duration::ZERO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_ends_with_the_last_buy_that_was_late_or_refused() {
        let samples = |prompt: &[bool]| -> Vec<Sample> {
            (1..)
                .zip(prompt)
                .map(|(second, is_prompt)| Sample {
                    answered_at: Timestamp::UNIX_EPOCH + Duration::from_secs(second),
                    is_prompt: *is_prompt,
                })
                .collect()
        };
        let end = Timestamp::UNIX_EPOCH + Duration::from_secs(2);
        let after = |prompt: &[bool]| recovery(&samples(prompt), end);
        assert_eq!(after(&[false, false, true]), Some(Duration::ZERO));
        assert_eq!(
            after(&[false, false, true, false, true]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(after(&[false, false, true, false]), None);
        assert_eq!(after(&[true, true]), None);
        assert_eq!(after(&[]), None);
    }
}
