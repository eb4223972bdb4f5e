//! Each row of the HTTP contract of `POST /buy`.

use serde_json::{Value, json};

use crate::support::{World, client::Answer, eventually, one_product};

fn jobs_in(sale: &flashsale_domain::sale::Sale, product: &str) -> String {
    let product = flashsale_domain::id::ProductId::new(product).unwrap();
    flashsale_queue::keys::SaleKeys::new(&sale.id).lane(&product)
}

fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (status, kind),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_buy_is_queued_with_its_position_and_waits_as_a_job() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let first = gateway.buy("p", "ann", "k1").await;
    let second = gateway.buy("p", "bob", "k1").await;
    for (answer, position) in [(&first, 1), (&second, 2)] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("idempotent-replayed"), None);
        let expected =
            json!({ "jobId": answer.job_id(), "status": "queued", "position": position });
        assert_eq!(answer.json(), expected);
    }
    let mut connection = world.connection().await;
    let product = flashsale_domain::id::ProductId::new("p").unwrap();
    let entries = flashsale_queue::lane::read(&mut connection, &jobs_in(&sale, "p"), "0-0", 10)
        .await
        .unwrap();
    let job =
        flashsale_domain::job::Job::parse(entries[0].job.as_ref().unwrap(), &product).unwrap();
    assert_eq!(job.job_id.to_string(), first.job_id());
    assert_eq!(job.data.user_id.as_str(), "ann");
    assert_eq!(job.data.idempotency_key.as_str(), "k1");
    assert_eq!((job.opts.attempts, job.opts.backoff), (3, 1000));
    assert_eq!(job.job_id.route(), sale.id.route());
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_again() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let first = gateway.buy("p", "ann", "key").await;
    gateway.buy("p", "bob", "key").await;
    for key in ["key", "\"key\""] {
        let repeat = gateway.buy("p", "ann", key).await;
        assert_eq!(repeat.status, 200);
        assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
        assert_eq!(repeat.json(), first.json());
    }
}

#[tokio::test]
async fn a_key_used_for_another_product_is_refused() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    let other = json!({ "id": "q", "name": "Another", "price": 1, "stock": 10 });
    spec["products"].as_array_mut().unwrap().push(other);
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "key").await.job_id();
    assert_problem(
        &gateway.buy("q", "ann", "key").await,
        422,
        "idempotency-key-reused",
    );
}

#[tokio::test]
async fn a_missing_key_and_a_missing_shopper_are_told() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let body = br#"{"productId":"p","userId":"ann"}"#;
    let answer = gateway.client.post_buy(&[], body).await;
    assert_problem(&answer, 400, "idempotency-key-missing");
    let key = ("idempotency-key", "k");
    let answer = gateway
        .client
        .post_buy(&[key], br#"{"productId":"p"}"#)
        .await;
    assert_problem(&answer, 400, "body-invalid");
    assert!(
        answer.text().contains("userId is missing"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn before_the_opening_the_instant_is_told() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["opensAt"] = json!("2099-01-01T12:00:00Z");
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    let answer = gateway.buy("p", "ann", "k").await;
    assert_problem(&answer, 403, "sale-not-open");
    insta::assert_json_snapshot!(answer.json(), @r#"
    {
      "detail": "the sale opens at 2099-01-01T12:00:00Z",
      "opensAt": "2099-01-01T12:00:00Z",
      "status": 403,
      "title": "The sale is not open",
      "type": "https://flashsale.dev/problems/sale-not-open"
    }
    "#);
}

#[tokio::test]
async fn a_paused_sale_is_not_open_and_says_so() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["suspend"] = json!(true);
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    let answer = gateway.buy("p", "ann", "k").await;
    assert_problem(&answer, 403, "sale-not-open");
    assert!(answer.json().get("opensAt").is_none());
    assert!(answer.text().contains("paused"));
}

#[tokio::test]
async fn a_sale_that_is_over_is_closed_by_schedule_or_by_hand() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["opensAt"] = json!("2020-01-01T00:00:00Z");
    spec["closesAt"] = json!("2020-01-02T00:00:00Z");
    world.announce("over", spec).await;
    let ended = world.announce("ended", one_product("q", 10)).await;
    let mut connection = world.connection().await;
    flashsale_queue::catalogue::close(&mut connection, &ended.id)
        .await
        .unwrap();
    let gateway = world.gateway().await;
    for product in ["p", "q"] {
        assert_problem(&gateway.buy(product, "ann", "k").await, 403, "sale-closed");
    }
}

#[tokio::test]
async fn a_product_that_nobody_offers_is_unknown_until_it_is_announced() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    assert_problem(&gateway.buy("p", "ann", "k").await, 404, "unknown-product");
    world.announce("drop", one_product("p", 10)).await;
    eventually("the new sale sells", async || {
        gateway.buy("p", "ann", "k").await.status == 200
    })
    .await;
    let mut connection = world.connection().await;
    let sale = flashsale_domain::id::SaleId::new("drop").unwrap();
    flashsale_queue::catalogue::withdraw(&mut connection, &sale)
        .await
        .unwrap();
    assert_problem(&gateway.buy("p", "bob", "k").await, 404, "unknown-product");
}

#[tokio::test]
async fn no_more_are_queued_than_there_are_units() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 2)).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    gateway.buy("p", "bob", "k").await.job_id();
    let answer = gateway.buy("p", "cid", "k").await;
    assert_problem(&answer, 409, "sold-out");
    // Whoever has an answer keeps it.
    assert_eq!(gateway.buy("p", "ann", "k").await.status, 200);
}

#[tokio::test]
async fn a_price_above_what_the_shopper_would_pay_is_refused() {
    let world = World::new().await;
    let sale = world.announce("drop", one_product("p", 10)).await;
    let gateway = world.gateway().await;
    let buy = async |user: &str, more: Value| {
        let mut body = json!({ "productId": "p", "userId": user });
        body.as_object_mut()
            .unwrap()
            .append(&mut more.as_object().unwrap().clone());
        let headers = [("idempotency-key", "k")];
        gateway
            .client
            .post_buy(&headers, body.to_string().as_bytes())
            .await
    };
    let answer = buy("ann", json!({ "maxPrice": 12_899 })).await;
    assert_problem(&answer, 409, "price-higher");
    assert_eq!(answer.json()["price"], 12_900);
    let taken = buy("ann", json!({ "maxPrice": 12_900, "price": 1 })).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    // Taken is taken, whatever the repeat says; its first answer may have been lost.
    let again = buy("ann", json!({ "maxPrice": 1 })).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    for bad in [json!(-1), json!(1.5), json!("12900")] {
        let answer = buy("bob", json!({ "maxPrice": bad })).await;
        assert_problem(&answer, 400, "body-invalid");
    }
    // The job has the price in force, and none that a client sends.
    let mut connection = world.connection().await;
    let entries = flashsale_queue::lane::read(&mut connection, &jobs_in(&sale, "p"), "0-0", 10)
        .await
        .unwrap();
    let [entry] = &entries[..] else {
        panic!("{entries:?}");
    };
    let job: Value = serde_json::from_slice(entry.job.as_ref().unwrap()).unwrap();
    assert_eq!(job["data"]["price"], 12_900);
}

#[tokio::test]
async fn a_full_lane_asks_to_come_back() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["turnstile"]["maxQueueDepth"] = json!(1);
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    gateway.buy("p", "ann", "k").await.job_id();
    let answer = gateway.buy("p", "bob", "k").await;
    assert_problem(&answer, 503, "lane-full");
    assert!(answer.asks_to_come_back_soon(), "{answer:?}");
}

#[tokio::test]
async fn asking_too_often_is_refused_with_the_time_to_wait() {
    let world = World::new().await;
    let mut spec = one_product("p", 10);
    spec["turnstile"]["rateLimit"] = json!({ "requests": 2, "windowSeconds": 7 });
    world.announce("drop", spec).await;
    let gateway = world.gateway().await;
    for key in ["a", "b"] {
        gateway.buy("p", "ann", key).await.job_id();
    }
    let answer = gateway.buy("p", "ann", "c").await;
    assert_problem(&answer, 429, "quota-exceeded");
    // One of two requests in 7 s is due after 3.5 s, rounded up.
    assert_eq!(answer.header("retry-after"), Some("4"));
    assert_eq!(answer.header("ratelimit-policy"), Some("\"buy\";q=2;w=7"));
    assert_eq!(answer.header("ratelimit"), Some("\"buy\";r=0;t=4"));
    gateway.buy("p", "bob", "c").await.job_id();
}

#[tokio::test]
async fn no_answer_about_a_buy_is_stored_or_guessed_at() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1)).await;
    let gateway = world.gateway().await;
    let answers = [
        gateway.buy("p", "ann", "k").await,
        gateway.buy("p", "bob", "k").await,
        gateway.buy("q", "ann", "k").await,
        gateway.client.get("/orders/none").await,
        gateway.client.get("/sales/none").await,
        gateway.client.get("/buy").await,
        gateway.client.get("/nothing").await,
    ];
    let statuses = answers.each_ref().map(|answer| answer.status);
    assert_eq!(statuses, [200, 409, 404, 404, 404, 405, 404]);
    for answer in answers {
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{answer:?}"
        );
        let nosniff = answer.header("x-content-type-options");
        assert_eq!(nosniff, Some("nosniff"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_request_id_is_taken_over_or_made() {
    let world = World::new().await;
    let gateway = world.gateway().await;
    let given = gateway
        .client
        .request("GET", "/sales", &[("x-request-id", "abc-1")], b"")
        .await;
    assert_eq!(given.header("x-request-id"), Some("abc-1"));
    let hostile = gateway
        .client
        .request("GET", "/sales", &[("x-request-id", "a b\"c")], b"")
        .await;
    assert_eq!(hostile.header("x-request-id").unwrap().len(), 36);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let world = World::new().await;
    let shop = "https://shop.example.com";
    let arguments = ["--auth-mode", "off", "--cors-origins", shop];
    let gateway = world.gateway_with(&arguments).await;
    let preflight = |origin| {
        let client = gateway.client;
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "idempotency-key,content-type",
            ),
        ];
        async move { client.request("OPTIONS", "/buy", &headers, b"").await }
    };
    let allowed = preflight(shop).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(shop));
    let refused = preflight("https://evil.example.com").await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let path = "/socket.io/?EIO=4&transport=polling";
    let poll = gateway
        .client
        .request("GET", path, &[("origin", shop)], b"")
        .await;
    assert_eq!(poll.status, 200, "{}", poll.text());
    assert_eq!(poll.header("access-control-allow-origin"), Some(shop));
}
