//! The table of all metrics. A new one is a line here and a measurement that records it; its
//! promise is a line of `targets::TARGETS`.

use super::{
    Block,
    Label::{self, Numbers, Words},
    Limit, Metric, Section,
    Unit::{Bytes, Count, Megabytes, Microseconds, Milliseconds, MillisecondsPerSecond, PerSecond},
};

/// The batch size of a sale that does not say (`WorkerSpec::default`), and so the one that
/// targets are judged at.
pub(crate) const DEFAULT_BATCH: u32 = 1_000;

/// Products of the settlement of several.
pub(crate) const PRODUCTS: u32 = 10;

/// Workers that compete for one product.
pub(crate) const WORKERS: u32 = 8;

/// Batch sizes that one worker settles one product with.
pub(crate) const BATCHES: [u32; 6] = [1, 10, 100, 500, DEFAULT_BATCH, 2_000];

/// Numbers of workers that settle one product together, in batches of [`DEFAULT_BATCH`].
pub(crate) const COMPETING_WORKERS: [u32; 3] = [2, 4, WORKERS];

/// Numbers of products that one worker settles, in batches of [`DEFAULT_BATCH`].
pub(crate) const SEVERAL_PRODUCTS: [u32; 2] = [PRODUCTS, 100];

/// Milliseconds of a round trip to a PostgreSQL in another zone, and in another town.
pub(crate) const DISTANCES_MS: [u32; 2] = [1, 5];

/// Batch sizes that are settled in a PostgreSQL at a distance.
pub(crate) const FAR_BATCHES: [u32; 2] = [100, DEFAULT_BATCH];

/// Calls of redis-benchmark on their way over one connection, in turn with one by one: 16 as in
/// Redis's own examples.
pub(crate) const PIPELINE: u32 = 16;

/// Numbers of connections that are measured besides the usual one, each in turn with the empty
/// route.
pub(crate) const CONNECTIONS: [u32; 3] = [16, 256, 1_024];

/// Shares of what the gateway acknowledged over 64 connections at which requests are sent at a
/// fixed rate. Latency is promised at half.
pub(crate) const LOADS: [(&str, f64); 3] =
    [("quarter", 0.25), ("half", 0.5), ("three-quarters", 0.75)];

/// Quantiles of latencies; the last is the longest.
pub(crate) const QUANTILES: [(&str, f64); 4] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("longest", 1.0),
];

/// Signatures of tokens that gateways accept by default.
pub(crate) const SIGNATURES: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// Buys through one sale from which on memory must stay flat, and after which it is looked at last.
pub(crate) const GROWING_BUYS: [u32; 2] = [100_000, 1_000_000];

/// Jobs that wait in one lane.
pub(crate) const GROWING_JOBS: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Products of one sale; the last is as many as a sale may have.
pub(crate) const GROWING_PRODUCTS: [u32; 4] = [1, 10, 100, 1_000];

/// Open sales.
pub(crate) const GROWING_SALES: [u32; 3] = [1, 10, 100];

/// Jobs in work at a time that the usual stack's worker is tried with.
pub(crate) const CONCURRENCIES: [u32; 4] = [1, 4, 16, 64];

/// Metrics, each as `"series" Unit "title";`, with the number of quantiles behind the unit where
/// these are shown, and with `limit` before the semicolon where it is one, or `of` the limit that it
/// is held against.
macro_rules! metrics {
    ($($series:literal $unit:ident$([$quantiles:literal])? $title:literal
        $($how:ident $($limit:literal)?)?;)*) => {
        &[$(Metric {
            series: $series,
            unit: $unit,
            title: $title,
            label: metrics!(@label $($quantiles)?),
            limit: metrics!(@$($how $($limit)?)?),
        }),*]
    };
    (@label) => { None };
    (@label $quantiles:literal) => { Some(Label::Quantiles($quantiles)) };
    (@) => { Limit::None };
    (@limit) => { Limit::Itself };
    (@of $limit:literal) => { Limit::Series($limit) };
}

/// `Rows [labels…] { metrics… }`, or `Growth [label] { "series" Unit "title"; … }` for metrics that
/// stand at every value of the label as a share of what they are at the first.
macro_rules! block {
    (Rows [$($label:expr),*] { $($metrics:tt)* }) => {
        Block { labels: &[$($label),*], metrics: metrics! { $($metrics)* } }
    };
    (Growth [$label:expr] { $($series:literal $unit:ident $title:literal;)* }) => {
        Block {
            labels: &[],
            metrics: &[$(Metric {
                series: $series,
                unit: $unit,
                title: $title,
                label: Some($label),
                limit: Limit::Smallest,
            }),*],
        }
    };
}

/// Sections, each as `"heading" { block… }`.
macro_rules! sections {
    ($($title:literal { $($order:ident $labels:tt $metrics:tt)* })*) => {
        &[$(Section {
            title: $title,
            blocks: &[$(block! { $order $labels $metrics }),*],
        }),*]
    };
}

/// Whose processor time is measured with TLS and without.
const TLS_USERS: &[(&str, &str)] = &[
    ("gateway-for-buy", "a buy: gateway"),
    ("redis-for-buy", "a buy: Redis"),
    ("worker-for-order", "an order: worker"),
    ("redis-for-order", "an order: Redis"),
    ("postgres-for-order", "an order: PostgreSQL"),
];

/// The report, from top to bottom.
pub(crate) const SECTIONS: &[Section] = sections! {
    "Settlement, orders: 1 product, 1 worker" {
        Rows [] {
            "pgbench" PerSecond "pgbench, 1 product, batches of 1000" limit;
            "copy" PerSecond "COPY, 1 product, batches of 1000" limit;
        }
        Rows [Numbers("batch", "", &BATCHES)] {
            "plain-batches products=1 batch={batch}" PerSecond
                "plain statements, 1 product, batches of {batch}" limit;
            "settlement workers=1 products=1 batch={batch}" PerSecond
                "1 worker, 1 product, batches of {batch}" of "plain-batches products=1 batch={batch}";
        }
        Rows [] {
            "settlement-with-payment" PerSecond "1 worker, 1 product, batches of 1000, orders to be paid"
                of "plain-batches products=1 batch=1000";
        }
    }
    "Settlement, orders: workers and products" {
        Rows [Numbers("workers", "", &COMPETING_WORKERS)] {
            "settlement workers={workers} products=1 batch=1000" PerSecond
                "{workers} workers, 1 product, batches of 1000" of "plain-batches products=1 batch=1000";
        }
        Rows [Numbers("products", "", &SEVERAL_PRODUCTS)] {
            "plain-batches products={products} batch=1000" PerSecond
                "plain statements, {products} products, batches of 1000" limit;
            "settlement workers=1 products={products} batch=1000" PerSecond
                "1 worker, {products} products, batches of 1000"
                of "plain-batches products={products} batch=1000";
        }
    }
    "Settlement, orders: PostgreSQL a round trip away" {
        Rows [Numbers("ms", "", &DISTANCES_MS), Numbers("batch", "", &FAR_BATCHES)] {
            "far-plain-batches ms={ms} batch={batch}" PerSecond
                "plain statements, {ms} ms away, batches of {batch}" limit;
            "far-settlement ms={ms} batch={batch}" PerSecond
                "1 worker, {ms} ms away, batches of {batch}" of "far-plain-batches ms={ms} batch={batch}";
        }
    }
    "Turnstile, buys" {
        Rows [] {
            "plain-writes" PerSecond "the same writes by plain commands, 128 at a time" limit;
            "turnstile" PerSecond "turnstile script, calls of 128 buys" of "plain-writes";
            "redis-benchmark pipeline=1" PerSecond "redis-benchmark, 64 connections" limit;
            "redis-benchmark pipeline=16" PerSecond
                "redis-benchmark, 64 connections, 16 calls each" limit;
        }
    }
    "Acknowledgements, 64 connections" {
        Rows [Words("server", &[
            ("empty-route", "empty axum route"),
            ("buy", "POST /buy"),
            ("buy-syncing", "POST /buy, appendfsync always"),
            ("buy-followed", "POST /buy, a replica following")
        ])] {
            "requests server={server}" PerSecond "{server}, requests" of "requests server=empty-route";
            "latency server={server} quantile={quantile}" Milliseconds[3] "{server}, {quantile}";
        }
        Rows [] {
            "requests server=buy-replicated" PerSecond
                "POST /buy, redisReplicas 1, requests" of "requests server=buy-followed";
            "latency server=buy-replicated quantile={quantile}" Milliseconds[3]
                "POST /buy, redisReplicas 1, {quantile}";
            "requests server=buy-with-worker" PerSecond
                "POST /buy, a worker settling, requests" of "requests server=empty-route";
            "latency server=buy-with-worker quantile={quantile}" Milliseconds[3]
                "POST /buy, a worker settling, {quantile}";
        }
    }
    "Acknowledgements, other numbers of connections" {
        Rows [
            Numbers("connections", "", &CONNECTIONS),
            Words("server", &[("empty-route", "empty axum route"), ("buy", "POST /buy")])
        ] {
            "requests server={server} connections={connections}" PerSecond
                "{server}, {connections} connections, requests"
                of "requests server=empty-route connections={connections}";
            "latency server={server} connections={connections} quantile={quantile}" Milliseconds[3]
                "{server}, {connections} connections, {quantile}";
        }
    }
    "Open loop, of the most POST /buy does" {
        Rows [] {
            "due server=empty-route load=half" PerSecond "empty axum route, half of the most: due";
            "due-latency server=empty-route load=half quantile={quantile}" Milliseconds[4]
                "empty axum route, half of the most: {quantile}" limit;
            "late server=empty-route load=half" Count "empty axum route, half of the most: sent late";
            "lost server=empty-route load=half" Count "empty axum route, half of the most: not answered";
            "generator server=empty-route load=half" Microseconds
                "empty axum route, half of the most: generator";
        }
        Rows [Words("load", &[
            ("quarter", "a quarter"), ("half", "half"), ("three-quarters", "three quarters")
        ])] {
            "due server=buy load={load}" PerSecond "POST /buy, {load} of the most: due";
            "due-latency server=buy load={load} quantile={quantile}" Milliseconds[4]
                "POST /buy, {load} of the most: {quantile}"
                of "due-latency server=empty-route load={load} quantile={quantile}";
            "late server=buy load={load}" Count "POST /buy, {load} of the most: sent late";
            "lost server=buy load={load}" Count "POST /buy, {load} of the most: not answered";
            "generator server=buy load={load}" Microseconds "POST /buy, {load} of the most: generator";
        }
    }
    "Processor time" {
        Rows [] {
            "processor-time of=postgres-for-pgbench" Microseconds "an order of pgbench: PostgreSQL";
            "processor-time of=postgres-for-order" Microseconds "an order: PostgreSQL";
            "processor-time of=worker-for-order" Microseconds "an order: worker";
            "processor-time of=redis-for-order" Microseconds "an order: Redis";
            "processor-time of=empty-route" Microseconds "a request: empty axum route";
            "processor-time of=gateway-for-buy" Microseconds "a buy: gateway";
            "processor-time of=redis-for-buy" Microseconds "a buy: Redis";
        }
    }
    "Tokens of 1 kB, processor time of the gateway" {
        Rows [Words("signature", &[("RS256", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")])] {
            "token-none signature={signature}" Microseconds "{signature}: a buy without a token" limit;
            "token-known signature={signature}" Microseconds
                "{signature}: a buy with a known token" of "token-none signature={signature}";
            "token-new signature={signature}" Microseconds "{signature}: a buy with a new token";
            "token-ring signature={signature}" Microseconds "{signature}: a check by ring alone" limit;
            "token-first-check signature={signature}" Microseconds
                "{signature}: first check, new less known" of "token-ring signature={signature}";
        }
    }
    "TLS to the stores, processor time" {
        Rows [Words("of", TLS_USERS)] {
            "link-time of={of} link=plain" Microseconds "{of}, without TLS" limit;
            "link-time of={of} link=tls" Microseconds "{of}, with TLS" of "link-time of={of} link=plain";
        }
    }
    "Memory" {
        Rows [] {
            "jobs-queued" Count "jobs queued";
            "gateway-resident" Megabytes "gateway, resident";
            "worker-most-resident" Megabytes "worker draining the lane, most resident";
            "redis-queued" Bytes "Redis, for one queued buy";
            "redis-settled" Bytes "Redis, for one settled buy";
        }
    }
    "From a buy to order_confirmed" {
        Rows [Words("load", &[
            ("steady", "1,000 buys/s"),
            ("busy", "5,000 buys/s"),
            ("crowded", "5,000 buys/s, all sockets")
        ])] {
            "acknowledged load={load} quantile={quantile}" Milliseconds[2]
                "{load}: acknowledged, {quantile}";
            "settled load={load} quantile={quantile}" Milliseconds[2] "{load}: settled, {quantile}";
            "confirmed load={load} quantile={quantile}" Milliseconds[4]
                "{load}: order_confirmed, {quantile}";
        }
    }
    "Connected shoppers" {
        Rows [] {
            "sockets" Count "sockets connected";
            "sockets-per-second" PerSecond "sockets connected a second";
            "socket-memory-connected" Bytes "gateway, for one socket, just connected";
            "socket-memory-updated" Bytes "gateway, for one socket, after updates to all";
            "update-half" Milliseconds "a stock update, half of the sockets";
            "update-last" Milliseconds "a stock update, the last socket";
            "update-last-longest" Milliseconds "a stock update, the last socket, longest";
            "update-processor-time" Milliseconds "a stock update, processor time of the gateway";
        }
    }
    "Buys through one sale, beside the fewest" {
        Growth [Numbers("buys", "buy", &GROWING_BUYS)] {
            "orders buys={buys}" PerSecond "{buys}: orders";
            "gateway-memory buys={buys}" Megabytes "{buys}: gateway, most resident";
            "worker-memory buys={buys}" Megabytes "{buys}: worker, most resident";
            "settled-bytes buys={buys}" Bytes "{buys}: Redis, a settled buy";
            "deleting buys={buys}" Milliseconds "{buys}: deleting the sale";
            "redis-left buys={buys}" Megabytes "{buys}: Redis, left of the deleted sale";
        }
    }
    "Jobs in one lane, beside the fewest" {
        Growth [Numbers("jobs", "job", &GROWING_JOBS)] {
            "orders jobs={jobs}" PerSecond "{jobs}: orders";
            "postgres-for-order jobs={jobs}" Microseconds "{jobs}: an order, PostgreSQL";
            "worker-for-order jobs={jobs}" Microseconds "{jobs}: an order, worker";
            "redis-for-order jobs={jobs}" Microseconds "{jobs}: an order, Redis";
            "worker-memory jobs={jobs}" Megabytes "{jobs}: worker, most resident";
            "queued-bytes jobs={jobs}" Bytes "{jobs}: Redis, a queued buy";
            "settled-bytes jobs={jobs}" Bytes "{jobs}: Redis, a settled buy";
        }
    }
    "Products of one sale, 8 lanes at a time" {
        Growth [Numbers("products", "product", &GROWING_PRODUCTS)] {
            "gateway-for-buy products={products}" Microseconds "{products}: a buy, gateway";
            "redis-for-buy products={products}" Microseconds "{products}: a buy, Redis";
            "orders products={products}" PerSecond "{products}: orders";
            "emptying products={products}" Milliseconds "{products}: first to last order";
            "postgres-for-order products={products}" Microseconds "{products}: an order, PostgreSQL";
            "worker-for-order products={products}" Microseconds "{products}: an order, worker";
            "redis-for-order products={products}" Microseconds "{products}: an order, Redis";
        }
    }
    "Open sales, all but one asleep" {
        Growth [Numbers("sales", "sale", &GROWING_SALES)] {
            "gateway-asleep sales={sales}" MillisecondsPerSecond "{sales}: asleep, gateway";
            "worker-asleep sales={sales}" MillisecondsPerSecond "{sales}: asleep, worker";
            "redis-asleep sales={sales}" MillisecondsPerSecond "{sales}: asleep, Redis";
            "commands-asleep sales={sales}" PerSecond "{sales}: asleep, commands to Redis";
            "gateway-for-buy sales={sales}" Microseconds "{sales}: a buy, gateway";
            "gateway-memory sales={sales}" Megabytes "{sales}: gateway, most resident";
            "worker-memory sales={sales}" Megabytes "{sales}: worker, most resident";
        }
    }
    "Beside the usual stack, 64 connections" {
        Rows [Words("stack", &[
            ("express-bullmq", "Express and BullMQ"), ("flashsale", "flashsale in turn with it")
        ])] {
            "peer-requests stack={stack}" PerSecond "{stack}, buys, requests";
            "peer-latency stack={stack} quantile={quantile}" Milliseconds[2] "{stack}, buys, {quantile}";
        }
        Rows [Numbers("concurrency", "", &CONCURRENCIES)] {
            "peer-orders concurrency={concurrency}" PerSecond
                "Express and BullMQ, concurrency {concurrency}";
        }
        Rows [] {
            "peer-orders stack=express-bullmq" PerSecond "Express and BullMQ, orders of one product";
            "peer-orders stack=flashsale" PerSecond "flashsale in turn with it, orders of one product";
        }
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_that_is_judged_is_the_one_sales_have_by_default() {
        let default = flashsale_domain::sale::spec::WorkerSpec::default().batch_size;
        assert_eq!(Ok(default), i32::try_from(DEFAULT_BATCH));
        assert!(BATCHES.contains(&DEFAULT_BATCH));
    }
}
