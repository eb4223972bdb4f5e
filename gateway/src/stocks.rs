//! How many units of each product are left, as the gateway heard last: from workers' messages
//! and from each look into Redis, whichever is newer.

use std::{collections::HashMap, sync::Arc};

use flashsale_domain::id::ProductId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A handle on the stocks; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stocks(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    levels: Mutex<HashMap<ProductId, Level>>,
    changed: Notify,
    emptied: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    stock: i32,
    version: i64,
    /// Changed since [`Stocks::take_changes`] was last asked.
    is_news: bool,
}

impl Stocks {
    /// Takes over a figure, unless a newer one is known.
    pub fn tell(&self, product: &ProductId, stock: i32, version: i64) {
        let mut levels = self.0.levels.lock();
        let old = levels.get(product).copied();
        if old.is_some_and(|old| version <= old.version) {
            return;
        }
        let is_news = old.is_none_or(|old| old.stock != stock || old.is_news);
        let level = Level {
            stock,
            version,
            is_news,
        };
        levels.insert(product.clone(), level);
        drop(levels);
        if is_news {
            self.0.changed.notify_one();
            if stock == 0 {
                self.0.emptied.notify_one();
            }
        }
    }

    /// Units left; none when nobody has told.
    pub fn of(&self, product: &str) -> Option<i32> {
        self.0.levels.lock().get(product).map(|level| level.stock)
    }

    /// Units left over several products; none as long as one of them is not known.
    pub fn sum<'a>(&self, products: impl Iterator<Item = &'a ProductId>) -> Option<u64> {
        let levels = self.0.levels.lock();
        products
            .map(|product| u64::try_from(levels.get(product)?.stock).ok())
            .sum()
    }

    /// Forgets products that are not, or no longer, on offer.
    pub fn keep_only(&self, is_on_offer: impl Fn(&ProductId) -> bool) {
        self.0
            .levels
            .lock()
            .retain(|product, _| is_on_offer(product));
    }

    /// Waits for a change.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Waits until a product's last unit is gone. One task may wait at a time.
    pub async fn emptied(&self) {
        self.0.emptied.notified().await;
    }

    /// What changed since this was last asked.
    pub fn take_changes(&self) -> Vec<(ProductId, i32)> {
        self.0
            .levels
            .lock()
            .iter_mut()
            .filter_map(|(product, level)| {
                std::mem::take(&mut level.is_news).then(|| (product.clone(), level.stock))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    #[test]
    fn an_older_figure_changes_nothing() {
        let stocks = Stocks::default();
        stocks.tell(&product("p"), 5, 7);
        stocks.tell(&product("p"), 9, 6);
        assert_eq!(stocks.of("p"), Some(5));
        assert_eq!(stocks.of("q"), None);
    }

    #[test]
    fn of_many_changes_the_last_is_told_once() {
        let stocks = Stocks::default();
        for (stock, version) in [(5, 1), (4, 2), (3, 3)] {
            stocks.tell(&product("p"), stock, version);
        }
        assert_eq!(stocks.take_changes(), [(product("p"), 3)]);
        assert_eq!(stocks.take_changes(), []);
        stocks.tell(&product("p"), 3, 4);
        assert_eq!(stocks.take_changes(), [], "the same figure is no news");
    }

    #[test]
    fn a_sum_needs_every_part() {
        let stocks = Stocks::default();
        stocks.tell(&product("p"), 2, 1);
        let both = [product("p"), product("q")];
        assert_eq!(stocks.sum(both.iter()), None);
        stocks.tell(&product("q"), 0, 1);
        assert_eq!(stocks.sum(both.iter()), Some(2));
    }
}
