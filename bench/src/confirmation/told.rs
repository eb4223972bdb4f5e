//! When workers told of outcomes: what the gateways hear, heard beside them.

use std::time::Instant;

use flashsale_core::{connect, event::Settled, id::JobId, keys::EVENTS};
use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{error::BenchError, stores::Stores};

/// Listens to workers until it is taken.
#[derive(Debug)]
pub(super) struct Listener {
    stop: CancellationToken,
    task: JoinHandle<Result<Vec<(JobId, Instant)>, BenchError>>,
}

impl Listener {
    /// Listens from now on.
    pub(super) async fn start(stores: &Stores) -> Result<Self, BenchError> {
        let mut subscription = stores.client.get_async_pubsub().await?;
        let channel = connect::channel(&stores.client, EVENTS);
        subscription.subscribe(channel.as_ref()).await?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut told = Vec::new();
            let mut messages = subscription.into_on_message();
            while let Some(Some(message)) = stopped.run_until_cancelled(messages.next()).await {
                let at = Instant::now();
                let settled = Settled::parse(message.get_payload_bytes())?;
                told.extend(settled.confirmed.iter().map(|(_, job, _)| (*job, at)));
            }
            Ok(told)
        });
        Ok(Self { stop, task })
    }

    /// When each order that was told of since the start was told.
    pub(super) async fn take(self) -> Result<Vec<(JobId, Instant)>, BenchError> {
        self.stop.cancel();
        self.task
            .await
            .map_err(|error| BenchError::Wrong(format!("listening broke: {error}")))?
    }
}
