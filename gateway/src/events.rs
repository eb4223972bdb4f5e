//! What workers tell: the subscription to settled batches and to changes of the catalogue.
//!
//! Pub/sub forgets: what was said while this gateway was not listening is gone. Nothing is lost
//! by that (see [`flashsale_domain::event`]), but after a gap the stock is read anew.

use std::time::Duration;

use flashsale_domain::event::{OrdersChanged, Settled};
use flashsale_fault_point::FaultPoint;
use flashsale_queue::{
    connect::{SharedConnection, Subscription},
    keys::{CHANGED, EVENTS, FIGURES, ORDERS, channel_name},
};
use redis::{Msg, RedisResult};
use tokio::time::sleep;

use crate::{
    catalogue::Catalogue, metrics::EventMetrics, operations::Operations, sockets::Sockets,
    stocks::Stocks,
};

/// Pause before the first attempt to subscribe again, doubled up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between attempts to subscribe.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The task that listens.
#[derive(Debug)]
pub struct EventsTask {
    /// Where to subscribe.
    pub queue: SharedConnection,
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
    /// Listens, subscribing again whenever the subscription is lost.
    pub async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        loop {
            let listening = async {
                let subscription = self.subscribe().await?;
                if !std::mem::take(&mut is_first) {
                    self.metrics.resubscriptions.inc();
                    tracing::info!("listening to workers again");
                }
                pause = FIRST_PAUSE;
                // What was said before now was not heard: read it instead.
                self.catalogue.refresh_soon();
                self.listen(subscription).await
            };
            if let Err(error) = listening.await {
                tracing::warn!(%error, "not listening to workers, trying again: {error}");
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn subscribe(&self) -> RedisResult<Subscription> {
        let mut channels = vec![EVENTS, ORDERS, CHANGED];
        if self.operations.is_some() {
            channels.push(FIGURES);
        }
        self.queue.subscribe(&channels).await
    }

    /// Takes messages until the subscription is lost, and says how.
    async fn listen(&self, mut subscription: Subscription) -> RedisResult<()> {
        loop {
            self.hear(&subscription.next().await?).await;
        }
    }

    async fn hear(&self, message: &Msg) {
        match channel_name(message.get_channel_name()) {
            CHANGED => self.catalogue.refresh_soon(),
            ORDERS => self.hear_orders(message.get_payload_bytes()),
            FIGURES => self.hear_process(message.get_payload_bytes()),
            _ => self.hear_settled(message.get_payload_bytes()).await,
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

    async fn hear_settled(&self, message: &[u8]) {
        match Settled::parse(message) {
            Ok(settled) => {
                flashsale_fault_point::reach(FaultPoint::AfterAcknowledgementBeforeEvent).await;
                self.metrics.heard.inc();
                if let Some(stock) = settled.stock {
                    self.stocks.tell(&settled.product, stock, settled.version);
                }
                if let Some(operations) = &self.operations {
                    operations.hear_settled(&settled);
                }
                self.sockets.tell_owners(&settled);
            }
            Err(error) => self.not_readable(&error),
        }
    }

    fn hear_orders(&self, message: &[u8]) {
        match OrdersChanged::parse(message) {
            Ok(changed) => {
                self.metrics.orders_changed.inc();
                self.sockets.tell_changed(&changed);
            }
            Err(error) => self.not_readable(&error),
        }
    }

    fn not_readable(&self, error: &serde_json::Error) {
        self.metrics.unreadable.inc();
        tracing::warn!(%error, "a worker's message is not readable: {error}; do all processes run one version?");
    }
}
