//! `GET /sales`: what is on sale, by Redis's clock.

use flashsale_domain::outcome::Outcome;
use jiff::Timestamp;
use serde_json::json;

use flashsale_queue::keys::{CHANGED, SaleKeys};
use redis::AsyncCommands;
use serde_json::Value;

use crate::support::{World, eventually, one_product};

#[tokio::test]
async fn a_sale_shows_its_state_its_times_and_its_products() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["opensAt"] = json!("2020-01-01T00:00:00Z");
    spec["closesAt"] = json!("2099-01-01T00:00:00Z");
    spec["products"][0]["maxPerUser"] = json!(2);
    spec["products"][0]["image"] = json!("https://shop.example.com/p.png");
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    let answer = gateway.client.get("/sales").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut sales = answer.json();
    let server_time: Timestamp = sales["serverTime"].as_str().unwrap().parse().unwrap();
    let off = Timestamp::now().duration_since(server_time).as_secs_f64();
    assert!(off.abs() < 5.0, "{off}");
    sales["serverTime"] = json!("now");
    sales["sales"][0]["serverTime"] = json!("now");
    insta::assert_json_snapshot!(sales, @r#"
    {
      "sales": [
        {
          "closesAt": "2099-01-01T00:00:00Z",
          "currency": "USD",
          "opensAt": "2020-01-01T00:00:00Z",
          "passRequired": false,
          "products": [
            {
              "description": null,
              "image": "https://shop.example.com/p.png",
              "maxPerUser": 2,
              "name": "A pair",
              "offered": 10,
              "price": 12900,
              "productId": "p",
              "stock": 10
            }
          ],
          "sale": "drop",
          "serverTime": "now",
          "status": "Open"
        }
      ],
      "serverTime": "now"
    }
    "#);
    let mut one = gateway.client.get("/sales/drop").await.json();
    one["serverTime"] = json!("now");
    assert_eq!(one, sales["sales"][0]);
}

#[tokio::test]
async fn an_unknown_sale_is_told() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let answer = gateway.client.get("/sales/nothing").await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "unknown-sale")
    );
    assert_eq!(
        gateway.client.get("/sales").await.json()["sales"],
        json!([])
    );
}

#[tokio::test]
async fn a_record_of_a_later_release_leaves_the_sale_as_it_was_known() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let mut redis = world.connection().await;
    let keys = SaleKeys::new(&sale.id);
    let record: String = redis.hget(keys.record(), "sale").await.unwrap();
    let mut record: Value = serde_json::from_str(&record).unwrap();
    record["format"] = json!(2);
    record["products"][0]["price"] = json!("another meaning");
    let () = redis
        .hset(keys.record(), "sale", record.to_string())
        .await
        .unwrap();
    let () = redis.publish(CHANGED, "drop").await.unwrap();
    // Seen together with the changed record, or after it.
    world.announce("next", one_product("q", 10)).await;
    eventually("the next sale is known", async || {
        gateway.client.get("/sales/next").await.status == 200
    })
    .await;
    let known = gateway.client.get("/sales/drop").await.json();
    assert_eq!(known["products"][0]["price"], 12_900, "{known}");
    gateway.buy("p", "ann", "k").await.job_id();
}

#[tokio::test]
async fn the_last_unit_sold_shows_as_sold_out() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 1)).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    world
        .settle(&sale, "p", 1, Outcome::Confirmed, (0, 2))
        .await;
    eventually("the sale shows as sold out", async || {
        let sale = gateway.client.get("/sales/drop").await.json();
        sale["status"] == "SoldOut" && sale["products"][0]["stock"] == 0
    })
    .await;
}

#[tokio::test]
async fn answers_off_the_hot_path_are_compressed_on_request() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1)).await;
    let gateway = world.gateway().await;
    let gzip = [("accept-encoding", "gzip")];
    let sales = gateway
        .client
        .request("GET", "/openapi.json", &gzip, b"")
        .await;
    assert_eq!(sales.header("content-encoding"), Some("gzip"));
    let body = br#"{"productId":"p","userId":"ann"}"#;
    let buy = gateway
        .client
        .post_buy(&[gzip[0], ("idempotency-key", "k")], body)
        .await;
    assert_eq!((buy.status, buy.header("content-encoding")), (200, None));
}
