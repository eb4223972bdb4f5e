//! Shoppers who press Buy at a real gateway, one at a time, and what the ledger has of them.

use flashsale_domain::id::SaleId;
use serde_json::json;
use sqlx::Connection;
use uuid::Uuid;

use crate::{
    processes::{Child, client},
    services::Services,
};

/// Buys one unit as `user` and answers status and body. A gateway that does not know the sale yet
/// says so; that is the caller's to wait for.
pub async fn press(gateway: &Child, product: &str, user: &str) -> (u16, String) {
    press_by(&client(), gateway, product, user).await
}

/// The same by a client that the caller keeps, for whoever presses often.
pub async fn press_by(
    client: &reqwest::Client,
    gateway: &Child,
    product: &str,
    user: &str,
) -> (u16, String) {
    let answer = client
        .post(format!("{}/buy", gateway.url()))
        .header("Idempotency-Key", Uuid::new_v4().to_string())
        .json(&json!({"productId": product, "userId": user}))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Buys one unit as `user`.
///
/// # Panics
/// When the buy is not queued.
pub async fn buy(gateway: &Child, product: &str, user: &str) {
    let (status, body) = press(gateway, product, user).await;
    assert_eq!(status, 200, "{body}");
}

/// Orders of a sale that were not cancelled.
pub async fn orders(services: &Services, sale: &SaleId) -> i64 {
    let mut connection = sqlx::PgConnection::connect(&services.database_url)
        .await
        .unwrap();
    sqlx::query_scalar("SELECT count(*) FROM orders WHERE sale_id = $1 AND status <> 'CANCELLED'")
        .bind(sale.as_str())
        .fetch_one(&mut connection)
        .await
        .unwrap()
}
