//! The last two minutes of each sale in which something happened.

use std::collections::{BTreeMap, HashMap, VecDeque};

use flashsale_domain::id::SaleId;
use jiff::Timestamp;
use serde::Serialize;

/// How many seconds are kept.
pub(super) const SECONDS: usize = 120;

/// The last two minutes of all sales in which something happened.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// How many seconds are kept at most.
    #[schema(example = 120)]
    pub seconds: usize,
    /// By name of the sale. A sale in which nothing happened for so long is not there.
    pub sales: BTreeMap<String, SaleHistory>,
}

/// The last seconds of a sale: one figure a second, oldest first. All lists are of one length.
#[derive(Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleHistory {
    /// When the last second ended (RFC 3339, Redis's clock).
    #[schema(format = DateTime)]
    pub at: String,
    /// Orders made.
    pub confirmed: Vec<u64>,
    /// Buys taken.
    pub queued: Vec<u64>,
    /// Buys turned away.
    pub refused: Vec<u64>,
    /// Jobs in all lanes at the end of the second; the last known figure while Redis is away.
    pub depth: Vec<u64>,
}

/// One second of a sale.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) confirmed: u64,
    pub(super) queued: u64,
    pub(super) refused: u64,
    pub(super) depth: u64,
}

/// The rings: at most [`SECONDS`] samples a sale, and none for a sale in which nothing happens, so
/// that three hundred sales of which three are hot cost as much as three.
#[derive(Debug, Default)]
pub(super) struct History {
    at: Timestamp,
    rings: HashMap<SaleId, VecDeque<Sample>>,
}

impl Sample {
    fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

impl History {
    /// Adds the second that ended `at` to every sale in force, and forgets the other sales.
    pub(super) fn push(&mut self, at: Timestamp, samples: &HashMap<SaleId, Sample>) {
        self.at = at;
        self.rings.retain(|sale, _| samples.contains_key(sale));
        for (sale, sample) in samples {
            if let Some(ring) = self.rings.get_mut(sale) {
                if ring.len() == SECONDS {
                    ring.pop_front();
                }
                ring.push_back(*sample);
            } else if !sample.is_idle() {
                let mut ring = VecDeque::with_capacity(SECONDS);
                ring.push_back(*sample);
                self.rings.insert(sale.clone(), ring);
            }
        }
        self.rings
            .retain(|_, ring| !ring.iter().all(Sample::is_idle));
    }

    pub(super) fn view(&self) -> HistoryView {
        let sales = self.rings.iter().map(|(sale, ring)| {
            let figures = |of: fn(&Sample) -> u64| ring.iter().map(of).collect();
            let history = SaleHistory {
                at: self.at.to_string(),
                confirmed: figures(|sample| sample.confirmed),
                queued: figures(|sample| sample.queued),
                refused: figures(|sample| sample.refused),
                depth: figures(|sample| sample.depth),
            };
            (sale.to_string(), history)
        });
        HistoryView {
            seconds: SECONDS,
            sales: sales.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(queued: &[(&str, u64)]) -> HashMap<SaleId, Sample> {
        let sample = |queued| Sample {
            queued,
            ..Sample::default()
        };
        let queued = queued.iter();
        queued
            .map(|(sale, count)| (SaleId::new(*sale).unwrap(), sample(*count)))
            .collect()
    }

    #[test]
    fn the_last_two_minutes_are_kept_oldest_first() {
        let mut history = History::default();
        for second in 1..=130 {
            history.push(Timestamp::UNIX_EPOCH, &samples(&[("drop", second)]));
        }
        let view = history.view();
        let queued = &view.sales["drop"].queued;
        assert_eq!(queued.len(), SECONDS);
        assert_eq!((queued[0], queued[SECONDS - 1]), (11, 130));
        assert_eq!(view.sales["drop"].depth.len(), SECONDS);
    }

    #[test]
    fn only_sales_with_activity_are_remembered() {
        let mut history = History::default();
        let names: Vec<String> = (0..300).map(|number| format!("sale-{number}")).collect();
        let mut all: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 0)).collect();
        all[7].1 = 5;
        history.push(Timestamp::UNIX_EPOCH, &samples(&all));
        assert_eq!(history.rings.len(), 1);
        all[7].1 = 0;
        for _ in 0..SECONDS - 1 {
            history.push(Timestamp::UNIX_EPOCH, &samples(&all));
        }
        assert_eq!(
            history.rings.len(),
            1,
            "its busy second is still within reach"
        );
        history.push(Timestamp::UNIX_EPOCH, &samples(&all));
        assert_eq!(history.rings.len(), 0);
    }

    #[test]
    fn a_withdrawn_sale_is_forgotten() {
        let mut history = History::default();
        history.push(
            Timestamp::UNIX_EPOCH,
            &samples(&[("drop", 1), ("other", 1)]),
        );
        history.push(Timestamp::UNIX_EPOCH, &samples(&[("other", 0)]));
        let names: Vec<String> = history.view().sales.into_keys().collect();
        assert_eq!(names, ["other"]);
    }
}
