//! A number of places of which each holder gives its own back: connections, sessions, sockets of a
//! shopper.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use prometheus::IntGauge;

/// Places that are limited in all and for each key.
#[derive(Debug)]
pub(crate) struct Places<K> {
    most: usize,
    most_per_key: usize,
    /// Shows how many are taken.
    gauge: IntGauge,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    taken: usize,
    /// A lower limit in all that holds for the time being.
    narrowed: Option<usize>,
    /// Keys without a place are not in it, so it is never larger than `taken`.
    by_key: HashMap<K, usize>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken.
    Total,
    /// All places of this key are taken.
    Key,
    /// There would be places, were the limit not lower for the time being.
    Narrowed,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Eq + Hash> {
    places: Arc<Places<K>>,
    key: Option<K>,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(crate) fn new(most: usize, most_per_key: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_per_key,
            gauge,
            state: Mutex::new(State {
                taken: 0,
                narrowed: None,
                by_key: HashMap::new(),
            }),
        })
    }

    /// Takes a place; one without a key counts only towards the limit in all.
    pub(crate) fn take(self: &Arc<Self>, key: Option<K>) -> Result<Place<K>, Full> {
        let mut state = self.state.lock();
        if state.taken >= self.most {
            return Err(Full::Total);
        }
        if state.narrowed.is_some_and(|most| state.taken >= most) {
            return Err(Full::Narrowed);
        }
        if let Some(key) = &key {
            match state.by_key.get_mut(key) {
                Some(taken) if *taken >= self.most_per_key => return Err(Full::Key),
                Some(taken) => *taken += 1,
                None => _ = state.by_key.insert(key.clone(), 1),
            }
        }
        state.taken += 1;
        self.gauge.inc();
        drop(state);
        Ok(Place {
            places: Arc::clone(self),
            key,
        })
    }

    /// Takes no more than are taken now, and no fewer than `least`, until [`Places::widen`]. Those
    /// who have a place keep it; for each who leaves another one may come.
    pub(crate) fn narrow(&self, least: usize) {
        let mut state = self.state.lock();
        state.narrowed = Some(state.taken.max(least));
    }

    /// Ends what [`Places::narrow`] began.
    pub(crate) fn widen(&self) {
        self.state.lock().narrowed = None;
    }
}

impl<K: Eq + Hash> Place<K> {
    /// Whose place it is.
    pub(crate) fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut state = self.places.state.lock();
        state.taken -= 1;
        if let Some(key) = &self.key
            && let Some(taken) = state.by_key.get_mut(key)
        {
            *taken -= 1;
            if *taken == 0 {
                state.by_key.remove(key);
            }
        }
        self.places.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, most_per_key: usize) -> Arc<Places<&'static str>> {
        Places::new(most, most_per_key, IntGauge::new("taken", "taken").unwrap())
    }

    #[test]
    fn places_are_limited_in_all_and_for_each_key() {
        let places = places(3, 2);
        let first = places.take(Some("a")).unwrap();
        let _second = places.take(Some("a")).unwrap();
        assert_eq!(places.take(Some("a")).unwrap_err(), Full::Key);
        let _third = places.take(None).unwrap();
        assert_eq!(places.take(Some("b")).unwrap_err(), Full::Total);
        assert_eq!(places.gauge.get(), 3);
        drop(first);
        assert_eq!(places.take(Some("a")).unwrap().key(), Some(&"a"));
        assert_eq!(places.gauge.get(), 2);
    }

    #[test]
    fn nothing_is_remembered_of_keys_without_a_place() {
        let places = places(3, 2);
        drop(places.take(Some("a")).unwrap());
        assert!(places.state.lock().by_key.is_empty());
    }

    #[test]
    fn narrowed_places_are_taken_as_others_are_left() {
        let places = places(10, 10);
        let first = places.take(None).unwrap();
        let _second = places.take(None).unwrap();
        places.narrow(1);
        assert_eq!(places.take(None).unwrap_err(), Full::Narrowed);
        drop(first);
        let _third = places.take(None).unwrap();
        assert_eq!(places.take(None).unwrap_err(), Full::Narrowed);
        places.widen();
        let _fourth = places.take(None).unwrap();
    }
}
