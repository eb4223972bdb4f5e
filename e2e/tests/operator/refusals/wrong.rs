//! Sales as people write them wrong, each with the place that the refusal must name.

mod workers;

use flashsale_e2e::operator::{one_product, with};
use serde_json::{Value, json};

/// One wrong sale.
pub(super) struct Wrong {
    /// What is wrong with it, in words.
    pub(super) what: &'static str,
    /// Its name, where that is the mistake.
    pub(super) name: Option<String>,
    /// Its spec.
    pub(super) spec: Value,
    /// What the refusal must name: a path, without indices.
    pub(super) says: &'static str,
}

/// All of them.
pub(super) fn all() -> Vec<Wrong> {
    let specs = [
        shapes(),
        products(),
        times(),
        workers::turnstile(),
        workers::scaling(),
        workers::pods(),
    ];
    let specs = specs.into_iter().flatten().map(|(what, spec, says)| Wrong {
        what,
        name: None,
        spec,
        says,
    });
    names().into_iter().chain(specs).collect()
}

type Case = (&'static str, Value, &'static str);

fn names() -> Vec<Wrong> {
    let named = |what, name: String| Wrong {
        what,
        name: Some(name),
        spec: one_product("named", 1),
        says: "metadata.name",
    };
    vec![
        named("a name that no label of a pod can carry", "n".repeat(45)),
        named("a name longer than any sale's id", "n".repeat(250)),
        named("a name with capitals", "Sneaker-Drop".to_owned()),
        named("a name with a space", "sneaker drop".to_owned()),
    ]
}

/// A good sale with `changes` in its spec.
fn sale(changes: &Value) -> Value {
    with(one_product("wrong", 5), changes)
}

/// A sale whose only product has `changes`.
fn product(changes: &Value) -> Value {
    let good = json!({"id": "wrong", "name": "Wrong", "price": 100, "stock": 5});
    json!({"products": [with(good, changes)]})
}

fn shapes() -> Vec<Case> {
    let twice = json!({"name": "one", "key": "url"});
    vec![
        ("no spec", Value::Null, "spec"),
        ("a spec that is a text", json!("sneakers"), "spec"),
        ("no products", json!({}), "spec.products"),
        (
            "an empty list of products",
            json!({"products": []}),
            "spec.products",
        ),
        (
            "products as a mapping",
            json!({"products": {"shoe": {"stock": 5}}}),
            "spec.products",
        ),
        (
            "products left null",
            json!({"products": null}),
            "spec.products",
        ),
        (
            "more products than a sale can have",
            json!({"products": (0..1001)
                .map(|index| json!({"id": format!("p{index}"), "name": "P", "price": 1, "stock": 1}))
                .collect::<Vec<_>>()}),
            "spec.products",
        ),
        (
            "suspend as a text",
            sale(&json!({"suspend": "yes"})),
            "spec.suspend",
        ),
        ("no attempt", sale(&json!({"attempts": 0})), "spec.attempts"),
        (
            "a wait of ten years",
            sale(&json!({"backoffMillis": 315_360_000_000_i64})),
            "spec.backoffMillis",
        ),
        (
            "no time to drain",
            sale(&json!({"drainTimeoutSeconds": -1})),
            "spec.drainTimeoutSeconds",
        ),
        (
            "a Secret without a name",
            sale(&json!({"redisSecretRef": {"key": "url"}})),
            "spec.redisSecretRef.name",
        ),
        (
            "a Secret by a path",
            sale(&json!({"redisSecretRef": {"name": "../../pods"}})),
            "spec.redisSecretRef.name",
        ),
        (
            "a key that no Secret has",
            sale(&json!({"databaseSecretRef": {"name": "database", "key": "the url"}})),
            "spec.databaseSecretRef.key",
        ),
        (
            "one key of one Secret for both addresses",
            sale(&json!({"databaseSecretRef": twice, "redisSecretRef": twice})),
            "spec.redisSecretRef",
        ),
    ]
}

fn products() -> Vec<Case> {
    let of = |field: &str, value: Value| product(&json!({ field: value }));
    let one = json!({"id": "twice", "name": "Twice", "price": 100, "stock": 5});
    vec![
        (
            "one product twice",
            json!({"products": [one, one]}),
            "spec.products",
        ),
        ("an empty id", of("id", json!("")), "spec.products.id"),
        (
            "an id with a space",
            of("id", json!("a b")),
            "spec.products.id",
        ),
        (
            "an id with a brace",
            of("id", json!("a{b}")),
            "spec.products.id",
        ),
        (
            "an id that begins with a dash",
            of("id", json!("-a")),
            "spec.products.id",
        ),
        (
            "an id longer than its column",
            of("id", json!("i".repeat(256))),
            "spec.products.id",
        ),
        ("a number as an id", of("id", json!(7)), "spec.products.id"),
        ("no name", of("name", Value::Null), "spec.products.name"),
        (
            "a blank name",
            of("name", json!("   ")),
            "spec.products.name",
        ),
        (
            "NUL in a name",
            of("name", json!("a\0b")),
            "spec.products.name",
        ),
        (
            "a description of a megabyte",
            of("description", json!("d".repeat(1_000_000))),
            "spec.products.description",
        ),
        (
            "a price below zero",
            of("price", json!(-1)),
            "spec.products.price",
        ),
        (
            "a price in euros",
            of("price", json!(129.99)),
            "spec.products.price",
        ),
        (
            "a price as a text",
            of("price", json!("12900")),
            "spec.products.price",
        ),
        (
            "a price that JSON does not hold exactly",
            of("price", json!(9_007_199_254_740_992_i64)),
            "spec.products.price",
        ),
        (
            "a stock of 1e30",
            of("stock", json!(1e30)),
            "spec.products.stock",
        ),
        (
            "a stock below zero",
            of("stock", json!(-5)),
            "spec.products.stock",
        ),
        (
            "a stock beyond 32 bits",
            of("stock", json!(2_147_483_648_i64)),
            "spec.products.stock",
        ),
        (
            "none for each shopper",
            of("maxPerUser", json!(0)),
            "spec.products.maxPerUser",
        ),
        (
            "a picture instead of its address",
            of("image", json!("i".repeat(3_000))),
            "spec.products.image",
        ),
    ]
}

fn times() -> Vec<Case> {
    let opens = |at: &str| sale(&json!({ "opensAt": at }));
    let closes = |at: &str| sale(&json!({ "closesAt": at }));
    vec![
        (
            "closing before opening",
            sale(&json!({"opensAt": "2030-12-01T10:00:00Z", "closesAt": "2030-12-01T09:00:00Z"})),
            "spec.closesAt",
        ),
        (
            "closing at the opening, in another zone",
            sale(
                &json!({"opensAt": "2030-12-01T10:00:00Z", "closesAt": "2030-12-01T11:00:00+01:00"}),
            ),
            "spec.closesAt",
        ),
        ("a day without a time", opens("2030-12-01"), "spec.opensAt"),
        (
            "a time without a zone",
            opens("2030-12-01T10:00:00"),
            "spec.opensAt",
        ),
        (
            "a local time that clocks skip",
            sale(&json!({"opensAt": "2030-03-31T02:30:00", "timeZone": "Europe/Berlin"})),
            "spec.opensAt",
        ),
        (
            "a local time that there is twice",
            sale(&json!({"closesAt": "2030-10-27T02:30:00", "timeZone": "Europe/Berlin"})),
            "spec.closesAt",
        ),
        (
            "a city without a time zone",
            sale(&json!({"opensAt": "2030-12-01T10:00:00", "timeZone": "Europe/Bielefeld"})),
            "spec.timeZone",
        ),
        (
            "words instead of a time",
            opens("next friday"),
            "spec.opensAt",
        ),
        (
            "a day that is none",
            opens("2030-02-30T10:00:00Z"),
            "spec.opensAt",
        ),
        (
            "a number instead of a time",
            sale(&json!({"opensAt": 1_900_000_000})),
            "spec.opensAt",
        ),
        (
            "an offset that is none",
            opens("2030-12-01T10:00:00+99:99"),
            "spec.opensAt",
        ),
        (
            "the end of all time",
            closes("9999-12-31T23:59:59Z"),
            "spec.closesAt",
        ),
    ]
}
