//! How much stores may send: each connection by itself, and all of them together while memory is short.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

/// Bytes that a connection may bring at once: more than a look at all sales of one Redis, a thousand of
/// them with ten products or a hundred with a thousand.
const AT_ONCE: u64 = 64 * MIB;

/// Bytes per second that it may bring for long. All sales of one Redis are read over one connection; of
/// thirty thousand lanes with jobs that is about 22 MB each second: some 400 bytes of a product's record
/// and stock, and 350 of a busy lane.
const PER_SECOND: u64 = 48 * MIB;

/// A connection that brought no more than this lately is left alone, even while memory is short.
const SMALL: u64 = 64 * 1024;

/// How long "lately" is: longer than a command without an answer keeps its connection.
const LATELY: Duration = Duration::from_secs(5);

/// How long the least memory in use is remembered.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Bytes of connections that brought more, after which it is looked how much memory is in use. A hostile
/// byte costs up to 64 in memory: each `*1\r\n` of a Redis is a vector with room for four values.
const LOOK_AFTER: u64 = 64 * 1024;

/// How long a closed connection's memory may take to be free before another one is closed.
const SETTLE: Duration = Duration::from_millis(20);

const MIB: u64 = 1024 * 1024;

/// What the connections of one process may bring, which all that are made with it share.
#[derive(Debug, Clone, Default)]
pub struct ReplyBounds(Arc<Process>);

#[derive(Debug)]
struct Process {
    /// Bytes that each connection may bring at once, and per second for long.
    allowance: (u64, u64),
    /// None: memory is never short.
    memory: Option<Memory>,
    /// Bytes forwarded since the last look at the memory.
    unseen: AtomicU64,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// Held by whoever waits for memory: one connection is closed at a time.
    waiting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Memory {
    /// Bytes in use from which on memory is short.
    short_from: u64,
    /// Bytes by which the use has to have grown lately: what was in use before is not the stores' doing.
    grown_by: u64,
    /// Bytes in use; none where that cannot be read.
    in_use: fn() -> Option<u64>,
    /// The least bytes in use lately, which is within [`REMEMBERED`].
    least: Mutex<Recent>,
}

/// A number of bytes in this stretch of time and in the one before, each of the same length.
#[derive(Debug)]
struct Recent {
    length: Duration,
    /// The number at the beginning of a stretch.
    first: u64,
    since: Instant,
    now: u64,
    before: u64,
}

impl Recent {
    fn new(length: Duration, first: u64) -> Self {
        Self {
            length,
            first,
            since: Instant::now(),
            now: first,
            before: first,
        }
    }

    /// Changes the number of this stretch; answers it and the one before.
    fn update(&mut self, change: impl FnOnce(u64) -> u64) -> (u64, u64) {
        let elapsed = self.since.elapsed();
        if elapsed >= self.length {
            let is_next = elapsed < 2 * self.length;
            self.before = if is_next { self.now } else { self.first };
            self.now = self.first;
            self.since = Instant::now();
        }
        self.now = change(self.now);
        (self.now, self.before)
    }
}

impl Memory {
    /// Bytes in use, if these are too many and have become so lately.
    fn shortage(&self) -> Option<u64> {
        let bytes = (self.in_use)()?;
        let grown = bytes - least_with(&mut self.least.lock(), bytes);
        (bytes >= self.short_from && grown >= self.grown_by).then_some(bytes)
    }
}

/// The least that was in use lately, `bytes` now among it.
fn least_with(recent: &mut Recent, bytes: u64) -> u64 {
    let (now, before) = recent.update(|least| least.min(bytes));
    now.min(before)
}

#[derive(Debug)]
struct Connection {
    /// Host and port.
    name: String,
    /// Bytes lately, which is within [`LATELY`].
    brought: Mutex<Recent>,
    why_closed: Mutex<Option<String>>,
    closed: Notify,
}

impl Connection {
    fn lately(&self) -> u64 {
        self.add(0)
    }

    fn add(&self, bytes: u64) -> u64 {
        let (now, before) = self.brought.lock().update(|brought| brought + bytes);
        now + before
    }

    fn close(&self, why: String) {
        *self.why_closed.lock() = Some(why);
        self.closed.notify_one();
    }
}

/// A connection, for as long as it is open.
pub(super) struct Counted {
    process: Arc<Process>,
    connection: Arc<Connection>,
}

impl Counted {
    pub(super) fn name(&self) -> &str {
        &self.connection.name
    }

    /// Waits until the connection has to be closed for want of memory; answers why.
    pub(super) async fn closed(&self) -> String {
        self.connection.closed.notified().await;
        let why = self.connection.why_closed.lock().clone();
        why.unwrap_or_default()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut connections = self.process.connections.lock();
        connections.retain(|other| !Arc::ptr_eq(other, &self.connection));
    }
}

impl Default for Process {
    fn default() -> Self {
        Self {
            allowance: (AT_ONCE, PER_SECOND),
            memory: None,
            unseen: AtomicU64::default(),
            connections: Mutex::default(),
            waiting: tokio::sync::Mutex::default(),
        }
    }
}

impl ReplyBounds {
    /// Bounds for a process that may have `limit` bytes of memory and has as many as `in_use` tells; the
    /// default is for one without a limit. Memory is short from five eighths of it on, since a vector of
    /// replies that grows is in memory twice, if the use has grown by a sixteenth of it in half a minute.
    pub fn within(limit: u64, in_use: fn() -> Option<u64>) -> Self {
        Self(Arc::new(Process {
            memory: Some(Memory {
                short_from: limit / 8 * 5,
                grown_by: limit / 16,
                in_use,
                least: Mutex::new(Recent::new(REMEMBERED, u64::MAX)),
            }),
            ..Process::default()
        }))
    }

    /// Bounds of which a process without a limit of memory lets each connection bring `at_once` bytes, and
    /// `per_second` for long.
    pub fn allowing(at_once: u64, per_second: u64) -> Self {
        Self(Arc::new(Process {
            allowance: (at_once, per_second),
            ..Process::default()
        }))
    }

    /// What a new connection may bring.
    pub(super) fn allowance(&self) -> Allowance {
        let (at_once, per_second) = self.0.allowance;
        Allowance {
            at_once,
            per_second,
            left: at_once,
            at: Instant::now(),
        }
    }

    pub(super) fn count(&self, name: String) -> Counted {
        let connection = Arc::new(Connection {
            name,
            brought: Mutex::new(Recent::new(LATELY, 0)),
            why_closed: Mutex::default(),
            closed: Notify::new(),
        });
        self.0.connections.lock().push(connection.clone());
        Counted {
            process: self.0.clone(),
            connection,
        }
    }

    /// Waits until these bytes may be read into memory. While memory is short, the connections that
    /// brought the most lately are closed one after the other, maybe this one too. One that brought little
    /// does not wait.
    pub(super) async fn admit(&self, counted: &Counted, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let process = &*self.0;
        let Some(memory) = &process.memory else {
            return;
        };
        if counted.connection.add(bytes) <= SMALL {
            return;
        }
        if process.unseen.fetch_add(bytes, Ordering::Relaxed) + bytes < LOOK_AFTER {
            return;
        }
        let _waiting = process.waiting.lock().await;
        while let Some(in_use) = memory.shortage() {
            let connections = process.connections.lock().clone();
            let most = connections.iter().max_by_key(|one| one.lately());
            let Some(most) = most.filter(|one| one.lately() > SMALL) else {
                break;
            };
            most.close(format!(
                "sent {} KiB in the last seconds, more than any other store, while the process was \
                 short of memory ({} MiB in use)",
                most.lately() / 1024,
                in_use / MIB
            ));
            sleep(SETTLE).await;
        }
        process.unseen.store(0, Ordering::Relaxed);
    }
}

/// What one connection may still bring: so much at once, and again as much after a while.
pub(super) struct Allowance {
    at_once: u64,
    per_second: u64,
    left: u64,
    at: Instant,
}

impl Allowance {
    /// # Errors
    /// When `bytes` are more than are left; then what the store did.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let elapsed = u64::try_from(self.at.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.at = Instant::now();
        let more = elapsed.saturating_mul(self.per_second) / 1_000_000;
        self.left = self.left.saturating_add(more).min(self.at_once);
        let left = self.left.checked_sub(bytes);
        self.left =
            left.ok_or_else(|| format!("sent more than {} MiB at once", self.at_once / MIB))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_may_bring_so_much_at_once_and_no_more() {
        let mut allowance = ReplyBounds::default().allowance();
        let all = usize::try_from(AT_ONCE).unwrap();
        allowance.take(all).unwrap();
        let error = allowance.take(all).unwrap_err();
        assert_eq!(error, "sent more than 64 MiB at once");
    }

    #[test]
    fn memory_that_was_in_use_before_is_not_the_stores_doing() {
        let mut recent = Recent::new(REMEMBERED, u64::MAX);
        let least = [250, 240, 300].map(|bytes| least_with(&mut recent, bytes));
        assert_eq!(least, [250, 240, 240]);
        recent.since = Instant::now().checked_sub(REMEMBERED).unwrap();
        assert_eq!(least_with(&mut recent, 300), 240);
        recent.since = Instant::now().checked_sub(REMEMBERED).unwrap();
        assert_eq!(least_with(&mut recent, 310), 300);
    }
}
