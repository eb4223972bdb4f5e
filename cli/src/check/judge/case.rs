//! What is judged, with the stores' rows by what they are looked up by.

use std::{collections::HashMap, sync::Arc};

use flashsale_domain::outcome::Outcome;
use uuid::Uuid;

use crate::check::{
    circumstances::Circumstances,
    facts::{Ack, Facts, JobFacts},
    stores::{LedgerSale, Order, RedisSale, SaleStores, Stores},
    verdict::Subject,
};

/// Everything that a law is judged on.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    pub(super) circumstances: &'a Circumstances,
    pub(super) sales: HashMap<&'a str, SaleCase<'a>>,
}

/// One sale.
pub(super) struct SaleCase<'a> {
    pub(super) name: &'a str,
    pub(super) redis: &'a RedisSale,
    pub(super) ledger: &'a LedgerSale,
    by_id: HashMap<i64, &'a Order>,
    by_job: HashMap<Uuid, &'a Order>,
    by_key: HashMap<(&'a str, &'a str), &'a Order>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        facts: &'a Facts,
        stores: &'a Stores,
        circumstances: &'a Circumstances,
    ) -> Self {
        let sales = stores.sales.iter();
        Self {
            facts,
            circumstances,
            sales: sales
                .map(|(name, stores)| (name.as_str(), SaleCase::new(name, stores)))
                .collect(),
        }
    }

    /// Acknowledged jobs, each with its acknowledgement and its sale. A sale that the stores were
    /// not asked for is left out.
    pub(super) fn acknowledged(
        &self,
    ) -> impl Iterator<Item = (Uuid, &'a JobFacts, &'a Ack, &SaleCase<'a>)> {
        self.facts.jobs.iter().filter_map(|(job, facts)| {
            let ack = facts.ack.as_ref()?;
            Some((*job, facts, ack, self.sales.get(&*ack.key.sale)?))
        })
    }

    /// The sale of a job: by its acknowledgement, by what was told of it, or by who has it.
    pub(super) fn sale_of(&self, job: Uuid, facts: &JobFacts) -> Option<&SaleCase<'a>> {
        let told = facts.told.iter().find_map(|told| told.sale.as_ref());
        let named = facts.ack.as_ref().map(|ack| &ack.key.sale).or(told);
        match named {
            Some(name) => self.sales.get(&**name),
            None => self.sales.values().find(|sale| {
                sale.by_job.contains_key(&job) || sale.redis.records.contains_key(&job)
            }),
        }
    }

    /// Whether any sale's order has this number, and which.
    pub(super) fn order(&self, id: i64) -> Option<&'a Order> {
        self.sales
            .values()
            .find_map(|sale| sale.by_id.get(&id).copied())
    }

    /// The sale, shopper and key of an unacknowledged job whose shopper sent no other key in the sale.
    pub(super) fn only_key_of(&self, facts: &'a JobFacts) -> Option<(&'a str, &'a str, &'a str)> {
        let sale = facts.told.iter().find_map(|told| told.sale.as_ref())?;
        let [heard] = facts.heard_by.as_slice() else {
            return None;
        };
        let key = self.facts.only_key(sale, &heard.user)?;
        Some((sale, &heard.user, key))
    }

    /// Whether a loss of Redis may have taken what was written at this acknowledgement.
    pub(super) fn redis_lost(&self, ack: &Ack) -> bool {
        let mut losses = self.circumstances.redis_lost.iter();
        losses.any(|loss| loss.covers(ack.sent.at, ack.heard.at))
    }

    /// Whether a loss of the ledger may have taken a decision on a buy that was sent and told then.
    pub(super) fn ledger_lost(&self, sent: i64, told: i64) -> bool {
        let mut losses = self.circumstances.ledger_lost.iter();
        losses.any(|loss| loss.covers_decision(sent, told))
    }
}

impl<'a> SaleCase<'a> {
    fn new(name: &'a str, stores: &'a SaleStores) -> Self {
        let orders = &stores.ledger.orders;
        // Of several incarnations the last one counts: it is collected last.
        let mut latest: Vec<&Order> = orders.iter().collect();
        latest.sort_by_key(|order| order.incarnation);
        let key = |order: &'a Order| (order.user.as_str(), order.key.as_str());
        Self {
            name,
            redis: &stores.redis,
            ledger: &stores.ledger,
            by_id: orders.iter().map(|order| (order.id, order)).collect(),
            by_job: orders.iter().map(|order| (order.job, order)).collect(),
            by_key: latest
                .into_iter()
                .map(|order| (key(order), order))
                .collect(),
        }
    }

    /// The order that settles a job.
    pub(super) fn order_of(&self, job: Uuid) -> Option<&'a Order> {
        self.by_job.get(&job).copied()
    }

    /// The order of a key.
    pub(super) fn order_of_key(&self, user: &str, key: &str) -> Option<&'a Order> {
        self.by_key.get(&(user, key)).copied()
    }

    /// The outcome by which the ledger rejected a job.
    pub(super) fn rejection(&self, job: Uuid) -> Option<Outcome> {
        let rejections = self.ledger.rejections.as_ref()?.get(&job)?;
        rejections.first().copied()
    }

    /// The outcome in a job's record.
    pub(super) fn recorded(&self, job: Uuid) -> Option<Outcome> {
        self.redis.records.get(&job)?.outcome
    }

    /// Whether the sale offers this product now.
    pub(super) fn offers_any(&self) -> bool {
        self.ledger.products.iter().any(|product| product.offered)
    }
}

/// A buy by its acknowledgement.
pub(super) fn subject(job: Uuid, ack: &Ack) -> Subject {
    Subject {
        sale: Some(ack.key.sale.to_string()),
        product: Some(ack.product.to_string()),
        job: Some(job),
        user: Some(ack.key.user.to_string()),
        key: Some(ack.key.text.to_string()),
        order: None,
    }
}

/// A buy by whatever is known of it.
pub(super) fn subject_of(job: Uuid, facts: &JobFacts, sale: &SaleCase<'_>) -> Subject {
    if let Some(ack) = &facts.ack {
        return subject(job, ack);
    }
    let name = |name: &Arc<str>| name.to_string();
    Subject {
        sale: Some(sale.name.to_owned()),
        product: facts
            .told
            .iter()
            .find_map(|told| told.product.as_ref())
            .map(name),
        job: Some(job),
        user: facts.heard_by.first().map(|heard| name(&heard.user)),
        key: None,
        order: None,
    }
}

/// A product of a sale.
pub(super) fn product_subject(sale: &SaleCase<'_>, product: &str) -> Subject {
    Subject {
        product: Some(product.to_owned()),
        ..Subject::of_sale(sale.name)
    }
}
