//! Lanes that have jobs, no driver, and no room in this worker: each gets its turn, in the order
//! in which they came.

use std::collections::{HashSet, VecDeque};

use tokio::sync::watch;

use super::LaneName;

/// A line of lanes.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    line: VecDeque<LaneName>,
    /// Those in the line.
    names: HashSet<LaneName>,
    /// Whether there are any: drivers then let go of their lanes sooner.
    crowded: watch::Sender<bool>,
}

impl Waiting {
    /// True while a lane waits.
    pub(super) fn crowded(&self) -> watch::Receiver<bool> {
        self.crowded.subscribe()
    }

    /// Puts `lane` at the end; where it waits already it keeps its place.
    pub(super) fn join(&mut self, lane: LaneName) {
        if self.names.insert(lane.clone()) {
            self.line.push_back(lane);
        }
        self.tell();
    }

    /// Takes the lane that waits longest out of the line.
    pub(super) fn next(&mut self) -> Option<LaneName> {
        let lane = self.line.pop_front()?;
        self.names.remove(&lane);
        self.tell();
        Some(lane)
    }

    /// From now on `lanes` are those that wait; whichever did so before keeps its place.
    pub(super) fn replace(&mut self, lanes: impl Iterator<Item = LaneName>) {
        let mut now: HashSet<LaneName> = lanes.collect();
        self.line.retain(|lane| now.contains(lane));
        for lane in &self.line {
            now.remove(lane);
        }
        self.names = self.line.iter().cloned().collect();
        for lane in now {
            self.join(lane);
        }
        self.tell();
    }

    fn tell(&self) {
        let crowded = !self.line.is_empty();
        self.crowded
            .send_if_modified(|before| std::mem::replace(before, crowded) != crowded);
    }
}

#[cfg(test)]
mod tests {
    use flashsale_domain::id::{ProductId, SaleId};

    use super::*;

    fn lane(product: &str) -> LaneName {
        (
            SaleId::new("drop").unwrap(),
            ProductId::new(product).unwrap(),
        )
    }

    fn line(mut waiting: Waiting) -> Vec<String> {
        std::iter::from_fn(|| waiting.next())
            .map(|(_, product)| product.to_string())
            .collect()
    }

    #[test]
    fn whoever_waits_longest_is_next_and_waits_only_once() {
        let mut waiting = Waiting::default();
        for product in ["b", "a", "b", "c"] {
            waiting.join(lane(product));
        }
        assert_eq!(line(waiting), ["b", "a", "c"]);
    }

    #[test]
    fn a_new_look_keeps_places_and_forgets_lanes_that_others_drive() {
        let mut waiting = Waiting::default();
        for product in ["b", "gone", "a"] {
            waiting.join(lane(product));
        }
        waiting.replace(["new", "a", "b"].map(lane).into_iter());
        assert_eq!(line(waiting), ["b", "a", "new"]);
    }

    #[test]
    fn it_is_crowded_as_long_as_somebody_waits() {
        let mut waiting = Waiting::default();
        let crowded = waiting.crowded();
        assert!(!*crowded.borrow());
        waiting.join(lane("a"));
        assert!(*crowded.borrow());
        waiting.next();
        assert!(!*crowded.borrow());
    }
}
