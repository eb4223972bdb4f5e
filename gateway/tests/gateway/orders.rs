//! `GET /orders/{jobId}`: queued, ended, somebody else's, and known to the ledger alone.

use flashsale_domain::{id::SaleId, outcome::Outcome};
use flashsale_ledger::LedgerConfig;
use flashsale_queue::keys::SaleKeys;
use redis::AsyncCommands as _;
use serde_json::json;

use crate::support::{
    World, one_product,
    tokens::{JwksFile, Key},
};

#[tokio::test]
async fn a_queued_buy_moves_up_and_ends() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let mut jobs = Vec::new();
    for user in ["ann", "bob", "cid"] {
        jobs.push(gateway.buy("p", user, "k").await.job_id());
    }
    let status = async |job: &str| gateway.client.get(&format!("/orders/{job}")).await;
    let queued = status(&jobs[2]).await;
    assert_eq!(queued.header("cache-control"), Some("no-store"));
    let expected = json!({
        "jobId": jobs[2], "status": "queued", "position": 3, "ticket": 3, "productId": "p"
    });
    assert_eq!(queued.json(), expected);

    world
        .settle(&sale, "p", 1, Outcome::Confirmed, (9, 2))
        .await;
    let confirmed =
        json!({ "jobId": jobs[0], "status": "confirmed", "productId": "p", "orderId": 4711 });
    assert_eq!(status(&jobs[0]).await.json(), confirmed);
    let moved = status(&jobs[2]).await.json();
    assert_eq!(
        (&moved["position"], &moved["ticket"]),
        (&json!(2), &json!(3))
    );

    for (job, outcome) in [(&jobs[1], Outcome::SoldOut), (&jobs[2], Outcome::Failed)] {
        world.settle(&sale, "p", 1, outcome, (9, 3)).await;
        let ended = json!({ "jobId": job, "status": outcome.as_str(), "productId": "p" });
        assert_eq!(status(job).await.json(), ended);
    }
}

#[tokio::test]
async fn a_buy_is_its_owners_alone() {
    let (world, postgres) = World::with_ledger().await;
    let ledger = migrated(&postgres.url()).await;
    world.announce("drop", one_product("p", 10)).await;
    let key = Key::ed25519("one", 1);
    let keys = JwksFile::new(&[&key]);
    let gateway = world.gateway_with(&keys.arguments()).await;
    let job = gateway
        .client
        .buy_as("p", &key.token("ann"), "k")
        .await
        .job_id();
    let path = format!("/orders/{job}");
    assert_eq!(
        gateway.client.get_as(&path, &key.token("ann")).await.status,
        200
    );
    let others = gateway.client.get_as(&path, &key.token("bob")).await;
    assert_eq!(
        (others.status, others.problem().as_str()),
        (404, "unknown-order")
    );
    let nobodys = gateway.client.get(&path).await;
    assert_eq!(
        (nobodys.status, nobodys.problem().as_str()),
        (401, "unauthorized")
    );
    let never = gateway
        .client
        .get_as(
            &format!("/orders/{}", uuid::Uuid::now_v7()),
            &key.token("ann"),
        )
        .await;
    assert_eq!(
        never.json()["detail"],
        others.json()["detail"],
        "existence is private"
    );
    drop(ledger);
}

#[tokio::test]
async fn a_malformed_record_is_shown_to_nobody() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let key = Key::ed25519("one", 1);
    let gateway = world
        .gateway_with(&JwksFile::new(&[&key]).arguments())
        .await;
    let open = world.gateway().await;
    let mut connection = world.connection().await;
    for record in ["z 12 p alice", "c twelve p alice", "q 1 p p alice"] {
        let job = uuid::Uuid::now_v7().to_string();
        let keys = SaleKeys::new(&sale.id);
        let _: () = connection.hset(keys.jobs(), &job, record).await.unwrap();
        let path = format!("/orders/{job}");
        let owner = open.client.get(&path).await;
        let found = (owner.status, owner.problem());
        assert_eq!(found, (500, "internal-error".to_owned()), "{record}");
        assert!(!owner.text().contains("alice"), "{}", owner.text());
        let stranger = gateway.client.get_as(&path, &key.token("bob")).await;
        let found = (stranger.status, stranger.problem());
        assert_eq!(found, (404, "unknown-order".to_owned()), "{record}");
    }
    let job = uuid::Uuid::now_v7().to_string();
    let keys = SaleKeys::new(&sale.id);
    let _: () = connection
        .hset(keys.jobs(), &job, "z 12 p alice")
        .await
        .unwrap();
    let owner = gateway
        .client
        .get_as(&format!("/orders/{job}"), &key.token("alice"))
        .await;
    assert_eq!(owner.status, 500);
}

#[tokio::test]
async fn ids_that_are_none_are_unknown() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    for id in [
        "1",
        "not-a-uuid",
        "%00",
        "%ff",
        "a%20b",
        "%7B%7D",
        "0190a5a0-7000-7000-8000-00000000000",
    ] {
        let answer = gateway.client.get(&format!("/orders/{id}")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "unknown-order"),
            "{id}"
        );
    }
}

pub(crate) async fn migrated(url: &str) -> flashsale_ledger::Ledger {
    let ledger = flashsale_ledger::Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: flashsale_transport::TlsSource::System,
        connections: 2,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
    })
    .unwrap();
    ledger.migrate().await.unwrap();
    ledger
}

#[tokio::test]
async fn an_order_that_redis_lost_is_found_in_the_ledger() {
    let (mut world, postgres) = World::with_ledger().await;
    let ledger = migrated(&postgres.url()).await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    ledger.declare(&sale).await.unwrap();
    let gateway = world.gateway().await;
    let job = gateway.buy("p", "ann", "k").await.job_id();
    sqlx::query(
        "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price) \
         VALUES ('ann', 'p', 'COMPLETED', 'drop', $1, 'k', 100)",
    )
    .bind(job.parse::<uuid::Uuid>().unwrap())
    .execute(ledger.pool())
    .await
    .unwrap();
    let path = format!("/orders/{job}");
    assert_eq!(gateway.client.get(&path).await.json()["status"], "queued");

    let keys = SaleKeys::new(&SaleId::new("drop").unwrap());
    let mut connection = world.connection().await;
    let _: () = connection.del(keys.jobs()).await.unwrap();
    let found = gateway.client.get(&path).await;
    let expected = json!({ "jobId": job, "status": "confirmed", "productId": "p", "orderId": 1 });
    assert_eq!(found.json(), expected);

    world.redis.kill().await.unwrap();
    assert_eq!(
        gateway.client.get(&path).await.json(),
        expected,
        "with Redis away too"
    );
    let unknown = gateway
        .client
        .get(&format!("/orders/{}", uuid::Uuid::now_v7()))
        .await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (503, "unavailable"),
        "not asked is not 404"
    );
    assert!(unknown.asks_to_come_back_soon(), "{unknown:?}");
}

#[tokio::test]
async fn a_job_of_another_producer_is_found_whatever_its_id() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    world.announce("other", one_product("q", 10)).await;
    let gateway = world.gateway().await;
    let job = "6b1f7c1e-8a34-4c1b-9d59-0d8f1c1f2a3b";
    let mut connection = world.connection().await;
    let keys = SaleKeys::new(&sale.id);
    let _: () = connection
        .hset(keys.jobs(), job, "l 0 p ann")
        .await
        .unwrap();
    let answer = gateway.client.get(&format!("/orders/{job}")).await;
    assert_eq!(answer.json()["status"], "limit_reached");
}
