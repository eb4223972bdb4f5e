//! What workers tell: the subscription to settled batches and to changes of the catalogue.
//!
//! Pub/sub forgets: what was said while this gateway was not listening is gone. Nothing is lost
//! by that (see [`flashsale_core::event`]), but after a gap the stock is read anew.

use std::time::Duration;

use flashsale_core::{
    connect::CONNECT_TIMEOUT,
    event::Settled,
    keys::{CHANGED, EVENTS, FIGURES},
};
use futures_util::StreamExt as _;
use redis::{
    Msg, RedisError, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    catalogue::Catalogue, metrics::EventMetrics, operations::Operations, sockets::Sockets,
    stocks::Stocks,
};

/// How often the subscription is asked whether it still lives: a connection that fell silent
/// looks like a sale without buyers.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long the answer to that may take.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// Pause before the first attempt to subscribe again, doubled up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between attempts to subscribe.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The task that listens.
#[derive(Debug)]
pub struct EventsTask {
    /// Where to subscribe.
    pub client: redis::Client,
    /// Whose changes are heard of.
    pub catalogue: Catalogue,
    /// Where stock is noted.
    pub stocks: Stocks,
    /// Whom shoppers' outcomes are passed to.
    pub sockets: Sockets,
    /// Who counts what happens each second; none when operations are off.
    pub operations: Option<Operations>,
    /// What is counted.
    pub metrics: EventMetrics,
}

impl EventsTask {
    /// Listens until `shutdown`, subscribing again whenever the subscription is lost.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        while !shutdown.is_cancelled() {
            let listening = async {
                let (sink, stream) = self.subscribe().await?;
                if !std::mem::take(&mut is_first) {
                    self.metrics.resubscriptions.inc();
                    tracing::info!("listening to workers again");
                }
                pause = FIRST_PAUSE;
                // What was said before now was not heard: read it instead.
                self.catalogue.refresh_soon();
                self.listen(sink, stream).await
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                Err(error) = listening => {
                    tracing::warn!(%error, "not listening to workers, trying again: {error}");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn subscribe(&self) -> RedisResult<(PubSubSink, PubSubStream)> {
        let subscribed = timeout(CONNECT_TIMEOUT, async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(&[EVENTS, CHANGED]).await?;
            if self.operations.is_some() {
                subscription.subscribe(FIGURES).await?;
            }
            Ok(subscription.split())
        });
        subscribed.await.unwrap_or_else(|_| Err(silence()))
    }

    /// Takes messages until the subscription is lost, and says how.
    async fn listen(&self, mut sink: PubSubSink, mut stream: PubSubStream) -> RedisResult<()> {
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => {
                        heard = Instant::now();
                        self.hear(&message);
                    }
                    None => return Err(silence()),
                },
                _ = pings.tick() => {
                    if heard.elapsed() >= PING_INTERVAL {
                        let pong = timeout(PING_PATIENCE, sink.ping::<redis::Value>()).await;
                        pong.unwrap_or_else(|_| Err(silence()))?;
                        heard = Instant::now();
                    }
                }
            }
        }
    }

    fn hear(&self, message: &Msg) {
        match message.get_channel_name() {
            CHANGED => self.catalogue.refresh_soon(),
            FIGURES => self.hear_process(message.get_payload_bytes()),
            _ => self.hear_settled(message.get_payload_bytes()),
        }
    }

    fn hear_process(&self, message: &[u8]) {
        let heard = self
            .operations
            .as_ref()
            .map(|operations| operations.hear(message));
        if let Some(Err(error)) = heard {
            // Once a second a process as long as two versions run: no line each.
            tracing::debug!(%error, "what a process tells of itself is not readable: {error}");
        }
    }

    fn hear_settled(&self, message: &[u8]) {
        match Settled::parse(message) {
            Ok(settled) => {
                self.metrics.heard.inc();
                if let Some(stock) = settled.stock {
                    self.stocks.tell(&settled.product, stock, settled.version);
                }
                if let Some(operations) = &self.operations {
                    operations.hear_settled(&settled);
                }
                self.sockets.tell_owners(&settled);
            }
            Err(error) => {
                self.metrics.unreadable.inc();
                tracing::warn!(%error, "a worker's message is not readable: {error}; do all processes run one version?");
            }
        }
    }
}

fn silence() -> RedisError {
    let text = "the subscription fell silent";
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, text).into()
}
