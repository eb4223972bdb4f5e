//! All sales in force as of one moment.

use std::{collections::HashMap, sync::Arc};

use flashsale_core::{
    catalogue::{Announced, Records},
    id::ProductId,
    sale::Product,
};

use super::SaleEntry;
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
    #[must_use]
    pub fn product(&self) -> &Product {
        &self.sale.sale().products[self.at]
    }
}

impl Snapshot {
    /// The sales, by name.
    #[must_use]
    pub fn sales(&self) -> &[Arc<SaleEntry>] {
        &self.sales
    }

    /// One sale.
    #[must_use]
    pub fn sale(&self, name: &str) -> Option<&Arc<SaleEntry>> {
        self.sales.iter().find(|sale| sale.id().as_str() == name)
    }

    /// The sale that offers a product.
    #[must_use]
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
    /// that wait in a sale's queue must not notice. None when nothing changed.
    pub(super) fn updated(&self, announced: Vec<Announced>, intake: &Intake) -> Option<Self> {
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
        Some(Self::of(sales))
    }

    fn of(sales: Vec<Arc<SaleEntry>>) -> Self {
        let mut offers = HashMap::new();
        for sale in &sales {
            for (at, product) in sale.sale().products.iter().enumerate() {
                // Validation and the ledger keep a product in one sale; were it in two, the
                // first by name has it on every gateway.
                offers.entry(product.id.clone()).or_insert_with(|| Offer {
                    sale: Arc::clone(sale),
                    at,
                });
            }
        }
        Self { sales, offers }
    }
}
