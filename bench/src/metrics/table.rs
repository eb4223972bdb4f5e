//! The table of all metrics. A new one is a line here and a measurement that records it; its
//! promise is a line of [`crate::targets::TARGETS`].

use super::{
    Block::{self, Growth, Rows},
    Label::{self, Counts, Numbers, Words},
    Limit, Metric, Section,
    Unit::{Bytes, Count, Megabytes, Microseconds, Milliseconds, MillisecondsPerSecond, PerSecond},
};

/// The batch size of a sale that does not say (`WorkerSpec::default`), and so the one that
/// targets are judged at.
pub const DEFAULT_BATCH: u32 = 1_000;

/// Products of the settlement of several.
pub const PRODUCTS: u32 = 10;

/// Workers that compete for one product.
pub const WORKERS: u32 = 8;

/// Batch sizes that one worker settles one product with.
pub const BATCHES: [u32; 6] = [1, 10, 100, 500, DEFAULT_BATCH, 2_000];

/// Numbers of workers that settle one product together, in batches of [`DEFAULT_BATCH`].
pub const COMPETING_WORKERS: [u32; 3] = [2, 4, WORKERS];

/// Numbers of products that one worker settles, in batches of [`DEFAULT_BATCH`].
pub const SEVERAL_PRODUCTS: [u32; 2] = [PRODUCTS, 100];

/// Milliseconds of a round trip to a PostgreSQL in another zone, and in another town.
pub const DISTANCES_MS: [u32; 2] = [1, 5];

/// Batch sizes that are settled in a PostgreSQL at a distance.
pub const FAR_BATCHES: [u32; 2] = [100, DEFAULT_BATCH];

/// Calls of redis-benchmark on their way over one connection, in turn with one by one: 16 as in
/// Redis's own examples.
pub const PIPELINE: u32 = 16;

/// Numbers of connections that are measured besides the usual one, each in turn with the empty
/// route.
pub const CONNECTIONS: [u32; 3] = [16, 256, 1_024];

/// Shares of what the gateway acknowledged over 64 connections at which requests are sent at a
/// fixed rate. Latency is promised at half.
pub const LOADS: [(&str, f64); 3] = [("quarter", 0.25), ("half", 0.5), ("three-quarters", 0.75)];

/// Quantiles of latencies; the last is the longest.
pub const QUANTILES: [(&str, f64); 4] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("longest", 1.0),
];

/// Signatures of tokens that gateways accept by default.
pub const SIGNATURES: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// Buys through one sale from which on memory must stay flat, and after which it is looked at last.
pub const GROWING_BUYS: [u32; 2] = [100_000, 1_000_000];

/// Jobs that wait in one lane.
pub const GROWING_JOBS: [u32; 3] = [10_000, 100_000, 1_000_000];

/// Products of one sale; the last is as many as a sale may have.
pub const GROWING_PRODUCTS: [u32; 4] = [1, 10, 100, 1_000];

/// Open sales.
pub const GROWING_SALES: [u32; 3] = [1, 10, 100];

/// Jobs in work at a time that the usual stack's worker is tried with.
pub const CONCURRENCIES: [u32; 4] = [1, 4, 16, 64];

/// Metrics, one a line: series, unit, title; then `limit` where it is one, or `of` the limit that it
/// is held against.
macro_rules! metrics {
    ($($series:literal $unit:ident $title:literal $($how:ident $($limit:literal)?)?;)*) => {
        [$(Metric {
            series: $series,
            unit: $unit,
            title: $title,
            limit: metrics!(@$($how $($limit)?)?),
        }),*]
    };
    (@) => { Limit::None };
    (@limit) => { Limit::Itself };
    (@of $limit:literal) => { Limit::Series($limit) };
}

const ONE_WORKER: Label = Counts("workers", "worker", &[1]);
const ONE_PRODUCT: Label = Counts("products", "product", &[1]);
const USUAL_BATCH: Label = Numbers("batch", &[DEFAULT_BATCH]);

/// The same arrays by plain statements, and orders of real workers.
const SETTLEMENT: [Metric; 2] = metrics! {
    "plain-batches products={products} batch={batch}" PerSecond
        "plain statements, {products}, batches of {batch}" limit;
    "settlement workers={workers} products={products} batch={batch}" PerSecond
        "{workers}, {products}, batches of {batch}" of "plain-batches products={products} batch={batch}";
};

const BY_BATCH: &[Block] = &[
    Rows(
        &[],
        &metrics! {
            "pgbench" PerSecond "pgbench, 1 product, batches of 1000" limit;
            "copy" PerSecond "COPY, 1 product, batches of 1000" limit;
        },
    ),
    Rows(
        &[ONE_WORKER, ONE_PRODUCT, Numbers("batch", &BATCHES)],
        &SETTLEMENT,
    ),
];

const WORKERS_AND_PRODUCTS: &[Block] = &[
    Rows(
        &[
            Counts("workers", "worker", &COMPETING_WORKERS),
            ONE_PRODUCT,
            USUAL_BATCH,
        ],
        &[SETTLEMENT[1]],
    ),
    Rows(
        &[
            ONE_WORKER,
            Counts("products", "product", &SEVERAL_PRODUCTS),
            USUAL_BATCH,
        ],
        &SETTLEMENT,
    ),
];

const BY_DISTANCE: &[Block] = &[Rows(
    &[Numbers("ms", &DISTANCES_MS), Numbers("batch", &FAR_BATCHES)],
    &metrics! {
        "far-plain-batches ms={ms} batch={batch}" PerSecond
            "plain statements, {ms} ms away, batches of {batch}" limit;
        "far-settlement ms={ms} batch={batch}" PerSecond
            "1 worker, {ms} ms away, batches of {batch}" of "far-plain-batches ms={ms} batch={batch}";
    },
)];

const TURNSTILE: &[Block] = &[Rows(
    &[],
    &metrics! {
        "plain-writes" PerSecond "the same writes by plain commands, 128 at a time" limit;
        "turnstile" PerSecond "turnstile script, calls of 128 buys" of "plain-writes";
        "redis-benchmark pipeline=1" PerSecond "redis-benchmark, 64 connections" limit;
        "redis-benchmark pipeline=16" PerSecond "redis-benchmark, 64 connections, 16 calls each" limit;
    },
)];

const EMPTY_ROUTE: (&str, &str) = ("empty-route", "empty axum route");
const BUY: (&str, &str) = ("buy", "POST /buy");

const REQUESTS: [Metric; 4] = metrics! {
    "requests server={server}" PerSecond "{server}, requests" of "requests server=empty-route";
    "latency server={server} quantile=p50" Milliseconds "{server}, p50";
    "latency server={server} quantile=p99" Milliseconds "{server}, p99";
    "latency server={server} quantile=p99.9" Milliseconds "{server}, p99.9";
};

/// The rate of a gateway that waits for a replica stands beside one that does not.
const REPLICATED_REQUESTS: [Metric; 4] = {
    let [requests, p50, p99, p999] = REQUESTS;
    let limit = Limit::Series("requests server=buy-followed");
    [Metric { limit, ..requests }, p50, p99, p999]
};

const ACKNOWLEDGEMENTS: &[Block] = &[
    Rows(
        &[Words(
            "server",
            &[
                EMPTY_ROUTE,
                BUY,
                ("buy-syncing", "POST /buy, appendfsync always"),
                ("buy-followed", "POST /buy, a replica following"),
            ],
        )],
        &REQUESTS,
    ),
    Rows(
        &[Words(
            "server",
            &[("buy-replicated", "POST /buy, redisReplicas 1")],
        )],
        &REPLICATED_REQUESTS,
    ),
    Rows(
        &[Words(
            "server",
            &[("buy-with-worker", "POST /buy, a worker settling")],
        )],
        &REQUESTS,
    ),
];

const CROWDS: &[Block] = &[Rows(
    &[
        Counts("connections", "connection", &CONNECTIONS),
        Words("server", &[EMPTY_ROUTE, BUY]),
    ],
    &metrics! {
        "requests server={server} connections={connections}" PerSecond
            "{server}, {connections}, requests" of "requests server=empty-route connections={connections}";
        "latency server={server} connections={connections} quantile=p50" Milliseconds
            "{server}, {connections}, p50";
        "latency server={server} connections={connections} quantile=p99" Milliseconds
            "{server}, {connections}, p99";
        "latency server={server} connections={connections} quantile=p99.9" Milliseconds
            "{server}, {connections}, p99.9";
    },
)];

/// At half of the most, where latency is promised, beside the empty route at the same rate.
const AT_HALF: [Metric; 8] = metrics! {
    "due server={server} load=half" PerSecond "{server}, half of the most: due";
    "due-latency server={server} load=half quantile=p50" Milliseconds
        "{server}, half of the most: p50" of "due-latency server=empty-route load=half quantile=p50";
    "due-latency server={server} load=half quantile=p99" Milliseconds
        "{server}, half of the most: p99" of "due-latency server=empty-route load=half quantile=p99";
    "due-latency server={server} load=half quantile=p99.9" Milliseconds
        "{server}, half of the most: p99.9" of "due-latency server=empty-route load=half quantile=p99.9";
    "due-latency server={server} load=half quantile=longest" Milliseconds
        "{server}, half of the most: longest" of "due-latency server=empty-route load=half quantile=longest";
    "late server={server} load=half" Count "{server}, half of the most: sent late";
    "lost server={server} load=half" Count "{server}, half of the most: not answered";
    "generator server={server} load=half" Microseconds "{server}, half of the most: generator";
};

const AT_OTHER_LOADS: [Metric; 8] = metrics! {
    "due server=buy load={load}" PerSecond "POST /buy, {load} of the most: due";
    "due-latency server=buy load={load} quantile=p50" Milliseconds "POST /buy, {load} of the most: p50";
    "due-latency server=buy load={load} quantile=p99" Milliseconds "POST /buy, {load} of the most: p99";
    "due-latency server=buy load={load} quantile=p99.9" Milliseconds "POST /buy, {load} of the most: p99.9";
    "due-latency server=buy load={load} quantile=longest" Milliseconds
        "POST /buy, {load} of the most: longest";
    "late server=buy load={load}" Count "POST /buy, {load} of the most: sent late";
    "lost server=buy load={load}" Count "POST /buy, {load} of the most: not answered";
    "generator server=buy load={load}" Microseconds "POST /buy, {load} of the most: generator";
};

const OPEN_LOOP: &[Block] = &[
    Rows(&[Words("server", &[EMPTY_ROUTE])], &AT_HALF),
    Rows(
        &[Words("load", &[("quarter", "a quarter")])],
        &AT_OTHER_LOADS,
    ),
    Rows(&[Words("server", &[BUY])], &AT_HALF),
    Rows(
        &[Words("load", &[("three-quarters", "three quarters")])],
        &AT_OTHER_LOADS,
    ),
];

const GATEWAY_FOR_BUY: (&str, &str) = ("gateway-for-buy", "a buy: gateway");
const REDIS_FOR_BUY: (&str, &str) = ("redis-for-buy", "a buy: Redis");
const WORKER_FOR_ORDER: (&str, &str) = ("worker-for-order", "an order: worker");
const REDIS_FOR_ORDER: (&str, &str) = ("redis-for-order", "an order: Redis");
const POSTGRES_FOR_ORDER: (&str, &str) = ("postgres-for-order", "an order: PostgreSQL");

const PROCESSOR_TIME: &[Block] = &[Rows(
    &[Words(
        "of",
        &[
            ("postgres-for-pgbench", "an order of pgbench: PostgreSQL"),
            POSTGRES_FOR_ORDER,
            WORKER_FOR_ORDER,
            REDIS_FOR_ORDER,
            ("empty-route", "a request: empty axum route"),
            GATEWAY_FOR_BUY,
            REDIS_FOR_BUY,
        ],
    )],
    &metrics! { "processor-time of={of}" Microseconds "{of}"; },
)];

const TOKENS: &[Block] = &[Rows(
    &[Words(
        "signature",
        &[("RS256", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")],
    )],
    &metrics! {
        "token-none signature={signature}" Microseconds "{signature}: a buy without a token" limit;
        "token-known signature={signature}" Microseconds
            "{signature}: a buy with a known token" of "token-none signature={signature}";
        "token-new signature={signature}" Microseconds "{signature}: a buy with a new token";
        "token-ring signature={signature}" Microseconds "{signature}: a check by ring alone" limit;
        "token-first-check signature={signature}" Microseconds
            "{signature}: first check, new less known" of "token-ring signature={signature}";
    },
)];

const TLS: &[Block] = &[Rows(
    &[
        Words(
            "of",
            &[
                GATEWAY_FOR_BUY,
                REDIS_FOR_BUY,
                WORKER_FOR_ORDER,
                REDIS_FOR_ORDER,
                POSTGRES_FOR_ORDER,
            ],
        ),
        Words("link", &[("plain", "without TLS"), ("tls", "with TLS")]),
    ],
    &metrics! { "link-time of={of} link={link}" Microseconds "{of}, {link}" of "link-time of={of} link=plain"; },
)];

const MEMORY: &[Block] = &[Rows(
    &[],
    &metrics! {
        "jobs-queued" Count "jobs queued";
        "gateway-resident" Megabytes "gateway, resident";
        "worker-most-resident" Megabytes "worker draining the lane, most resident";
        "redis-queued" Bytes "Redis, for one queued buy";
        "redis-settled" Bytes "Redis, for one settled buy";
    },
)];

const CONFIRMATIONS: &[Block] = &[Rows(
    &[Words(
        "load",
        &[
            ("steady", "1,000 buys/s"),
            ("busy", "5,000 buys/s"),
            ("crowded", "5,000 buys/s, all sockets"),
        ],
    )],
    &metrics! {
        "acknowledged load={load} quantile=p50" Milliseconds "{load}: acknowledged, p50";
        "acknowledged load={load} quantile=p99" Milliseconds "{load}: acknowledged, p99";
        "settled load={load} quantile=p50" Milliseconds "{load}: settled, p50";
        "settled load={load} quantile=p99" Milliseconds "{load}: settled, p99";
        "confirmed load={load} quantile=p50" Milliseconds "{load}: order_confirmed, p50";
        "confirmed load={load} quantile=p99" Milliseconds "{load}: order_confirmed, p99";
        "confirmed load={load} quantile=p99.9" Milliseconds "{load}: order_confirmed, p99.9";
        "confirmed load={load} quantile=longest" Milliseconds "{load}: order_confirmed, longest";
    },
)];

const SOCKETS: &[Block] = &[Rows(
    &[],
    &metrics! {
        "sockets" Count "sockets connected";
        "sockets-per-second" PerSecond "sockets connected a second";
        "socket-memory-connected" Bytes "gateway, for one socket, just connected";
        "socket-memory-updated" Bytes "gateway, for one socket, after updates to all";
        "update-half" Milliseconds "a stock update, half of the sockets";
        "update-last" Milliseconds "a stock update, the last socket";
        "update-last-longest" Milliseconds "a stock update, the last socket, longest";
        "update-processor-time" Milliseconds "a stock update, processor time of the gateway";
    },
)];

const BUYS_OF_ONE_SALE: &[Block] = &[Growth(
    Counts("buys", "buy", &GROWING_BUYS),
    &metrics! {
        "orders" PerSecond "orders";
        "gateway-memory" Megabytes "gateway, most resident";
        "worker-memory" Megabytes "worker, most resident";
        "settled-bytes" Bytes "Redis, a settled buy";
        "deleting" Milliseconds "deleting the sale";
        "redis-left" Megabytes "Redis, left of the deleted sale";
    },
)];

const JOBS_OF_ONE_LANE: &[Block] = &[Growth(
    Counts("jobs", "job", &GROWING_JOBS),
    &metrics! {
        "orders" PerSecond "orders";
        "postgres-for-order" Microseconds "an order, PostgreSQL";
        "worker-for-order" Microseconds "an order, worker";
        "redis-for-order" Microseconds "an order, Redis";
        "worker-memory" Megabytes "worker, most resident";
        "queued-bytes" Bytes "Redis, a queued buy";
        "settled-bytes" Bytes "Redis, a settled buy";
    },
)];

const PRODUCTS_OF_ONE_SALE: &[Block] = &[Growth(
    Counts("products", "product", &GROWING_PRODUCTS),
    &metrics! {
        "gateway-for-buy" Microseconds "a buy, gateway";
        "redis-for-buy" Microseconds "a buy, Redis";
        "orders" PerSecond "orders";
        "emptying" Milliseconds "first to last order";
        "postgres-for-order" Microseconds "an order, PostgreSQL";
        "worker-for-order" Microseconds "an order, worker";
        "redis-for-order" Microseconds "an order, Redis";
    },
)];

const OPEN_SALES: &[Block] = &[Growth(
    Counts("sales", "sale", &GROWING_SALES),
    &metrics! {
        "gateway-asleep" MillisecondsPerSecond "asleep, gateway";
        "worker-asleep" MillisecondsPerSecond "asleep, worker";
        "redis-asleep" MillisecondsPerSecond "asleep, Redis";
        "commands-asleep" PerSecond "asleep, commands to Redis";
        "gateway-for-buy" Microseconds "a buy, gateway";
        "gateway-memory" Megabytes "gateway, most resident";
        "worker-memory" Megabytes "worker, most resident";
    },
)];

/// The usual stack above ours.
const STACKS: Label = Words(
    "stack",
    &[
        ("express-bullmq", "Express and BullMQ"),
        ("flashsale", "flashsale in turn with it"),
    ],
);

const PEER: &[Block] = &[
    Rows(
        &[STACKS],
        &metrics! {
            "peer-requests stack={stack}" PerSecond "{stack}, buys, requests";
            "peer-latency stack={stack} quantile=p50" Milliseconds "{stack}, buys, p50";
            "peer-latency stack={stack} quantile=p99" Milliseconds "{stack}, buys, p99";
        },
    ),
    Rows(
        &[Numbers("concurrency", &CONCURRENCIES)],
        &metrics! {
            "peer-orders concurrency={concurrency}" PerSecond "Express and BullMQ, concurrency {concurrency}";
        },
    ),
    Rows(
        &[STACKS],
        &metrics! { "peer-orders stack={stack}" PerSecond "{stack}, orders of one product"; },
    ),
];

/// The report, from top to bottom.
pub const SECTIONS: &[Section] = &[
    section("Settlement, orders: 1 product, 1 worker", BY_BATCH),
    section(
        "Settlement, orders: workers and products",
        WORKERS_AND_PRODUCTS,
    ),
    section(
        "Settlement, orders: PostgreSQL a round trip away",
        BY_DISTANCE,
    ),
    section("Turnstile, buys", TURNSTILE),
    section("Acknowledgements, 64 connections", ACKNOWLEDGEMENTS),
    section("Acknowledgements, other numbers of connections", CROWDS),
    section("Open loop, of the most POST /buy does", OPEN_LOOP),
    section("Processor time", PROCESSOR_TIME),
    section("Tokens of 1 kB, processor time of the gateway", TOKENS),
    section("TLS to the stores, processor time", TLS),
    section("Memory", MEMORY),
    section("From a buy to order_confirmed", CONFIRMATIONS),
    section("Connected shoppers", SOCKETS),
    section("Buys through one sale, beside the fewest", BUYS_OF_ONE_SALE),
    section("Jobs in one lane, beside the fewest", JOBS_OF_ONE_LANE),
    section(
        "Products of one sale, 8 lanes at a time",
        PRODUCTS_OF_ONE_SALE,
    ),
    section("Open sales, all but one asleep", OPEN_SALES),
    section("Beside the usual stack, 64 connections", PEER),
];

const fn section(title: &'static str, blocks: &'static [Block]) -> Section {
    Section { title, blocks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batch_that_is_judged_is_the_one_sales_have_by_default() {
        let default = flashsale_core::sale::spec::WorkerSpec::default().batch_size;
        assert_eq!(Ok(default), i32::try_from(DEFAULT_BATCH));
        assert!(BATCHES.contains(&DEFAULT_BATCH));
    }
}
