//! A payment service of the shop's own, end to end.

use std::{collections::HashMap, io::Write as _, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::till::spec;
use crate::{
    orders::migrated,
    support::{Gateway, World, client::Answer, eventually, tokens::unix_seconds},
};
use flashsale_testbed::fixtures::queue::job;

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the service was told, by the ids of messages: each is carried out once.
#[derive(Default)]
struct Service {
    heard: Mutex<HashMap<String, Value>>,
    order: Mutex<Vec<String>>,
    /// The money that came, by payment.
    paid: Mutex<HashMap<String, i64>>,
}

impl Service {
    async fn start() -> (Arc<Self>, String) {
        let service = Arc::new(Self::default());
        let router = Router::new()
            .route("/flashsale", post(answer))
            .with_state(Arc::clone(&service));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/flashsale", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        (service, url)
    }

    fn heard(&self, kind: &str) -> Vec<Value> {
        let heard = self.heard.lock();
        let all = self.order.lock();
        let of_kind = all.iter().map(|id| heard[id].clone());
        of_kind
            .filter(|message| message["type"] == kind)
            .map(|message| message["data"].clone())
            .collect()
    }
}

fn code(id: &str, time: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SECRET).unwrap());
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

async fn answer(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let header = |name: &str| headers[name].to_str().unwrap();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    if header("webhook-signature") != code(id, time, &body) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let message: Value = serde_json::from_str(&body).unwrap();
    if service
        .heard
        .lock()
        .insert(id.to_owned(), message.clone())
        .is_none()
    {
        service.order.lock().push(id.to_owned());
    }
    let data = &message["data"];
    let payment = data["paymentId"].as_str().unwrap();
    Ok(Json(match message["type"].as_str().unwrap() {
        "session.create" => {
            json!({ "sessionId": format!("s-{payment}"), "url": format!("https://pay.example.com/{payment}") })
        }
        "session.end" => match service.paid.lock().get(payment) {
            Some(amount) => {
                json!({ "status": "paid", "paymentRef": "m", "amount": amount, "currency": "USD" })
            }
            None => json!({ "status": "ended" }),
        },
        "refund" => json!({ "refundId": format!("r-{payment}") }),
        other => panic!("{other}"),
    }))
}

async fn tell(gateway: &Gateway, id: &str, kind: &str, data: &Value) -> Answer {
    let body =
        json!({ "type": kind, "timestamp": "2026-01-01T00:00:00Z", "data": data }).to_string();
    let time = unix_seconds().to_string();
    let signature = code(id, &time, &body);
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", id),
        ("webhook-timestamp", time.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let path = "/payments/pay/events";
    gateway
        .client
        .request("POST", path, &headers, body.as_bytes())
        .await
}

/// What the service is told of an order of ann's.
fn assert_complete(asked: &Value) {
    for (field, value) in [
        ("userId", json!("ann")),
        ("sale", json!("drop")),
        ("productId", json!("p")),
        ("productName", json!("A pair")),
        ("amount", json!(12_900)),
        ("currency", json!("USD")),
        ("returnUrl", json!("https://shop.example.com/shop/drop")),
    ] {
        assert_eq!(asked[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_service_of_the_shops_own_takes_payments() {
    let (world, postgres) = World::with_ledger().await;
    let ledger = migrated(&postgres.url()).await;
    let sale = world.announce("drop", spec("Refund")).await;
    ledger.declare(&sale).await.unwrap();
    let (service, url) = Service::start().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        "pay:\n  kind: webhook\n  url: {url}\n  webhookSecrets: [whsec_{SECRET}]\n  \
         returnUrl: https://shop.example.com/shop/{{sale}}\n"
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let gateway = world
        .gateway_with(&["--auth-mode=off", "--payment-providers", path])
        .await;
    let order = async |user: &str| {
        let job = job(&sale, user, &sale.products[0].id, "k");
        let settled = ledger
            .settle_alone(&sale.id, &sale.products[0].id, &[&job])
            .await;
        assert_eq!(settled.unwrap().confirmed, 1);
        job.job_id.to_string()
    };
    let call = async |call: &str, job: &str| {
        let path = format!("/orders/{job}/{call}");
        let answer = gateway.client.request("POST", &path, &[], b"").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let state = async |job: &str| {
        gateway.client.get(&format!("/orders/{job}")).await.json()["order"]["state"].clone()
    };

    // Paid.
    let ann = order("ann").await;
    let page = call("checkout", &ann).await;
    let asked = service.heard("session.create").remove(0);
    assert_eq!(
        page["url"],
        format!(
            "https://pay.example.com/{}",
            asked["paymentId"].as_str().unwrap()
        )
    );
    assert_complete(&asked);
    let paid = json!({ "paymentId": asked["paymentId"], "paymentRef": "m1", "amount": 12_900, "currency": "USD" });
    let told = tell(&gateway, "1", "payment.paid", &paid).await;
    assert_eq!(
        (told.status, &told.json()["result"]),
        (200, &json!("completed"))
    );
    let told = tell(&gateway, "1", "payment.paid", &paid).await;
    assert_eq!(told.json()["result"], "repeat");
    assert_eq!(state(&ann).await, "completed");
    let without_amount = json!({ "paymentId": asked["paymentId"], "currency": "USD" });
    let told = tell(&gateway, "2", "payment.paid", &without_amount).await;
    assert_eq!(told.problem(), "body-invalid");

    // Declined.
    let bob = order("bob").await;
    call("checkout", &bob).await;
    let asked = service.heard("session.create").remove(1);
    let told = tell(
        &gateway,
        "3",
        "payment.declined",
        &json!({ "paymentId": asked["paymentId"] }),
    )
    .await;
    assert_eq!(told.json()["result"], "declined");
    assert_eq!(state(&bob).await, "cancelled");

    // Given back by the shopper, and paid all the same.
    let cid = order("cid").await;
    call("checkout", &cid).await;
    let asked = service.heard("session.create").remove(2);
    let payment = asked["paymentId"].as_str().unwrap().to_owned();
    service.paid.lock().insert(payment.clone(), 12_900);
    call("cancel", &cid).await;
    eventually("the money is paid back", async || {
        service
            .heard("refund")
            .iter()
            .any(|refund| refund["paymentId"] == *payment)
    })
    .await;
    eventually("the ledger knows", async || {
        let refund: Option<String> = sqlx::query_scalar(
            "SELECT refund_ref FROM payments WHERE id = $1::uuid AND state = 'REFUNDED'",
        )
        .bind(payment.parse::<uuid::Uuid>().unwrap())
        .fetch_optional(ledger.pool())
        .await
        .unwrap()
        .flatten();
        refund == Some(format!("r-{payment}"))
    })
    .await;
    assert_eq!(state(&cid).await, "cancelled");
    assert_eq!(service.heard("refund").len(), 1);
}
