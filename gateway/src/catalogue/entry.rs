//! One sale in force, with what its requests need at hand.

use std::sync::Arc;

use flashsale_domain::{
    id::SaleId,
    lifecycle::{self, Announced, Phase, Readings},
    sale::{RateLimit, Sale},
};
use flashsale_queue::keys::SaleKeys;
use http::HeaderValue;
use jiff::Timestamp;

use crate::intake::SaleQueue;

/// One sale in force.
#[derive(Debug)]
pub struct SaleEntry {
    /// The sale, as announced.
    pub announced: Announced,
    /// Its keys in Redis.
    pub keys: SaleKeys,
    /// The route bits of its job ids.
    pub route: u16,
    /// Where its buys wait.
    pub queue: Arc<SaleQueue>,
    /// The header `RateLimit-Policy` of its refusals.
    pub rate_limit_policy: HeaderValue,
}

impl SaleEntry {
    /// An entry whose buys wait in `queue`.
    pub fn new(announced: Announced, queue: Arc<SaleQueue>) -> Self {
        let sale = &announced.sale;
        Self {
            keys: SaleKeys::new(&sale.id),
            route: sale.id.route(),
            queue,
            rate_limit_policy: rate_limit_policy(sale.turnstile.rate_limit),
            announced,
        }
    }

    /// The sale itself.
    pub fn sale(&self) -> &Sale {
        &self.announced.sale
    }

    /// The sale's name.
    pub fn id(&self) -> &SaleId {
        &self.announced.sale.id
    }

    /// The phase at `now`.
    pub fn phase(&self, readings: Readings, now: Timestamp) -> Phase {
        lifecycle::phase(
            self.sale().schedule,
            self.announced.switches(),
            readings,
            now,
        )
    }

    /// The next instant after `now` at which the schedule opens or closes the sale.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let schedule = self.sale().schedule;
        [schedule.opens_at, schedule.closes_at]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min()
    }
}

/// `"buy";q=REQUESTS;w=SECONDS`, as draft-ietf-httpapi-ratelimit-headers writes it.
fn rate_limit_policy(limit: RateLimit) -> HeaderValue {
    let text = format!("\"buy\";q={};w={}", limit.requests, limit.window.as_secs());
    // Digits and the marks above are a header value.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("\"buy\""))
}
