//! Whether this process may write now.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::time::Instant;

/// Opens with leadership and closes by itself when that runs out, even if nobody is there to close
/// it: a process that was paused finds it closed. Clones are the same fence.
#[derive(Debug, Clone)]
pub struct Fence(Arc<State>);

#[derive(Debug)]
struct State {
    origin: Instant,
    /// Milliseconds after the origin until which it is open.
    open_until: AtomicU64,
}

/// Open without an end.
const ALWAYS: u64 = u64::MAX;

impl Fence {
    /// A fence that is closed until it is opened.
    pub fn closed() -> Self {
        Self::new(0)
    }

    /// A fence that is always open: there is no election.
    pub fn open() -> Self {
        Self::new(ALWAYS)
    }

    fn new(open_until: u64) -> Self {
        Self(Arc::new(State {
            origin: Instant::now(),
            open_until: AtomicU64::new(open_until),
        }))
    }

    /// Whether this process may write now.
    pub fn is_open(&self) -> bool {
        let open_until = self.0.open_until.load(Ordering::Acquire);
        open_until == ALWAYS || self.milliseconds(Instant::now()) < open_until
    }

    /// Open until `moment`.
    pub(super) fn open_until(&self, moment: Instant) {
        let milliseconds = self.milliseconds(moment);
        self.0.open_until.store(milliseconds, Ordering::Release);
    }

    /// Closed from now on.
    pub(crate) fn close(&self) {
        self.0.open_until.store(0, Ordering::Release);
    }

    /// Rounded down, so that it never closes late.
    fn milliseconds(&self, moment: Instant) -> u64 {
        let passed = moment.saturating_duration_since(self.0.origin);
        u64::try_from(passed.as_millis()).unwrap_or(ALWAYS - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn closes_by_itself() {
        let fence = Fence::closed();
        assert!(!fence.is_open());
        fence.open_until(Instant::now() + Duration::from_mins(1));
        assert!(fence.clone().is_open());
        let soon = Duration::from_millis(20);
        fence.open_until(Instant::now() + soon);
        std::thread::sleep(soon);
        assert!(!fence.is_open());
        assert!(Fence::open().is_open());
    }

    #[test]
    fn closed_by_hand_is_closed_for_all() {
        let fence = Fence::open();
        let clone = fence.clone();
        clone.close();
        assert!(!fence.is_open());
    }
}
