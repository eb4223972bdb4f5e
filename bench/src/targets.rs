//! What the system has promised, and whether it holds.

use crate::{
    figures::{
        Figures,
        Quantity::{self, More, Of, Share, ShareOfMedians, Times},
    },
    metrics::Unit,
};

/// Which side of a number is the good one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// No less than this.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
}

use Bound::{AtLeast, Below};

impl Bound {
    fn is_met_by(self, measured: f64) -> bool {
        match self {
            AtLeast(least) => measured >= least,
            Below(most) => measured < most,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    /// What is promised, without the number.
    pub(crate) promise: &'static str,
    pub(crate) quantity: Quantity,
    pub(crate) bound: Bound,
}

/// Promises, each as `"what" Quantity(series…) Bound(number);`.
macro_rules! targets {
    ($($promise:literal $quantity:ident($($of:expr),*) $bound:ident($number:literal);)*) => {
        &[$(Target {
            promise: $promise,
            quantity: $quantity($($of),*),
            bound: $bound($number),
        }),*]
    };
}

/// All promises, in the order of the report. "No slower" is judged by 0.9: one and the same
/// measurement differs by a tenth from minute to minute where all compete for two cores.
pub(crate) const TARGETS: &[Target] = targets! {
    "one hot product is settled, batches of 1000"
        Of("settlement workers=1 products=1 batch=1000") AtLeast(45_000.0);
    "the same as a share of the plain statements"
        Share(&["settlement workers=1 products=1 batch=1000"], "plain-batches products=1 batch=1000")
        AtLeast(0.75);
    "the same as a share of pgbench"
        Share(&["settlement workers=1 products=1 batch=1000"], "pgbench") AtLeast(0.5);
    "the same with orders that wait for their payment, beside it"
        Share(&["settlement-with-payment"], "settlement workers=1 products=1 batch=1000") AtLeast(0.7);
    "8 workers on one product beside 1"
        Share(&["settlement workers=8 products=1 batch=1000"], "settlement workers=1 products=1 batch=1000")
        AtLeast(0.9);
    "1 worker on 10 products beside 1"
        Share(&["settlement workers=1 products=10 batch=1000"], "settlement workers=1 products=1 batch=1000")
        AtLeast(0.9);
    "gateway with a full lane" Of("gateway-resident") Below(100.0);
    "worker draining a full lane" Of("worker-most-resident") Below(150.0);
    "buys acknowledged as a share of an empty route"
        Share(&["requests server=buy"], "requests server=empty-route") AtLeast(0.5);
    "p99 at half of the most buys a second"
        Of("due-latency server=buy load=half quantile=p99") Below(10.0);
    "buys with appendfsync always beside everysec"
        Share(&["requests server=buy-syncing"], "requests server=buy") AtLeast(0.4);
    "buys with redisReplicas 1 beside 0, one replica"
        Share(&["requests server=buy-replicated"], "requests server=buy-followed") AtLeast(0.4);
    "first check of RS256" Of("token-first-check signature=RS256") Below(45.0);
    "a known RS256 token beside none"
        Share(&["token-known signature=RS256"], "token-none signature=RS256") Below(1.15);
    "first check of ES256" Of("token-first-check signature=ES256") Below(90.0);
    "a known ES256 token beside none"
        Share(&["token-known signature=ES256"], "token-none signature=ES256") Below(1.15);
    "first check of EdDSA" Of("token-first-check signature=EdDSA") Below(60.0);
    "a known EdDSA token beside none"
        Share(&["token-known signature=EdDSA"], "token-none signature=EdDSA") Below(1.15);
    "order_confirmed at 1,000 buys/s, p50" Of("confirmed load=steady quantile=p50") Below(15.0);
    "order_confirmed at 1,000 buys/s, p99" Of("confirmed load=steady quantile=p99") Below(100.0);
    "order_confirmed at 5,000 buys/s, p99" Of("confirmed load=busy quantile=p99") Below(300.0);
    "the same with all sockets connected" Of("confirmed load=crowded quantile=p99") Below(300.0);
    "memory of the gateway for one socket" Of("socket-memory-updated") Below(20_000.0);
    "a stock update reaches the last socket" Of("update-last-longest") Below(1_000.0);
    "gateway's memory, a million buys beside 100,000"
        ShareOfMedians("gateway-memory buys=1000000", "gateway-memory buys=100000") Below(1.2);
    "worker's memory, a million buys beside 100,000"
        ShareOfMedians("worker-memory buys=1000000", "worker-memory buys=100000") Below(1.2);
    "Redis, a queued buy of a million" Of("queued-bytes jobs=1000000") Below(700.0);
    "Redis, a settled buy of a million" Of("settled-bytes buys=1000000") Below(400.0);
    // What connections and statistics differ by, far from anything that grows with buys.
    "Redis, left of a deleted sale" Of("redis-left buys=1000000") Below(5.0);
    "a lane of a million jobs beside 100,000"
        ShareOfMedians("orders jobs=1000000", "orders jobs=100000") AtLeast(0.9);
    // The batches of a thousand lanes hold a hundred jobs each, and so cost ten times the commits.
    "orders of 1,000 products beside 1"
        ShareOfMedians("orders products=1000", "orders products=1") AtLeast(0.5);
    "gateway, a buy among 1,000 products beside 1"
        ShareOfMedians("gateway-for-buy products=1000", "gateway-for-buy products=1") Below(2.0);
    // A hundredth of a core.
    "99 sleeping sales, all processes together"
        More(&["gateway-asleep sales=100", "worker-asleep sales=100", "redis-asleep sales=100"],
            &["gateway-asleep sales=1", "worker-asleep sales=1", "redis-asleep sales=1"]) Below(10.0);
    "buys acknowledged beside Express and BullMQ"
        Times(&["peer-requests stack=flashsale"], "peer-requests stack=express-bullmq") AtLeast(10.0);
    "orders of one hot product beside them"
        Times(&["peer-orders stack=flashsale"], "peer-orders stack=express-bullmq") AtLeast(80.0);
};

/// A promise, and what was measured about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) target: Target,
    pub(crate) measured: f64,
}

impl Judgement {
    pub(crate) fn is_met(&self) -> bool {
        self.target.bound.is_met_by(self.measured)
    }

    /// What both measured and bound count.
    pub(crate) fn unit(&self) -> Unit {
        self.target.quantity.unit()
    }
}

/// Judges what was measured; a part that was not measured is not judged.
pub(crate) fn judge(figures: &Figures) -> Vec<Judgement> {
    let judged = |target: &Target| {
        let (target, measured) = (*target, target.quantity.samples(figures)?.median()?);
        Some(Judgement { target, measured })
    };
    TARGETS.iter().filter_map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(values: &[(&str, f64)]) -> Vec<bool> {
        let mut figures = Figures::default();
        for (series, value) in values {
            figures.add(series, *value);
        }
        judge(&figures).iter().map(Judgement::is_met).collect()
    }

    #[test]
    fn each_promise_is_kept_on_one_side_of_its_bound_and_missed_on_the_other() {
        for target in TARGETS {
            let (good, bad) = match target.bound {
                AtLeast(least) => (least, least * 0.99),
                Below(most) => (most * 0.99, most),
            };
            let sides = [good, bad].map(|measured| target.bound.is_met_by(measured));
            assert_eq!(sides, [true, false], "{}", target.promise);
        }
    }

    #[test]
    fn speed_and_share_are_judged_each_where_they_were_measured() {
        assert_eq!(met(&[]), [false; 0]);
        let hot = "settlement workers=1 products=1 batch=1000";
        let plain = "plain-batches products=1 batch=1000";
        assert_eq!(met(&[(hot, 44_000.0), (plain, 45_000.0)]), [false, true]);
        assert_eq!(met(&[(hot, 74_000.0), (plain, 100_000.0)]), [true, false]);
    }

    #[test]
    fn sleeping_sales_are_judged_by_what_they_add() {
        let asleep = |redis| {
            met(&[
                ("gateway-asleep sales=1", 20.0),
                ("gateway-asleep sales=100", 20.0),
                ("worker-asleep sales=1", 20.0),
                ("worker-asleep sales=100", 20.0),
                ("redis-asleep sales=1", 1.0),
                ("redis-asleep sales=100", redis),
            ])
        };
        assert_eq!(asleep(2.0), [true]);
        assert_eq!(asleep(12.0), [false]);
    }
}
