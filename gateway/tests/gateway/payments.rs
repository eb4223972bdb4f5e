//! Orders that have to be paid: what their owners are told of them, in answers and events.

use flashsale_domain::{
    event::{OrdersChanged, Settled},
    id::{JobId, ProductId, UserId},
    outcome::Outcome,
    sale::Sale,
};
use flashsale_ledger::Ledger;
use flashsale_queue::keys::{EVENTS, ORDERS, SaleKeys};
use flashsale_testbed::postgres::Postgres;
use jiff::Timestamp;
use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::{
    orders::migrated,
    support::{
        Gateway, World, eventually, one_product,
        socket::Socket,
        tokens::{JwksFile, Key},
    },
};

/// The number that [`World::settle`] gives to the first order.
const ORDER: i64 = 4711;

const EXPIRES_MS: i64 = 1_893_456_000_120;
const EXPIRES_AT: &str = "2030-01-01T00:00:00.120Z";

/// A sale whose orders have to be paid.
fn paid() -> Value {
    let mut spec = one_product("p", 10);
    spec["payment"] = json!({ "windowSeconds": 90 });
    spec
}

/// Has ann buy, and the buy become order [`ORDER`].
async fn confirmed(world: &World, gateway: &Gateway, sale: &Sale) -> String {
    let job = gateway.buy("p", "ann", "k").await.job_id();
    world.settle(sale, "p", 1, Outcome::Confirmed, (9, 2)).await;
    job
}

/// Writes what a worker would write of the order.
async fn note(world: &World, sale: &Sale, state: &str) {
    let mut connection = world.connection().await;
    let orders = SaleKeys::new(&sale.id).orders();
    let () = connection.hset(orders, ORDER, state).await.unwrap();
}

/// The answer about a buy; its clock was looked at, and is left out.
async fn asked(gateway: &Gateway, job: &str) -> Value {
    let answer = gateway.client.get(&format!("/orders/{job}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut answer = answer.json();
    let is_pending = answer["order"]["state"] == "pending";
    let clock = answer.as_object_mut().unwrap().remove("serverTime");
    assert_eq!(clock.is_some(), is_pending, "{answer}");
    if let Some(clock) = clock {
        let clock: Timestamp = clock.as_str().unwrap().parse().unwrap();
        let off = Timestamp::now().duration_since(clock).as_secs_f64();
        assert!(off.abs() < 5.0, "{off}");
    }
    answer
}

/// What is answered of order `id` of `job`, of which `order` is known.
fn told(job: &str, id: i64, order: &Value) -> Value {
    let mut order = order.clone();
    order["id"] = json!(id);
    if order["state"] == "cancelled" {
        json!({ "jobId": job, "status": "cancelled", "productId": "p", "order": order })
    } else {
        json!({ "jobId": job, "status": "confirmed", "productId": "p", "orderId": id, "order": order })
    }
}

#[tokio::test]
async fn a_sale_says_how_long_an_order_may_wait_for_its_payment() {
    let world = World::new().await;
    world.announce("drop", paid()).await;
    let gateway = world.gateway().await;
    let sale = gateway.client.get("/sales/drop").await.json();
    assert_eq!(sale["payment"], json!({ "windowSeconds": 90 }));
}

#[tokio::test]
async fn an_order_is_told_as_redis_has_it() {
    let world = World::new().await;
    let sale = world.announce("drop", paid()).await;
    let gateway = world.gateway().await;
    let job = confirmed(&world, &gateway, &sale).await;
    let unsaid = gateway.client.get(&format!("/orders/{job}")).await;
    assert_eq!(unsaid.status, 503, "only the ledger knows, which is away");
    let completed = json!({ "state": "completed" });
    for (state, order) in [
        (
            format!("p {EXPIRES_MS}"),
            json!({ "state": "pending", "expiresAt": EXPIRES_AT }),
        ),
        ("p".to_owned(), json!({ "state": "pending" })),
        ("c".to_owned(), completed),
        (
            "x expired".to_owned(),
            json!({ "state": "cancelled", "reason": "expired" }),
        ),
        ("x".to_owned(), json!({ "state": "cancelled" })),
    ] {
        note(&world, &sale, &state).await;
        let known = told(&job, ORDER, &order);
        assert_eq!(asked(&gateway, &job).await, known, "{state}");
    }
    // A repeat is answered as the first time, and says nothing of how the buy ended.
    let repeat = gateway.buy("p", "ann", "k").await;
    assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
    assert_eq!(
        (repeat.job_id(), &repeat.json()["status"]),
        (job, &json!("queued"))
    );
}

#[tokio::test]
async fn a_cancelled_order_is_never_confirmed_where_nothing_had_to_be_paid_either() {
    let (world, postgres) = World::with_ledger().await;
    let ledger = migrated(&postgres.url()).await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    ledger.declare(&sale).await.unwrap();
    let gateway = world.gateway().await;
    let job = confirmed(&world, &gateway, &sale).await;
    let before = json!({ "jobId": job, "status": "confirmed", "productId": "p", "orderId": ORDER });
    assert_eq!(asked(&gateway, &job).await, before);
    let cancelled = json!({ "state": "cancelled", "reason": "staff" });
    note(&world, &sale, "x staff").await;
    assert_eq!(asked(&gateway, &job).await, told(&job, ORDER, &cancelled));

    let id = order(&ledger, &job, "'CANCELLED', NULL, 'staff'").await;
    forget(&world, &sale).await;
    assert_eq!(asked(&gateway, &job).await, told(&job, id, &cancelled));
}

/// Writes ann's order of `job` into the ledger, with these `status, expires_at, end_reason`.
async fn order(ledger: &Ledger, job: &str, fields: &str) -> i64 {
    let insert = format!(
        "INSERT INTO orders (user_id, product_id, sale_id, job_id, idempotency_key, price, \
                             status, expires_at, end_reason) \
         VALUES ('ann', 'p', 'drop', $1, $1::text, 100, {fields}) RETURNING id::bigint"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(insert))
        .bind(job.parse::<uuid::Uuid>().unwrap())
        .fetch_one(ledger.pool())
        .await
        .unwrap()
}

/// Has Redis lose what became of the sale's buys.
async fn forget(world: &World, sale: &Sale) {
    let mut connection = world.connection().await;
    let keys = SaleKeys::new(&sale.id);
    let () = connection.del(&[keys.jobs(), keys.orders()]).await.unwrap();
}

/// A sale with or without payment, and the ledger that has it.
async fn with_ledger(spec: Value) -> (World, Postgres, Ledger, Sale) {
    let (world, postgres) = World::with_ledger().await;
    let ledger = migrated(&postgres.url()).await;
    let sale = world.announce("drop", spec).await;
    ledger.declare(&sale).await.unwrap();
    (world, postgres, ledger, sale)
}

#[tokio::test]
async fn an_order_that_redis_lost_is_told_as_the_ledger_has_it() {
    let (world, _postgres, ledger, _) = with_ledger(paid()).await;
    let gateway = world.gateway().await;
    let at = format!("to_timestamp({EXPIRES_MS} / 1000.0)");
    for (fields, state) in [
        (
            format!("'PENDING', {at}, NULL"),
            json!({ "state": "pending", "expiresAt": EXPIRES_AT }),
        ),
        (
            "'PENDING', NULL, NULL".to_owned(),
            json!({ "state": "pending" }),
        ),
        (
            format!("'COMPLETED', {at}, NULL"),
            json!({ "state": "completed" }),
        ),
        (
            "'COMPLETED', NULL, NULL".to_owned(),
            json!({ "state": "completed" }),
        ),
        (
            format!("'CANCELLED', {at}, 'declined'"),
            json!({ "state": "cancelled", "reason": "declined" }),
        ),
        (
            "'CANCELLED', NULL, NULL".to_owned(),
            json!({ "state": "cancelled" }),
        ),
    ] {
        let job = uuid::Uuid::now_v7().to_string();
        let id = order(&ledger, &job, &fields).await;
        assert_eq!(
            asked(&gateway, &job).await,
            told(&job, id, &state),
            "{fields}"
        );
    }
}

#[tokio::test]
async fn a_state_that_is_none_is_unknown_and_shown_to_nobody() {
    let world = World::new().await;
    let sale = world.announce("drop", paid()).await;
    let open = world.gateway().await;
    let key = Key::ed25519("one", 1);
    let guarded = world
        .gateway_with(&JwksFile::new(&[&key]).arguments())
        .await;
    let job = confirmed(&world, &open, &sale).await;
    let path = format!("/orders/{job}");
    for state in ["", "C", "p soon", "p 9223372036854775807", "x a\nb", "x "] {
        note(&world, &sale, state).await;
        let owner = open.client.get(&path).await;
        let found = (owner.status, owner.problem());
        assert_eq!(found, (503, "unavailable".to_owned()), "{state:?}");
        let owner = guarded.client.get_as(&path, &key.token("ann")).await;
        assert_eq!(owner.status, 503, "{state:?}");
        let stranger = guarded.client.get_as(&path, &key.token("bob")).await;
        let found = (stranger.status, stranger.problem());
        // Without a ledger nobody knows that it is not bob's either, as with any other buy.
        assert_eq!(found, (503, "unavailable".to_owned()), "{state:?}");
    }
}

#[tokio::test]
async fn the_ledger_knows_what_redis_has_not_readable() {
    let (world, _postgres, ledger, sale) = with_ledger(paid()).await;
    let gateway = world.gateway().await;
    let job = confirmed(&world, &gateway, &sale).await;
    note(&world, &sale, "y").await;
    let key = Key::ed25519("one", 1);
    let guarded = world
        .gateway_with(&JwksFile::new(&[&key]).arguments())
        .await;
    let path = format!("/orders/{job}");
    let strange = async || guarded.client.get_as(&path, &key.token("bob")).await.status;
    let own = async || guarded.client.get_as(&path, &key.token("ann")).await.status;
    assert_eq!((own().await, strange().await), (503, 404));
    let id = order(&ledger, &job, "'CANCELLED', now(), 'expired'").await;
    let known = told(
        &job,
        id,
        &json!({ "state": "cancelled", "reason": "expired" }),
    );
    assert_eq!(asked(&gateway, &job).await, known);
    assert_eq!((own().await, strange().await), (200, 404));
}

/// Says what a worker would say.
async fn publish(world: &World, channel: &str, message: Vec<u8>) {
    let mut connection = world.connection().await;
    let heard: usize = connection.publish(channel, message).await.unwrap();
    assert!(heard > 0, "nobody listens to {channel}");
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A settled batch of `users`, whose orders have these numbers from 1 on and these states.
fn settled(sale: &Sale, users: &[&str], states: &[&str]) -> Settled {
    let users = users.iter().zip(1..);
    Settled {
        sale: sale.id.clone(),
        product: ProductId::new("p").unwrap(),
        stock: None,
        version: 0,
        confirmed: users.map(|(name, id)| (user(name), JOB, id)).collect(),
        states: states.iter().map(|&state| state.to_owned()).collect(),
        rejected: Vec::new(),
    }
}

const JOB: JobId = JobId(uuid::Uuid::nil());

/// What follows about orders, up to and with that of order `last`.
async fn orders_until(socket: &mut Socket, last: i64) -> Vec<(String, Value)> {
    let mut heard = Vec::new();
    loop {
        let (name, mut payload) = socket.event().await.expect("the socket to stay open");
        if !name.starts_with("order_") {
            continue;
        }
        assert_eq!(payload["jobId"], JOB.to_string());
        assert_eq!(payload["productId"], "p");
        let fields = payload.as_object_mut().unwrap();
        fields.remove("jobId");
        fields.remove("productId");
        let is_last = payload["orderId"] == last;
        heard.push((name, payload));
        if is_last {
            return heard;
        }
    }
}

fn events<const N: usize>(events: [(&str, Value); N]) -> Vec<(String, Value)> {
    let owned = events.map(|(name, payload)| (name.to_owned(), payload));
    owned.into()
}

#[tokio::test]
async fn a_settled_order_is_told_to_its_owner_as_it_stands() {
    let world = World::new().await;
    let sale = world.announce("drop", paid()).await;
    let gateway = world.gateway().await;
    let ann = json!({ "userId": "ann" });
    let mut ann = Socket::connect(gateway.client.address, &ann).await;
    let pending = format!("p {EXPIRES_MS}");
    let states = [pending.as_str(), "c", "x expired", "x", "p", "", "p soon"];
    let batch = settled(&sale, &["ann"; 7], &states);
    publish(&world, EVENTS, batch.to_json().unwrap()).await;
    // Fewer states than orders: what is said of none is unknown.
    let mut short = settled(&sale, &["ann"; 2], &["p"]);
    for (order, id) in short.confirmed.iter_mut().zip(10..) {
        order.2 = id;
    }
    publish(&world, EVENTS, short.to_json().unwrap()).await;
    // A message of the release before this field.
    let old = json!({ "sale": "drop", "product": "p", "stock": null, "version": 0,
        "confirmed": [["ann", JOB, 99]], "rejected": [] });
    publish(&world, EVENTS, old.to_string().into()).await;
    let expected = events([
        (
            "order_confirmed",
            json!({ "orderId": 1, "expiresAt": EXPIRES_AT }),
        ),
        ("order_confirmed", json!({ "orderId": 2 })),
        (
            "order_cancelled",
            json!({ "orderId": 3, "reason": "expired" }),
        ),
        ("order_cancelled", json!({ "orderId": 4, "reason": null })),
        ("order_confirmed", json!({ "orderId": 5 })),
        ("order_confirmed", json!({ "orderId": 10 })),
        ("order_confirmed", json!({ "orderId": 99 })),
    ]);
    assert_eq!(orders_until(&mut ann, 99).await, expected);
}

#[tokio::test]
async fn changes_of_orders_reach_their_owners_alone_on_every_gateway() {
    let world = World::new().await;
    let sale = world.announce("drop", paid()).await;
    let gateways = [world.gateway().await, world.gateway().await];
    let connect = async |at: usize, auth| {
        let mut socket = Socket::connect(gateways[at].client.address, &auth).await;
        // Joined.
        socket.event_named("sale-status").await;
        socket
    };
    let mut anns = [
        connect(0, json!({ "userId": "ann" })).await,
        connect(1, json!({ "userId": "ann" })).await,
    ];
    let mut bob = connect(1, json!({ "userId": "bob" })).await;
    let mut nobody = connect(0, json!({})).await;
    let change = |name: &str, id, state: &str| (user(name), JOB, id, state.to_owned());
    publish(&world, ORDERS, b"nonsense".to_vec()).await;
    let changed = OrdersChanged {
        sale: sale.id.clone(),
        product: ProductId::new("p").unwrap(),
        orders: vec![
            change("ann", 1, "c"),
            change("bob", 2, "x staff"),
            change("ann", 3, "x expired"),
            change("ann", 4, "y"),
            change("ann", 5, &format!("p {EXPIRES_MS}")),
            change("bob", 6, "c"),
        ],
    };
    publish(&world, ORDERS, changed.to_json().unwrap()).await;
    for ann in &mut anns {
        let expected = events([
            ("order_paid", json!({ "orderId": 1 })),
            (
                "order_cancelled",
                json!({ "orderId": 3, "reason": "expired" }),
            ),
            (
                "order_confirmed",
                json!({ "orderId": 5, "expiresAt": EXPIRES_AT }),
            ),
        ]);
        assert_eq!(orders_until(ann, 5).await, expected);
    }
    let expected = events([
        (
            "order_cancelled",
            json!({ "orderId": 2, "reason": "staff" }),
        ),
        ("order_paid", json!({ "orderId": 6 })),
    ]);
    assert_eq!(orders_until(&mut bob, 6).await, expected);
    // The stock is told to everyone, after all of that: up to there nobody else heard of an order.
    let mut stock = settled(&sale, &[], &[]);
    (stock.stock, stock.version) = (Some(3), 9);
    publish(&world, EVENTS, stock.to_json().unwrap()).await;
    loop {
        let (name, payload) = nobody.event().await.unwrap();
        assert!(!name.starts_with("order_"), "{name} {payload}");
        if name == "stock-update" && payload["stock"] == 3 {
            break;
        }
    }
    eventually("all messages are counted", async || {
        let [one, two] =
            ["order", "settled"].map(|kind| format!("flashsale_gateway_{kind}_messages"));
        gateways[0].metric(&format!("{one}_total")).await == Some(1.0)
            && gateways[0].metric(&format!("{two}_unreadable_total")).await == Some(1.0)
    })
    .await;
    let cancelled = "flashsale_gateway_events_emitted_total{event=\"order_cancelled\"}";
    assert_eq!(gateways[1].metric(cancelled).await, Some(2.0));
}
