//! Whether the lanes flow: looks at each of them many times a second, past all proxies.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::id::ProductId;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::{error::ChaosError, sale, stores};

/// How often the lanes are looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long one look may take. Redis may be dead or stopped.
const LOOK: Duration = Duration::from_millis(500);

/// A lane with jobs of which none was settled for this long stands still.
pub const STANDS_STILL: Duration = Duration::from_secs(1);

/// What one look found of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lane {
    /// The id of its first entry; none when it is empty.
    head: Option<String>,
    /// Jobs settled so far.
    settled: Option<String>,
}

/// A time in which a lane stood still.
#[derive(Debug, Clone, Copy)]
struct Stall {
    /// When it went on; none while it stands.
    to: Option<Instant>,
}

/// What is known of one lane.
#[derive(Debug, Default)]
struct Track {
    last: Option<Lane>,
    /// When it was last seen to move, or to be empty.
    moved: Option<Instant>,
    stalls: Vec<Stall>,
}

/// Looks at the lanes until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    tracks: Arc<Mutex<Vec<Track>>>,
    url: watch::Sender<String>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Starts to look, at the Redis of this address.
    pub fn start(redis_url: String) -> Self {
        let tracks = sale::PRODUCTS.map(|_| Track::default());
        let tracks = Arc::new(Mutex::new(Vec::from(tracks)));
        let (url, changes) = watch::channel(redis_url);
        let task = tokio::spawn(look_on(Arc::clone(&tracks), changes));
        Self { tracks, url, task }
    }

    /// Goes on at another Redis.
    pub fn lead_to(&self, redis_url: String) {
        self.url.send_replace(redis_url);
    }

    /// Whether every lane that has jobs has moved within [`STANDS_STILL`].
    pub fn flows(&self) -> bool {
        self.tracks.lock().iter().all(Track::flows)
    }

    /// How long after `since` the last lane went on that stood still then or later; zero when none
    /// did.
    pub fn recovered_after(&self, since: Instant) -> Duration {
        let now = Instant::now();
        self.tracks
            .lock()
            .iter()
            .flat_map(|track| &track.stalls)
            .map(|stall| stall.to.unwrap_or(now).saturating_duration_since(since))
            .max()
            .unwrap_or_default()
    }

    /// Jobs settled so far in the deep lane; none before the first.
    pub fn has_settled(&self) -> bool {
        let tracks = self.tracks.lock();
        let lane = tracks.first().and_then(|track| track.last.as_ref());
        lane.is_some_and(|lane| lane.settled.is_some())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Track {
    fn flows(&self) -> bool {
        self.stalls.last().is_none_or(|stall| stall.to.is_some())
    }

    /// Takes note of a look; none when Redis did not answer.
    fn note(&mut self, now: Instant, seen: Option<Lane>) {
        let is_known = seen.is_some();
        let moved = match (&seen, &self.last) {
            (Some(seen), Some(last)) => seen != last || seen.head.is_none(),
            (Some(seen), None) => seen.head.is_none(),
            (None, _) => false,
        };
        if is_known {
            self.last = seen;
        }
        let since = *self.moved.get_or_insert(now);
        if moved {
            self.moved = Some(now);
            if let Some(stall) = self.stalls.last_mut().filter(|stall| stall.to.is_none()) {
                stall.to = Some(now);
            }
        } else if now.saturating_duration_since(since) >= STANDS_STILL && self.flows() {
            self.stalls.push(Stall { to: None });
        }
    }
}

async fn look_on(tracks: Arc<Mutex<Vec<Track>>>, mut url: watch::Receiver<String>) {
    let mut connection = None;
    loop {
        if url.has_changed().unwrap_or(false) {
            connection = None;
        }
        let address = url.borrow_and_update().clone();
        let seen = timeout(LOOK, look(&mut connection, &address)).await;
        let seen = seen.ok().and_then(Result::ok);
        if seen.is_none() {
            connection = None;
        }
        let now = Instant::now();
        for (index, track) in tracks.lock().iter_mut().enumerate() {
            let lane = seen.as_ref().and_then(|lanes| lanes.get(index)).cloned();
            track.note(now, lane);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// An entry of a lane: its id, and what is in it.
type Entry = (String, redis::Value);

async fn look(
    connection: &mut Option<MultiplexedConnection>,
    url: &str,
) -> Result<Vec<Lane>, ChaosError> {
    let queue = match connection {
        Some(queue) => queue,
        None => connection.insert(stores::connect_to(url).await?),
    };
    let keys = sale::keys(sale::NAME)?;
    let wrong = |_| ChaosError::wrong("a product of the harness has a bad name");
    let mut pipeline = redis::pipe();
    for (product, _) in sale::PRODUCTS {
        let id = ProductId::new(product).map_err(wrong)?;
        let lane = keys.lane(&id);
        pipeline
            .cmd("XRANGE")
            .arg(lane)
            .arg(&["-", "+", "COUNT", "1"]);
        let field = format!("{product}#");
        pipeline.cmd("HGET").arg(keys.stock()).arg(field);
    }
    let found: Vec<redis::Value> = pipeline.query_async(queue).await?;
    let mut lanes = Vec::with_capacity(sale::PRODUCTS.len());
    let mut found = found.into_iter();
    while let (Some(entries), Some(settled)) = (found.next(), found.next()) {
        let entries: Vec<Entry> =
            redis::from_redis_value(entries).map_err(redis::RedisError::from)?;
        lanes.push(Lane {
            head: entries.into_iter().next().map(|(id, _)| id),
            settled: redis::from_redis_value(settled).map_err(redis::RedisError::from)?,
        });
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(head: Option<&str>, settled: &str) -> Lane {
        Lane {
            head: head.map(str::to_owned),
            settled: Some(settled.to_owned()),
        }
    }

    #[test]
    fn a_lane_with_jobs_that_does_not_move_stands_still_until_it_moves() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut track = Track::default();
        track.note(at(0), Some(lane(Some("1-1"), "0")));
        track.note(at(900), Some(lane(Some("1-1"), "0")));
        assert!(track.flows());
        track.note(at(1_000), None);
        assert!(!track.flows());
        track.note(at(1_500), Some(lane(Some("1-1"), "10")));
        assert!(track.flows());
        assert_eq!(track.stalls[0].to, Some(at(1_500)));
    }

    #[test]
    fn an_empty_lane_flows() {
        let start = Instant::now();
        let mut track = Track::default();
        for second in 0..5 {
            let now = start + Duration::from_secs(second);
            track.note(now, Some(lane(None, "0")));
        }
        assert!(track.stalls.is_empty());
    }
}
