//! The committed OpenAPI document.

mod fuzzing;

use flashsale_domain::id::{IdempotencyKey, ProductId, SaleId, UserId};
use flashsale_queue::dead_letter::LetterId;
use serde_json::Value;

use crate::support::World;

#[tokio::test]
async fn the_committed_document_is_the_one_that_the_code_generates_and_serves() {
    let generated = flashsale_gateway::routes::document().unwrap();
    let committed = include_str!("../../openapi.json");
    assert!(
        generated == committed,
        "gateway/openapi.json is stale: run `cargo run -p flashsale-gateway openapi > gateway/openapi.json`"
    );
    let world = World::new().await;
    let gateway = world.gateway().await;
    let plain = gateway.client.get("/openapi.json").await;
    assert_eq!(plain.text(), committed);
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let zipped = [("accept-encoding", "gzip")];
    let request = |headers| {
        let client = gateway.client;
        async move { client.request("GET", "/openapi.json", headers, b"").await }
    };
    let short = request(&zipped[..]).await;
    assert_eq!(short.header("content-encoding"), Some("gzip"));
    assert_eq!(short.body[..2], [0x1f, 0x8b]);
    assert_ne!(short.header("etag"), plain.header("etag"));
    let known = [zipped[0], ("if-none-match", short.header("etag").unwrap())];
    let again = request(&known[..]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

/// Whether the document takes this text.
fn takes(schema: &Value, text: &str) -> bool {
    jsonschema::is_valid(schema, &Value::from(text))
}

/// Texts at the edges of every alphabet and length.
fn texts() -> Vec<String> {
    let ascii = (0..128_u8).map(char::from);
    let mut texts: Vec<String> = ascii
        .flat_map(|letter| {
            [
                letter.to_string(),
                format!("a{letter}"),
                format!("a{letter}b"),
            ]
        })
        .collect();
    let long = [254, 255, 256, 257, 258].map(|length| "a".repeat(length));
    let quoted = long.iter().map(|text| format!("\"{text}\""));
    texts.extend(quoted);
    texts.extend(long.clone());
    texts.extend(
        [
            "",
            "\u{e9}",
            "\"a",
            "a\"",
            "\"\"",
            "1715423000000-0",
            "1-",
            "-1",
            "1-1-1",
        ]
        .map(str::to_owned),
    );
    texts
}

#[tokio::test]
async fn the_document_takes_what_the_gateway_takes_and_nothing_else() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let parameter = |path: &str, method: &str, name: &str| {
        let parameters = document["paths"][path][method]["parameters"]
            .as_array()
            .unwrap();
        let found = parameters.iter().find(|it| it["name"] == name).unwrap();
        found["schema"].clone()
    };
    let schemas = &document["components"]["schemas"];
    let buy = &schemas["BuyRequest"]["properties"];
    let letters = "/operations/sales/{sale}/dead-letters";
    let (key, sale, after) = (
        parameter("/buy", "post", "Idempotency-Key"),
        parameter("/sales/{sale}", "get", "sale"),
        parameter(letters, "get", "after"),
    );
    let letter = &schemas["LetterIds"]["properties"]["ids"]["items"];
    for text in texts() {
        let key_itself = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(&text);
        let is_letter = text.parse::<LetterId>().is_ok();
        for (what, schema, is_good) in [
            (
                "productId",
                &buy["productId"],
                ProductId::check(&text).is_ok(),
            ),
            ("userId", &buy["userId"], UserId::check(&text).is_ok()),
            (
                "Idempotency-Key",
                &key,
                IdempotencyKey::check(key_itself).is_ok(),
            ),
            ("sale", &sale, SaleId::check(&text).is_ok()),
            ("ids", letter, is_letter),
            ("after", &after, is_letter || text.is_empty()),
        ] {
            assert_eq!(takes(schema, &text), is_good, "{what}: {text:?}");
        }
    }
    let job = parameter("/orders/{jobId}", "get", "jobId");
    assert_eq!(job["format"], "uuid");
    let status = |name: &str| schemas[name]["properties"]["status"]["enum"].clone();
    let phases = [
        "Scheduled",
        "Open",
        "SoldOut",
        "Suspended",
        "Draining",
        "Closed",
    ];
    assert_eq!(status("SaleView"), Value::from(phases.to_vec()));
    assert_eq!(status("SaleFigures"), status("SaleView"));
    let ends = [
        "queued",
        "confirmed",
        "sold_out",
        "limit_reached",
        "failed",
        "cancelled",
    ];
    assert_eq!(status("OrderStatus"), Value::from(ends.to_vec()));
    assert_eq!(status("Queued"), Value::from(vec!["queued"]));
}
