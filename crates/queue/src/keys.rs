//! The names of everything in Redis.
//!
//! All keys of one sale carry the hash tag `{sale}`. `docs/redis.md` lists each key with its type and
//! life; a test holds that page against this file.

use std::borrow::Cow;

use flashsale_domain::id::{ProductId, SaleId};

/// What the name of every key begins with.
pub(crate) const PREFIX: &str = "fs:";

/// Set of the ids of all sales that are in force. It has no hash tag, so in a cluster it may be on
/// another server than a sale's record, and the two cannot change in one step: a listed name may
/// have no record.
pub const SALES: &str = "fs:sales";

/// Pub/sub channel of settled batches ([`flashsale_domain::event::Settled`]).
pub const EVENTS: &str = "fs:events";

/// Pub/sub channel of orders that changed ([`flashsale_domain::event::OrdersChanged`]).
pub const ORDERS: &str = "fs:orders";

/// Pub/sub channel on which a sale's id is said when its record changed.
pub const CHANGED: &str = "fs:changed";

/// Pub/sub channel on which `sale product` is said when a lane stops being empty.
pub const WAKE: &str = "fs:wake";

/// Pub/sub channel of what each process tells of itself ([`crate::figures::ProcessFigures`]).
pub const FIGURES: &str = "fs:figures";

/// The channel `name` for those who keep their sales in this database of Redis. Pub/sub does not know
/// of databases: with one channel, two installations on one server would hear each other.
pub fn channel(name: &str, database: i64) -> Cow<'_, str> {
    match database {
        0 => Cow::Borrowed(name),
        number => Cow::Owned(format!("{name}@{number}")),
    }
}

/// The name of the channel on which a message was heard, whatever the database.
pub fn channel_name(heard: &str) -> &str {
    heard.split_once('@').map_or(heard, |(name, _)| name)
}

/// The keys of one sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleKeys {
    sale: SaleId,
    prefix: Box<str>,
}

impl SaleKeys {
    /// The keys of `sale`.
    pub fn new(sale: &SaleId) -> Self {
        Self {
            sale: sale.clone(),
            prefix: format!("fs:{{{sale}}}").into(),
        }
    }

    /// The sale whose keys these are.
    pub fn sale(&self) -> &SaleId {
        &self.sale
    }

    /// Hash: the sale's record (schedule, limits, catalogue), see [`crate::catalogue`].
    pub fn record(&self) -> &str {
        &self.prefix
    }

    /// String: when a sale of this name was last withdrawn, see [`crate::catalogue::Generation`]. It
    /// outlives the sale and expires by itself.
    pub fn withdrawn(&self) -> String {
        format!("{}:withdrawn", self.prefix)
    }

    /// Hash: stock, its version and the settled count of each product, see [`crate::stock`].
    pub fn stock(&self) -> String {
        format!("{}:stock", self.prefix)
    }

    /// Hash: what became of each job, see [`flashsale_domain::outcome`].
    pub fn jobs(&self) -> String {
        format!("{}:jobs", self.prefix)
    }

    /// Hash: where each order stands that is not simply completed, see [`flashsale_domain::order`].
    pub fn orders(&self) -> String {
        format!("{}:orders", self.prefix)
    }

    /// Hash: when each product's orders are to be looked at, and what was told of them, see
    /// [`crate::orders`].
    pub fn due(&self) -> String {
        format!("{}:due", self.prefix)
    }

    /// String with a time to live: how many orders wait for their payment, see [`crate::orders`].
    pub fn pending(&self) -> String {
        format!("{}:pending", self.prefix)
    }

    /// Stream: the lane of `product`, one entry a job.
    pub fn lane(&self, product: &ProductId) -> String {
        format!("{}:lane:{product}", self.prefix)
    }

    /// String with a time to live: the worker that drives the lane of `product`.
    pub fn lease(&self, product: &ProductId) -> String {
        format!("{}:lease:{product}", self.prefix)
    }

    /// Hash: jobs of `product`'s lane that failed and wait for their next attempt.
    pub fn retry(&self, product: &ProductId) -> String {
        format!("{}:retry:{product}", self.prefix)
    }

    /// Stream: jobs that no attempt could settle.
    pub fn dead(&self) -> String {
        format!("{}:dead", self.prefix)
    }

    /// Hash: the first answer to each shopper's Idempotency-Key.
    pub fn first_answers(&self) -> String {
        format!("{}:keys", self.prefix)
    }

    /// Hash: what gateways have answered to buys, see [`crate::answers`].
    pub fn answers(&self) -> String {
        format!("{}:answers", self.prefix)
    }

    /// Two hashes with a time to live: how fast shoppers have been asking. They take turns.
    pub fn paces(&self) -> [String; 2] {
        [0, 1].map(|turn| format!("{}:pace:{turn}", self.prefix))
    }

    /// Matches every key of the sale but its record, for `SCAN`, including the one of its withdrawal.
    /// The id is matched literally: its alphabet has no pattern characters.
    pub fn pattern(&self) -> String {
        format!("{}:*", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash tag as a Redis Cluster sees it: between the first `{` and the next `}`.
    fn hash_tag(key: &str) -> Option<&str> {
        let rest = &key[key.find('{')? + 1..];
        Some(&rest[..rest.find('}')?])
    }

    #[test]
    fn every_key_of_a_sale_has_the_sales_hash_tag() {
        let keys = SaleKeys::new(&SaleId::new("shop.drop").unwrap());
        let product = ProductId::new("p.1").unwrap();
        let [pace, other_pace] = keys.paces();
        for key in [
            keys.record().to_owned(),
            keys.withdrawn(),
            keys.stock(),
            keys.jobs(),
            keys.orders(),
            keys.due(),
            keys.pending(),
            keys.lane(&product),
            keys.lease(&product),
            keys.retry(&product),
            keys.dead(),
            keys.first_answers(),
            keys.answers(),
            pace,
            other_pace,
        ] {
            assert_eq!(hash_tag(&key), Some("shop.drop"), "{key}");
        }
    }

    #[test]
    fn each_database_but_the_first_has_channels_of_its_own() {
        for (database, expected) in [(0, "fs:events"), (3, "fs:events@3")] {
            let channel = channel(EVENTS, database);
            assert_eq!(channel, expected);
            assert_eq!(channel_name(&channel), EVENTS);
        }
    }

    #[test]
    fn the_page_on_redis_names_every_kind_of_key() {
        let page = include_str!("../../../docs/redis.md");
        for name in [
            ":stock",
            ":jobs",
            ":orders",
            ":due",
            ":pending",
            ":lane:",
            ":lease:",
            ":retry:",
            ":dead",
            ":keys",
            ":answers",
            ":pace:",
            ":withdrawn",
            SALES,
            EVENTS,
            ORDERS,
            CHANGED,
            WAKE,
            FIGURES,
        ] {
            assert!(page.contains(name), "docs/redis.md does not mention {name}");
        }
    }
}
