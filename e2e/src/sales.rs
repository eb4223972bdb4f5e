//! Sales to sell.

use std::time::Duration;

use flashsale_core::{
    catalogue,
    id::{ProductId, SaleId},
    job::JobOptions,
    keys::SaleKeys,
    sale::{Product, RateLimit, Sale, Schedule, Turnstile, WorkerPolicy, behavior::Behavior},
    stock,
};

use crate::services::Services;

/// A sale named `id` that is open, offers `products` (id, stock), limits nothing that a test does
/// not ask for, and retries without long waits.
#[must_use]
pub fn sale(id: &str, products: &[(&str, i32)]) -> Sale {
    Sale {
        id: SaleId::new(id).unwrap(),
        schedule: Schedule::default(),
        suspended: false,
        products: products
            .iter()
            .map(|(id, stock)| product(id, *stock))
            .collect(),
        turnstile: Turnstile {
            rate_limit: RateLimit {
                requests: 1_000_000,
                window: Duration::from_secs(1),
                burst: 1_000_000,
            },
            max_queue_depth: 10_000_000,
        },
        workers: WorkerPolicy {
            min_replicas: 1,
            max_replicas: 4,
            target_queue_depth: 1_000,
            batch_size: 500,
            lanes_per_worker: 8,
            prewarm: Duration::from_secs(5),
            scale_down_stabilization: Duration::from_secs(5),
            behavior: Behavior::default(),
            fallback: None,
        },
        retry: JobOptions {
            attempts: 3,
            backoff: 50,
        },
        drain_timeout: Duration::from_secs(30),
    }
}

/// A product named `id` with `stock` units, without a limit for one shopper.
#[must_use]
pub fn product(id: &str, stock: i32) -> Product {
    Product {
        id: ProductId::new(id).unwrap(),
        name: format!("Product {id}"),
        description: None,
        price: 9_900,
        stock,
        image: None,
        max_per_user: None,
    }
}

/// Puts `sale` in force: ledger, stock, catalogue.
pub async fn open(services: &Services, sale: &Sale) {
    let levels = services.ledger.declare(sale).await.unwrap();
    let mut queue = services.queue.clone();
    stock::publish(&mut queue, &SaleKeys::new(&sale.id), &levels)
        .await
        .unwrap();
    catalogue::announce(&mut queue, sale, false).await.unwrap();
}
