//! Outcomes the moment they are published: the channel that the gateways listen to as well.

use std::{sync::Arc, time::Duration};

use flashsale_domain::event::Settled;
use flashsale_queue::{
    connect::{SharedConnection, Subscription},
    keys::EVENTS,
};
use redis::RedisResult;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{book::Book, payers::Payers, record};

/// Wait before a lost subscription is taken up again.
const RESUBSCRIBE_WAIT: Duration = Duration::from_millis(200);

/// Writes outcomes into a book until it is dropped. A lost message costs the instant of an
/// outcome, not the outcome: [`super::verify`] asks for those.
#[derive(Debug)]
pub struct EventReader {
    task: JoinHandle<()>,
}

impl EventReader {
    /// Subscribes, so that nothing published from now on is missed. `payers` hear it too.
    pub async fn start(
        queue: SharedConnection,
        book: Arc<Book>,
        payers: Option<Payers>,
    ) -> RedisResult<Self> {
        let subscription = queue.subscribe(&[EVENTS]).await?;
        let task = tokio::spawn(read(queue, subscription, book, payers));
        Ok(Self { task })
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    queue: SharedConnection,
    mut subscription: Subscription,
    book: Arc<Book>,
    payers: Option<Payers>,
) {
    loop {
        match subscription.next().await {
            Ok(message) => hear(&book, payers.as_ref(), message.get_payload_bytes()),
            Err(error) => {
                tracing::debug!(%error, "no events for now: {error}");
                sleep(RESUBSCRIBE_WAIT).await;
                if let Ok(another) = queue.subscribe(&[EVENTS]).await {
                    subscription = another;
                }
            }
        }
    }
}

fn hear(book: &Book, payers: Option<&Payers>, message: &[u8]) {
    let at = Instant::now();
    match Settled::parse(message) {
        Ok(settled) => {
            note(book, &settled, at);
            if let Some(payers) = payers {
                payers.hear(book.crowd(), &settled);
            }
        }
        Err(error) => tracing::warn!(%error, "an event is not readable: {error}"),
    }
}

fn note(book: &Book, settled: &Settled, at: Instant) {
    if let Some(history) = book.history() {
        record::settled(history, settled);
    }
    for (user, job, outcome, _) in record::outcomes(settled) {
        if let Some(shopper) = book.crowd().shopper(user) {
            book.settled(job, shopper, outcome, Some(at));
        }
    }
}
