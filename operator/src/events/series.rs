//! Repeated events become one with a count, as `kubectl describe` shows them.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::Reason;

/// A repeat within this time is counted on the event that is there. Less than the hour for which
/// the API server keeps events.
const WINDOW: Duration = Duration::from_mins(6);

/// What makes two events the same. The sentence is part of it: an event cannot be reworded, and
/// "3 workers" must not stand where there are 5.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// UID of the object.
    pub(super) object: String,
    /// Why.
    pub(super) reason: Reason,
    /// The sentence.
    pub(super) note: String,
}

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Published {
    name: String,
    count: i32,
    last: Instant,
}

/// What was published lately.
#[derive(Debug, Default)]
pub(super) struct Series(HashMap<Key, Published>);

impl Series {
    /// Name and new count of the event that a repeat belongs to, if there is one.
    pub(super) fn repeat(&mut self, key: &Key, now: Instant) -> Option<(String, i32)> {
        self.0
            .retain(|_, published| now.duration_since(published.last) < WINDOW);
        let published = self.0.get_mut(key)?;
        published.count = published.count.saturating_add(1);
        published.last = now;
        Some((published.name.clone(), published.count))
    }

    /// Remembers an event that was made.
    pub(super) fn remember(&mut self, key: Key, name: String, now: Instant) {
        let published = Published {
            name,
            count: 1,
            last: now,
        };
        self.0.insert(key, published);
    }

    /// Forgets an event that is gone.
    pub(super) fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(note: &str) -> Key {
        Key {
            object: "uid".to_owned(),
            reason: Reason::Scaled,
            note: note.to_owned(),
        }
    }

    #[test]
    fn repeats_count_until_the_window_is_over() {
        let start = Instant::now();
        let mut series = Series::default();
        assert_eq!(series.repeat(&key("a"), start), None);
        series.remember(key("a"), "first".to_owned(), start);
        let later = start + WINDOW / 2;
        assert_eq!(
            series.repeat(&key("a"), later),
            Some(("first".to_owned(), 2))
        );
        assert_eq!(
            series.repeat(&key("a"), later + WINDOW / 2),
            Some(("first".to_owned(), 3))
        );
        assert_eq!(series.repeat(&key("a"), later + WINDOW * 2), None);
        assert!(series.0.is_empty(), "old ones take no memory");
    }

    #[test]
    fn another_sentence_is_another_event() {
        let start = Instant::now();
        let mut series = Series::default();
        series.remember(key("3 workers"), "first".to_owned(), start);
        assert_eq!(series.repeat(&key("5 workers"), start), None);
    }
}
