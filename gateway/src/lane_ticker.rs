//! Telling sockets how the lanes move, so that those in line see their place fall.

use std::{collections::HashMap, time::Duration};

use flashsale_domain::id::ProductId;
use tokio::time::sleep;

use crate::{
    catalogue::{Catalogue, Observed},
    sockets::{LaneProgress, Sockets},
};

/// Shortest time between two `lane-progress` of one product. The lanes are looked at every second;
/// looks that something else asked for in between are told together.
const INTERVAL: Duration = Duration::from_millis(500);

/// What everyone was told last.
#[derive(Debug, Default)]
struct Told(HashMap<ProductId, LaneProgress>);

impl Told {
    /// What a look has that was not told, noted as told. Looks that failed have no news.
    ///
    /// Products that went are kept in mind: should one come back with a lane begun anew, those who
    /// heard of the old one must hear of it.
    fn news(&mut self, observed: &Observed) -> Vec<LaneProgress> {
        if !observed.is_current {
            return Vec::new();
        }
        let news: Vec<_> = LaneProgress::all(observed)
            .filter(|lane| match self.0.get(&lane.product_id) {
                Some(told) => told != lane,
                None => !lane.is_untouched(),
            })
            .collect();
        let noted = news
            .iter()
            .map(|lane| (lane.product_id.clone(), lane.clone()));
        self.0.extend(noted);
        news
    }
}

/// Tells what changed from look to look, for as long as somebody looks.
pub async fn run(catalogue: Catalogue, sockets: Sockets) {
    let mut observed = catalogue.observed.clone();
    let mut told = Told::default();
    loop {
        let news = told.news(&observed.borrow_and_update());
        for lane in &news {
            sockets.tell_lane_progress(lane).await;
        }
        sleep(INTERVAL).await;
        if observed.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use flashsale_domain::{
        id::SaleId,
        observation::{LaneObservation, SaleObservation},
        stock::KnownStock,
    };

    use super::*;

    fn look(lanes: &[(&str, u64, u64)]) -> Observed {
        let lanes = lanes
            .iter()
            .map(|(product, settled, depth)| LaneObservation {
                product: ProductId::new(*product).unwrap(),
                is_retired: false,
                depth: *depth,
                oldest_ms: None,
                driver: None,
                stock: KnownStock {
                    settled: *settled,
                    ..KnownStock::default()
                },
            });
        Observed {
            sales: vec![SaleObservation {
                pending: Some(0),
                sale: SaleId::new("drop").unwrap(),
                is_listed: true,
                lanes: lanes.collect(),
                dead: 0,
                last_order: None,
                strays: Vec::new(),
                went_back_ms: None,
                outcomes_of: None,
            }],
            is_current: true,
            ..Observed::default()
        }
    }

    fn news(told: &mut Told, observed: &Observed) -> Vec<(String, u64, u64)> {
        let news = told.news(observed).into_iter();
        news.map(|lane| (lane.product_id.to_string(), lane.settled, lane.waiting))
            .collect()
    }

    #[test]
    fn what_changed_is_told_once() {
        let mut told = Told::default();
        assert_eq!(news(&mut told, &look(&[("p", 0, 0), ("q", 0, 0)])), []);
        let moved = look(&[("p", 3, 1), ("q", 0, 2)]);
        let expected = [("p".to_owned(), 3, 1), ("q".to_owned(), 0, 2)];
        assert_eq!(news(&mut told, &moved), expected);
        assert_eq!(news(&mut told, &moved), []);
        let emptied = look(&[("p", 4, 0), ("q", 0, 2)]);
        assert_eq!(news(&mut told, &emptied), [("p".to_owned(), 4, 0)]);
    }

    #[test]
    fn a_lane_begun_anew_is_told_and_a_failed_look_is_no_news() {
        let mut told = Told::default();
        let _ = told.news(&look(&[("p", 3, 1)]));
        assert_eq!(news(&mut told, &look(&[])), []);
        let failed = Observed {
            is_current: false,
            ..look(&[("p", 9, 9)])
        };
        assert_eq!(news(&mut told, &failed), []);
        let anew = look(&[("p", 0, 0)]);
        assert_eq!(news(&mut told, &anew), [("p".to_owned(), 0, 0)]);
    }
}
