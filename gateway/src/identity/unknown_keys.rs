//! Key ids that no key has, so that a crowd with tokens of a key that was removed is refused at once
//! and not told to come back in a few seconds.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// For how long an id counts as unknown without another look. A key that is published after tokens
/// that it signed works from then on at the latest.
const MEMORY: Duration = Duration::from_secs(30);

/// Most ids remembered. Anyone can make ids up, and so push others out; tokens with those are then
/// answered 503 more often before they are refused.
const MAX_IDS: usize = 128;

/// Ids that were not in the key set when a token named them, latest first.
#[derive(Debug, Default)]
pub(super) struct UnknownKeys(Mutex<VecDeque<(String, Instant)>>);

impl UnknownKeys {
    /// Notes that a token names this id, unless that is known.
    pub(super) fn note(&self, id: &str) {
        let mut ids = self.0.lock();
        ids.retain(|(_, since)| since.elapsed() < MEMORY);
        if !ids.iter().any(|(known, _)| known == id) {
            ids.truncate(MAX_IDS - 1);
            ids.push_front((id.to_owned(), Instant::now()));
        }
    }

    /// Whether the key set was read since the id was noted, which was at `read`, and so cannot be
    /// expected to have it.
    pub(super) fn is_settled(&self, id: &str, read: Instant) -> bool {
        let ids = self.0.lock();
        ids.iter()
            .any(|(known, since)| known == id && read >= *since && since.elapsed() < MEMORY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_unknown_once_the_keys_were_read_after_it_was_seen() {
        let unknown = UnknownKeys::default();
        let before = Instant::now();
        assert!(!unknown.is_settled("a", before));
        unknown.note("a");
        std::thread::yield_now();
        let after = Instant::now();
        unknown.note("a");
        assert!(unknown.is_settled("a", after), "the first time counts");
        assert!(!unknown.is_settled("b", after));
        assert!(!unknown.is_settled("a", before.checked_sub(MEMORY).unwrap()));
    }

    #[test]
    fn made_up_ids_take_bounded_room() {
        let unknown = UnknownKeys::default();
        for id in 0..=MAX_IDS {
            unknown.note(&id.to_string());
        }
        assert!(!unknown.is_settled("0", Instant::now()));
        assert!(unknown.is_settled("1", Instant::now()));
        assert_eq!(unknown.0.lock().len(), MAX_IDS);
    }
}
