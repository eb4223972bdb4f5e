//! Calls to the roster over Redis's pub/sub. A lost call costs one look: nothing depends on it.

use std::time::Duration;

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_queue::{
    connect::SharedConnection,
    keys::{CHANGED, WAKE, channel_name},
};
use redis::Msg;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::LaneName;
use crate::patience::Patience;

/// Calls that may wait; more are dropped, and the next look finds what they told.
const BACKLOG: usize = 1024;

/// A call.
#[derive(Debug)]
pub(super) enum Call {
    /// The catalogue changed.
    Changed,
    /// A lane stopped being empty.
    Wake(LaneName),
    /// The same, after others had their chance.
    Reminder(LaneName),
}

/// Calls again later.
#[derive(Clone)]
pub(super) struct Caller(mpsc::Sender<Call>);

impl Caller {
    /// Calls for `lane` after `wait`.
    pub(super) fn remind(&self, lane: LaneName, wait: Duration) {
        let sender = self.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            // A roster that is gone or busy needs no reminder.
            let _ = sender.try_send(Call::Reminder(lane));
        });
    }
}

/// Listens until `stop`.
pub(super) fn listen(
    queue: SharedConnection,
    stop: CancellationToken,
) -> (mpsc::Receiver<Call>, Caller) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let caller = Caller(sender.clone());
    tokio::spawn(async move {
        let mut patience = Patience::default();
        loop {
            tokio::select! {
                heard = pass_on(&queue, &sender) => if heard { patience = Patience::default() },
                () = stop.cancelled() => return,
            }
            if !patience.wait(&stop).await {
                return;
            }
        }
    });
    (receiver, caller)
}

/// Passes calls on until the subscription is lost. True when there was one.
async fn pass_on(queue: &SharedConnection, sender: &mpsc::Sender<Call>) -> bool {
    let Ok(mut subscription) = queue.subscribe(&[WAKE, CHANGED]).await else {
        return false;
    };
    // What was said before this moment is unknown.
    let _ = sender.try_send(Call::Changed);
    while let Ok(message) = subscription.next().await {
        if let Some(call) = parse(&message) {
            let _ = sender.try_send(call);
        }
    }
    true
}

fn parse(message: &Msg) -> Option<Call> {
    if channel_name(message.get_channel_name()) == CHANGED {
        return Some(Call::Changed);
    }
    let text: String = message.get_payload().ok()?;
    let (sale, product) = text.split_once(' ')?;
    Some(Call::Wake((
        SaleId::new(sale).ok()?,
        ProductId::new(product).ok()?,
    )))
}
