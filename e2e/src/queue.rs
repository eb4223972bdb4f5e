//! Shoppers at the turnstile and jobs in lanes, without a gateway in between.

use flashsale_core::{
    id::{IdempotencyKey, JobId, ProductId, UserId},
    job::{Job, JobOptions, PURCHASE_JOB, Purchase},
    keys::SaleKeys,
    outcome::JobRecord,
    sale::Sale,
    turnstile::{Admission, Buy, Turnstile},
};
use redis::AsyncCommands;

use crate::services::Services;

/// A job as a gateway makes it.
#[must_use]
pub fn job(sale: &Sale, user: &str, product: &ProductId, key: &str) -> Job {
    Job {
        job_id: JobId::with_route(sale.id.route()),
        data: Purchase {
            user_id: UserId::new(user).unwrap(),
            product_id: product.clone(),
            timestamp: 1_715_423_000_000,
            idempotency_key: IdempotencyKey::new(key).unwrap(),
        },
        name: PURCHASE_JOB.to_owned(),
        opts: JobOptions {
            attempts: sale.retry.attempts,
            backoff: sale.retry.backoff,
        },
    }
}

/// A buy of the sale's product number `product`.
#[must_use]
pub fn buy(sale: &Sale, user: &str, product: usize, key: &str) -> Buy {
    let product = &sale.products[product].id;
    let job = job(sale, user, product, key);
    Buy {
        user: job.data.user_id.clone(),
        product: product.clone(),
        key: job.data.idempotency_key.clone(),
        job_id: job.job_id,
        job: serde_json::to_vec(&job).unwrap(),
    }
}

/// Takes `buys` through the turnstile in one call.
pub async fn admit(services: &Services, sale: &Sale, buys: &[Buy]) -> Vec<Admission> {
    let mut queue = services.queue.clone();
    Turnstile::default()
        .admit(&mut queue, &SaleKeys::new(&sale.id), buys)
        .await
        .unwrap()
}

/// Appends `json` to the lane of product number `product`, as another producer would.
pub async fn push(services: &Services, sale: &Sale, product: usize, json: &[u8]) -> String {
    let lane = SaleKeys::new(&sale.id).lane(&sale.products[product].id);
    let mut queue = services.queue.clone();
    queue.xadd(lane, "*", &[("job", json)]).await.unwrap()
}

/// Jobs in the lane of product number `product`.
pub async fn depth(services: &Services, sale: &Sale, product: usize) -> u64 {
    let lane = SaleKeys::new(&sale.id).lane(&sale.products[product].id);
    services.queue.clone().xlen(lane).await.unwrap()
}

/// The record of a job.
pub async fn record(services: &Services, sale: &Sale, job: JobId) -> Option<JobRecord> {
    let jobs = SaleKeys::new(&sale.id).jobs();
    let text: Option<String> = services
        .queue
        .clone()
        .hget(jobs, job.to_string())
        .await
        .unwrap();
    text.map(|text| text.parse().unwrap())
}
