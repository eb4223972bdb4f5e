//! The sales of a run, and the shoppers' buys.

use std::time::Duration;

use flashsale_core::{
    catalogue,
    id::{IdempotencyKey, JobId, ProductId, SaleId, UserId},
    job::{Job, JobOptions, PURCHASE_JOB, Purchase},
    keys::SaleKeys,
    sale::{
        Durability, Product, RateLimit, Sale, Schedule, Turnstile, WorkerPolicy, behavior::Behavior,
    },
    stock,
    turnstile::Buy,
};
use uuid::Uuid;

use crate::{error::BenchError, stores::Stores};

/// Cents; no figure depends on it.
pub const PRICE: i32 = 9_900;

/// More requests than any shopper of the bench sends: the limit is looked at and never reached.
const REQUESTS_A_SECOND: u32 = 1_000_000;

/// Room in a lane for more jobs than any measurement queues.
const MAX_QUEUE_DEPTH: u64 = 100_000_000;

/// Stock that no measurement of acknowledgements exhausts.
pub const HUGE_STOCK: i32 = 2_000_000_000;

/// Hexadecimal digits in the id of a shopper: with its prefix as long as those that identity
/// providers hand out.
const USER_DIGITS: usize = 17;

/// Milliseconds since the Unix epoch that jobs bear; no figure depends on it.
const TIMESTAMP_MS: i64 = 1_715_423_000_000;

/// An open sale named `bench-NUMBER` of `products` products with `stock` units each.
pub fn sale(number: u32, products: u32, stock: i32) -> Result<Sale, BenchError> {
    let products = (0..products)
        .map(|index| product(number, index, stock))
        .collect::<Result<_, BenchError>>()?;
    Ok(Sale {
        id: SaleId::new(format!("bench-{number}"))?,
        schedule: Schedule::default(),
        suspended: false,
        products,
        retired: Vec::new(),
        turnstile: Turnstile {
            rate_limit: RateLimit {
                requests: REQUESTS_A_SECOND,
                window: Duration::from_secs(1),
                burst: REQUESTS_A_SECOND,
            },
            max_queue_depth: MAX_QUEUE_DEPTH,
            pass_required: false,
        },
        // Only the operator and `flashsale up` read it; workers are told their batch size.
        workers: WorkerPolicy {
            min_replicas: 1,
            max_replicas: 1,
            target_queue_depth: 1,
            batch_size: 1,
            lanes_per_worker: 1,
            prewarm: Duration::ZERO,
            scale_down_stabilization: Duration::ZERO,
            behavior: Behavior::default(),
            fallback: None,
        },
        retry: JobOptions::default(),
        drain_timeout: Duration::from_secs(1),
        durability: Durability::default(),
    })
}

/// What the names of all products of sale `number` begin with; their index follows.
#[must_use]
pub fn product_prefix(number: u32) -> String {
    format!("hot-{number}-")
}

fn product(number: u32, index: u32, stock: i32) -> Result<Product, BenchError> {
    let prefix = product_prefix(number);
    Ok(Product {
        id: ProductId::new(format!("{prefix}{index}"))?,
        name: format!("Hot product {index}"),
        description: None,
        price: PRICE,
        stock,
        image: None,
        max_per_user: None,
    })
}

/// Puts `sale` in force: ledger, stock, catalogue.
pub async fn open(stores: &Stores, sale: &Sale) -> Result<(), BenchError> {
    let levels = stores.ledger.declare(sale).await?.levels;
    let mut queue = stores.queue.clone();
    stock::publish(&mut queue, &SaleKeys::new(&sale.id), &levels).await?;
    catalogue::announce(&mut queue, sale, false).await?;
    Ok(())
}

/// `count` buys of different shoppers, spread evenly over the products of `sale`, with the jobs
/// that a gateway makes of them.
pub fn buys(sale: &Sale, count: u32) -> Result<Vec<Buy>, BenchError> {
    let products = sale.products.iter().cycle();
    (0..count)
        .zip(products)
        .map(|(_, product)| buy(sale, &product.id))
        .collect()
}

fn buy(sale: &Sale, product: &ProductId) -> Result<Buy, BenchError> {
    // Random ids, as shoppers come in no order: the ledger's index over them is hit all over.
    let shopper = Uuid::new_v4().simple().to_string();
    let job = Job {
        job_id: JobId::with_route(sale.id.route()),
        data: Purchase {
            user_id: UserId::new(format!("user_{}", &shopper[..USER_DIGITS]))?,
            product_id: product.clone(),
            timestamp: TIMESTAMP_MS,
            idempotency_key: IdempotencyKey::new(Uuid::new_v4().to_string())?,
        },
        name: PURCHASE_JOB.to_owned(),
        opts: sale.retry,
    };
    Ok(Buy {
        user: job.data.user_id.clone(),
        product: product.clone(),
        key: job.data.idempotency_key.clone(),
        job_id: job.job_id,
        job: serde_json::to_vec(&job)?,
    })
}
