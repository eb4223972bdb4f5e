//! A subscription that notices when it hears nothing because nothing reaches it.

use std::{io, time::Duration};

use flashsale_transport::CONNECT_TIMEOUT;
use futures_util::StreamExt as _;
use redis::{
    Msg, RedisError, RedisResult,
    aio::{ConnectionLike as _, PubSubSink, PubSubStream},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{SharedConnection, blocking::replaced, destination::Destination};
use crate::keys::channel;

/// How long nothing may be heard before the server is asked for a sign of life: a subscription that
/// fell silent looks like a sale without buyers.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How long the answer to that may take.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages of channels. Pub/sub forgets: whatever was said before it was opened, or after it was
/// lost, is not heard.
pub struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
    /// When the server was heard last.
    heard: Instant,
    shared: SharedConnection,
    generation: u64,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Subscription")
            .finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) async fn open(
        destination: &Destination,
        channels: &[&str],
        shared: SharedConnection,
        generation: u64,
    ) -> RedisResult<Self> {
        let subscribed = timeout(CONNECT_TIMEOUT, async {
            let mut subscription = destination.connect_for_messages().await?;
            let database = shared.get_db();
            for name in channels {
                subscription
                    .subscribe(channel(name, database).as_ref())
                    .await?;
            }
            RedisResult::Ok(subscription.split())
        });
        let (sink, stream) = subscribed.await.unwrap_or_else(|_| Err(silence()))?;
        Ok(Self {
            sink,
            stream,
            heard: Instant::now(),
            shared,
            generation,
        })
    }

    /// The next message; [`crate::keys::channel_name`] tells of which channel. Dropping the returned future loses none.
    ///
    /// # Errors
    /// When the subscription is lost: it broke, it is silent, or the connection that it was opened
    /// from has been replaced. Open another one then.
    pub async fn next(&mut self) -> RedisResult<Msg> {
        loop {
            tokio::select! {
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    return message.ok_or_else(silence);
                }
                () = self.shared.replaced(self.generation) => return Err(replaced()),
                () = sleep_until(self.heard + PING_INTERVAL) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> RedisResult<()> {
        let pong = timeout(PING_TIMEOUT, self.sink.ping::<redis::Value>()).await;
        pong.unwrap_or_else(|_| Err(silence()))?;
        self.heard = Instant::now();
        Ok(())
    }
}

fn silence() -> RedisError {
    let text = "the subscription fell silent";
    io::Error::new(io::ErrorKind::ConnectionAborted, text).into()
}
