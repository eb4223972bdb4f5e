//! Loops that have to go on for the process to be alive.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// When a loop was heard of last.
#[derive(Debug, Clone, Copy)]
struct Beat {
    /// `None`: the loop has ended.
    last: Option<Instant>,
    /// A longer silence means that it hangs.
    patience: Duration,
}

/// All loops by name.
#[derive(Debug, Default)]
pub(super) struct Heartbeats(Mutex<BTreeMap<String, Beat>>);

impl Heartbeats {
    pub(super) fn add(heartbeats: &Arc<Self>, name: &str, patience: Duration) -> Heartbeat {
        let heartbeat = Heartbeat {
            name: name.to_owned(),
            patience,
            is_retired: false,
            heartbeats: Arc::clone(heartbeats),
        };
        heartbeat.beat();
        heartbeat
    }

    /// One line a loop that hangs or has ended; `None` when all go on.
    pub(super) fn complaint(&self, now: Instant) -> Option<String> {
        let mut complaint = String::new();
        for (name, beat) in self.0.lock().iter() {
            let silence = beat.last.map(|last| now.saturating_duration_since(last));
            // Writing to a string cannot fail.
            let _ = match silence {
                Some(silence) if silence <= beat.patience => Ok(()),
                Some(silence) => writeln!(
                    complaint,
                    "{name}: no sign of life for {} s, at most {} s are right",
                    silence.as_secs(),
                    beat.patience.as_secs()
                ),
                None => writeln!(complaint, "{name}: has ended"),
            };
        }
        Some(complaint).filter(|complaint| !complaint.is_empty())
    }

    fn set(&self, name: &str, beat: Beat) {
        self.0.lock().insert(name.to_owned(), beat);
    }
}

/// Sign of life of one loop, which owns it: when it is dropped, because the loop ended or panicked,
/// the process counts as dead.
#[derive(Debug)]
#[must_use = "the process counts as dead once a heartbeat is dropped"]
pub struct Heartbeat {
    /// Name of the loop.
    name: String,
    /// A longer silence means that it hangs.
    patience: Duration,
    /// Whether the loop has ended as it was asked to.
    is_retired: bool,
    /// Where it is heard.
    heartbeats: Arc<Heartbeats>,
}

impl Heartbeat {
    /// The loop goes on.
    pub fn beat(&self) {
        self.set(Some(Instant::now()));
    }

    /// The loop has ended as it was asked to, and is not missed.
    pub fn retire(mut self) {
        self.is_retired = true;
    }

    fn set(&self, last: Option<Instant>) {
        let patience = self.patience;
        self.heartbeats.set(&self.name, Beat { last, patience });
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        if self.is_retired {
            self.heartbeats.0.lock().remove(&self.name);
        } else {
            self.set(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn silence_is_a_complaint_until_the_next_beat() {
        let heartbeats = Arc::new(Heartbeats::default());
        let now = Instant::now();
        assert_eq!(heartbeats.complaint(now), None);
        let lease = Heartbeats::add(&heartbeats, "lease", PATIENCE);
        assert_eq!(heartbeats.complaint(now + PATIENCE), None);
        let complaint = heartbeats.complaint(now + PATIENCE * 2).unwrap_or_default();
        assert!(
            complaint.starts_with("lease: no sign of life"),
            "{complaint}"
        );
        lease.beat();
        assert_eq!(heartbeats.complaint(Instant::now()), None);
    }

    #[test]
    fn ended_loop_is_dead() {
        let heartbeats = Arc::new(Heartbeats::default());
        drop(Heartbeats::add(&heartbeats, "lease", PATIENCE));
        let complaint = heartbeats.complaint(Instant::now());
        assert_eq!(complaint.as_deref(), Some("lease: has ended\n"));
    }

    #[test]
    fn retired_loop_is_not_missed() {
        let heartbeats = Arc::new(Heartbeats::default());
        Heartbeats::add(&heartbeats, "lease", PATIENCE).retire();
        assert_eq!(heartbeats.complaint(Instant::now() + PATIENCE * 2), None);
    }
}
