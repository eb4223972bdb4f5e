//! What workers tell, heard by the test itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use flashsale_domain::{
    event::Settled,
    id::JobId,
    outcome::{JobState, Outcome},
};
use flashsale_e2e::{patience::until, services::Services};
use flashsale_queue::keys::EVENTS;
use futures_util::StreamExt as _;
use redis::AsyncCommands;

/// A channel on which only the test speaks.
const END: &str = "test:end";

/// How long a message may be on its way.
const HEARD: Duration = Duration::from_secs(10);

/// Every event of the test's Redis, in the order in which it was published.
#[derive(Debug, Default)]
struct Notes {
    told: HashMap<JobId, Vec<JobState>>,
    ends: usize,
}

/// A listener from before the first buy on.
pub(crate) struct Hearing {
    notes: Arc<Mutex<Notes>>,
}

impl Hearing {
    pub(crate) async fn begin(services: &Services) -> Self {
        // Not one of ours, which take a second of silence for a lost link: here nothing may be missed.
        let mut subscription = services.client().get_async_pubsub().await.unwrap();
        subscription.subscribe(&[EVENTS, END]).await.unwrap();
        let mut messages = subscription.into_on_message();
        let notes = Arc::<Mutex<Notes>>::default();
        let heard = Arc::clone(&notes);
        tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let mut notes = heard.lock().unwrap();
                if message.get_channel_name() == END {
                    notes.ends += 1;
                } else {
                    notes.note(Settled::parse(message.get_payload_bytes()).unwrap());
                }
            }
        });
        Self { notes }
    }

    /// What each job was told up to now.
    pub(crate) async fn told(&self, services: &Services) -> HashMap<JobId, Vec<JobState>> {
        let before = self.ends();
        let mut queue = services.queue.clone();
        let listeners: i64 = queue.publish(END, "").await.unwrap();
        assert_eq!(listeners, 1, "the subscription was lost");
        // One connection hears in the order in which things were said.
        until("the end is heard", HEARD, async || self.ends() > before).await;
        self.notes.lock().unwrap().told.clone()
    }

    fn ends(&self) -> usize {
        self.notes.lock().unwrap().ends
    }
}

impl Notes {
    fn note(&mut self, settled: Settled) {
        let confirmed = settled.confirmed.into_iter().map(|(_, job, order)| {
            let outcome = Outcome::Confirmed;
            (job, outcome, Some(order))
        });
        let rejected = settled
            .rejected
            .into_iter()
            .map(|(_, job, outcome)| (job, outcome, None));
        for (job, outcome, order_id) in confirmed.chain(rejected) {
            let state = JobState::Final { outcome, order_id };
            self.told.entry(job).or_default().push(state);
        }
    }
}
