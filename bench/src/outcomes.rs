//! Listens to settled batches as a gateway does, and notes when outcomes came.

use std::time::{Duration, Instant};

use flashsale_core::{connect, event::Settled, keys::EVENTS};
use futures_util::StreamExt;
use tokio::{task::JoinHandle, time::timeout};

use crate::{error::BenchError, stores::Stores};

/// How long there may be no event: longer than a worker may look for lanes, or Redis stall for
/// its disk.
const SILENCE: Duration = Duration::from_secs(30);

/// The outcomes of one settlement.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes {
    /// When the first batch was told, and how many jobs it had.
    first: (Instant, u32),
    /// When the last was.
    last: Instant,
    /// Jobs in all batches.
    jobs: u32,
}

impl Outcomes {
    /// Outcomes a second from the first batch to the last. The first one counts as the start, not
    /// as work: when it began is not known.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let (_, already_there) = self.first;
        f64::from(self.jobs - already_there) / self.seconds()
    }

    /// Seconds from the first batch to the last.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        (self.last - self.first.0).as_secs_f64()
    }
}

/// Listens from now on until `expected` jobs have got their outcome, each of them an order.
pub async fn listen(
    stores: &Stores,
    expected: u32,
) -> Result<JoinHandle<Result<Outcomes, BenchError>>, BenchError> {
    let mut subscription = stores.client.get_async_pubsub().await?;
    let channel = connect::channel(&stores.client, EVENTS);
    subscription.subscribe(channel.as_ref()).await?;
    Ok(tokio::spawn(async move {
        let mut messages = subscription.into_on_message();
        let mut outcomes: Option<Outcomes> = None;
        loop {
            let heard = outcomes.map_or(0, |outcomes| outcomes.jobs);
            let Ok(Some(message)) = timeout(SILENCE, messages.next()).await else {
                return Err(silence(heard, expected));
            };
            let now = Instant::now();
            let jobs = confirmed(&Settled::parse(message.get_payload_bytes())?)?;
            let so_far = outcomes.get_or_insert(Outcomes {
                first: (now, jobs),
                last: now,
                jobs: 0,
            });
            so_far.last = now;
            so_far.jobs += jobs;
            if so_far.jobs >= expected {
                return Ok(*so_far);
            }
        }
    }))
}

/// Waits for the last outcome.
pub async fn finish(
    listening: JoinHandle<Result<Outcomes, BenchError>>,
) -> Result<Outcomes, BenchError> {
    listening
        .await
        .map_err(|error| BenchError::Wrong(format!("listening broke: {error}")))?
}

fn confirmed(settled: &Settled) -> Result<u32, BenchError> {
    if let Some((user, job, outcome)) = settled.rejected.first() {
        let text = format!("job {job} of {user} ended as {outcome} though stock was left");
        return Err(BenchError::Wrong(text));
    }
    Ok(u32::try_from(settled.confirmed.len()).unwrap_or(u32::MAX))
}

fn silence(heard: u32, expected: u32) -> BenchError {
    BenchError::TooLate {
        what: format!("after {heard} of {expected} outcomes the next one did not come"),
        waited: SILENCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_is_the_start_and_not_work() {
        let begin = Instant::now();
        let outcomes = Outcomes {
            first: (begin, 500),
            last: begin + Duration::from_secs(2),
            jobs: 2_500,
        };
        assert!((outcomes.rate() - 1_000.0).abs() < f64::EPSILON);
    }
}
