//! Outcomes the moment they are published: the channel that the gateways listen to as well.

use std::{sync::Arc, time::Duration};

use flashsale_core::{event::Settled, keys::EVENTS, outcome::Outcome};
use futures_util::StreamExt as _;
use redis::{Client, RedisResult, aio::PubSub};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{book::Book, record};

/// Wait before a lost subscription is taken up again.
const RESUBSCRIBE_WAIT: Duration = Duration::from_millis(200);

/// Writes outcomes into a book until it is dropped. A lost message costs the instant of an
/// outcome, not the outcome: [`super::verify`] asks for those.
#[derive(Debug)]
pub struct EventReader {
    task: JoinHandle<()>,
}

impl EventReader {
    /// Subscribes, so that nothing published from now on is missed.
    pub async fn start(client: Client, book: Arc<Book>) -> RedisResult<Self> {
        let subscription = subscribe(&client).await?;
        let task = tokio::spawn(read(client, subscription, book));
        Ok(Self { task })
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn subscribe(client: &Client) -> RedisResult<PubSub> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(EVENTS).await?;
    Ok(subscription)
}

async fn read(client: Client, mut subscription: PubSub, book: Arc<Book>) {
    loop {
        let mut messages = subscription.on_message();
        while let Some(message) = messages.next().await {
            let at = Instant::now();
            match Settled::parse(message.get_payload_bytes()) {
                Ok(settled) => note(&book, &settled, at),
                Err(error) => tracing::warn!(%error, "an event is not readable: {error}"),
            }
        }
        drop(messages);
        subscription = loop {
            sleep(RESUBSCRIBE_WAIT).await;
            match subscribe(&client).await {
                Ok(subscription) => break subscription,
                Err(error) => tracing::debug!(%error, "no events for now: {error}"),
            }
        };
    }
}

fn note(book: &Book, settled: &Settled, at: Instant) {
    if let Some(history) = book.history() {
        record::settled(history, settled);
    }
    let crowd = book.crowd();
    for (user, job, _) in &settled.confirmed {
        if let Some(shopper) = crowd.shopper(user.as_str()) {
            book.settled(job.0, shopper, Outcome::Confirmed, Some(at));
        }
    }
    for (user, job, outcome) in &settled.rejected {
        if let Some(shopper) = crowd.shopper(user.as_str()) {
            book.settled(job.0, shopper, *outcome, Some(at));
        }
    }
}
