//! All sales in force as of one moment.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use flashsale_domain::{id::ProductId, lifecycle::Announced, sale::Product};
use flashsale_queue::catalogue::Records;
use jiff::Timestamp;

use super::entry::SaleEntry;
use crate::intake::Intake;

/// All sales in force as of one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    sales: Vec<Arc<SaleEntry>>,
    offers: HashMap<ProductId, Offer>,
}

/// A product of a sale.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The sale.
    pub sale: Arc<SaleEntry>,
    /// Which of its products.
    at: usize,
}

impl Offer {
    /// The product.
    pub fn product(&self) -> &Product {
        &self.sale.sale().products[self.at]
    }

    /// Its price in minor units.
    pub fn price(&self) -> i64 {
        self.product().price
    }
}

impl Snapshot {
    /// The sales, by name.
    pub fn sales(&self) -> &[Arc<SaleEntry>] {
        &self.sales
    }

    /// One sale.
    pub fn sale(&self, name: &str) -> Option<&Arc<SaleEntry>> {
        self.sales.iter().find(|sale| sale.id().as_str() == name)
    }

    /// The sale that offers a product.
    pub fn offer(&self, product: &str) -> Option<&Offer> {
        self.offers.get(product)
    }

    /// All products on offer.
    pub fn products(&self) -> impl Iterator<Item = &ProductId> {
        self.offers.keys()
    }

    /// The sales of `records`, by name; a sale whose record cannot be read stays as it is here.
    pub(super) fn with_known(&self, records: Records) -> Vec<Announced> {
        let mut announced = records.announced;
        let unreadable = records.unreadable.iter();
        let known = unreadable.filter_map(|id| self.sale(id.as_str()));
        announced.extend(known.map(|sale| sale.announced.clone()));
        announced.sort_by(|left, right| left.sale.id.cmp(&right.sale.id));
        announced
    }

    /// The snapshot after this one, in which what did not change stays the same object: buys
    /// that wait in a sale's queue must not notice. None when nothing changed. `now` is by Redis's clock.
    pub(super) fn updated(
        &self,
        announced: Vec<Announced>,
        now: Timestamp,
        intake: &Intake,
    ) -> Option<Self> {
        let unchanged = announced.len() == self.sales.len()
            && announced
                .iter()
                .zip(&self.sales)
                .all(|(new, old)| *new == old.announced);
        if unchanged {
            return None;
        }
        let sales = announced
            .into_iter()
            .map(|announced| match self.sale(announced.sale.id.as_str()) {
                Some(old) if old.announced == announced => Arc::clone(old),
                Some(old) => {
                    old.queue.follow(announced.sale.durability);
                    Arc::new(SaleEntry::new(announced, Arc::clone(&old.queue)))
                }
                None => {
                    let queue = intake.queue(&announced.sale);
                    Arc::new(SaleEntry::new(announced, queue))
                }
            })
            .collect();
        Some(Self::of(sales, now))
    }

    fn of(sales: Vec<Arc<SaleEntry>>, now: Timestamp) -> Self {
        let mut offers = HashMap::new();
        let mut in_turn: Vec<_> = sales.iter().collect();
        // The first has a product that is in several, on every gateway. A sale takes over products of
        // one that is over, so the order among those that are over stays the same later on.
        in_turn.sort_by_key(|sale| turn(&sale.announced, now));
        for sale in in_turn {
            for (at, product) in sale.sale().products.iter().enumerate() {
                offers.entry(product.id.clone()).or_insert_with(|| Offer {
                    sale: Arc::clone(sale),
                    at,
                });
            }
        }
        Self { sales, offers }
    }
}

/// What is smaller goes first: sales that are not over, then those that ended last.
fn turn(announced: &Announced, now: Timestamp) -> Reverse<Timestamp> {
    let closes_at = announced.sale.schedule.closes_at;
    Reverse(match closes_at.filter(|at| *at <= now) {
        Some(at) => at,
        None if announced.closing => now,
        None => Timestamp::MAX,
    })
}

#[cfg(test)]
mod tests {
    use flashsale_domain::{
        id::SaleId,
        sale::{spec::FlashSaleSpec, validation::check_spec},
    };
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn announced(closes: Option<i64>, closing: bool) -> Announced {
        let spec: FlashSaleSpec = serde_json::from_value(json!({
            "products": [{"id": "p", "name": "P", "price": 1, "stock": 1}],
        }))
        .unwrap();
        let mut sale = check_spec(SaleId::new("drop").unwrap(), &spec).unwrap();
        sale.schedule.closes_at = closes.map(at);
        Announced { sale, closing }
    }

    #[test]
    fn a_product_is_of_the_sale_that_is_not_over_or_ended_last() {
        let turn = |closes, closing| turn(&announced(closes, closing), at(10));
        for (first, second) in [
            ((Some(99), false), (Some(5), false)),
            ((None, false), (Some(5), false)),
            ((Some(7), false), (Some(5), false)),
            ((Some(99), false), (None, true)),
        ] {
            assert!(turn(first.0, first.1) < turn(second.0, second.1));
        }
        assert_eq!(turn(None, false), turn(Some(99), false));
    }
}
