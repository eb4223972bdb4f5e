//! Redis and PostgreSQL: given by Secret, by address, or brought along.

use serde_json::{Value, json};

use crate::{
    helm::render,
    manifests::Manifests,
    values::{ADDRESSES, DEV, PLAIN, ROLES, parse, with},
};

/// Name and key of the Secret that a variable of a workload comes from.
fn source(manifests: &Manifests, kind: &str, name: &str, variable: &str) -> (String, String) {
    let pods = manifests.pods();
    let owner = manifests.named(kind, name);
    let pod = pods.iter().find(|pod| pod.owner == owner).unwrap();
    let variables = pod.spec["containers"][0]["env"].as_array().unwrap();
    let found = variables
        .iter()
        .find(|entry| entry["name"] == variable)
        .unwrap();
    let reference = &found["valueFrom"]["secretKeyRef"];
    let text = |field: &str| reference[field].as_str().unwrap().to_owned();
    (text("name"), text("key"))
}

fn hook(object: &Value) -> &str {
    object["metadata"]["annotations"]["helm.sh/hook"]
        .as_str()
        .unwrap_or_default()
}

#[test]
fn given_secrets_are_read_and_none_is_made() {
    let values = with(parse(PLAIN), "database.key", &json!("uri"));
    let manifests = render(&values, &[]);
    assert_eq!(manifests.of("Secret").count(), 0);
    let read = |variable| source(&manifests, "Deployment", "flashsale-gateway", variable);
    assert_eq!(
        read("FLASHSALE_DATABASE_URL"),
        ("ledger".into(), "uri".into())
    );
    assert_eq!(read("FLASHSALE_REDIS_URL"), ("cache".into(), "url".into()));
    let arguments = manifests.arguments("Deployment", "flashsale-operator");
    for expected in ["--database-secret=ledger", "--redis-secret=cache"] {
        assert!(arguments.contains(&expected), "{arguments:?}");
    }
}

#[test]
fn each_part_gets_the_secret_of_its_role_and_gateways_never_the_owners() {
    let variable = "FLASHSALE_DATABASE_URL";
    let values = with(parse(ROLES), "database.key", &json!("uri"));
    let manifests = render(&values, &[]);
    let of_gateway = source(&manifests, "Deployment", "flashsale-gateway", variable);
    assert_eq!(of_gateway, ("reading".into(), "uri".into()));
    let gateway = manifests.named("Deployment", "flashsale-gateway");
    assert!(!gateway.to_string().contains("ledger"), "{gateway}");
    let of_job = source(&manifests, "Job", "flashsale-migrate", variable);
    assert_eq!(of_job, ("ledger".into(), "uri".into()));
    let arguments = manifests.arguments("Deployment", "flashsale-operator");
    for expected in [
        "--database-secret=ledger",
        "--worker-database-secret=settling",
    ] {
        assert!(arguments.contains(&expected), "{arguments:?}");
    }
    let arguments = manifests.arguments("Job", "flashsale-migrate");
    for expected in [
        "--create-roles",
        "--owner-role=flashsale_owner",
        "--worker-role=flashsale_worker",
        "--gateway-role=flashsale_gateway",
    ] {
        assert!(arguments.contains(&expected), "{arguments:?}");
    }
}

#[test]
fn one_secret_for_all_makes_no_roles() {
    let manifests = render(&parse(PLAIN), &[]);
    let arguments = manifests.arguments("Job", "flashsale-migrate");
    assert!(!arguments.contains(&"--create-roles"), "{arguments:?}");
    let arguments = manifests.arguments("Deployment", "flashsale-operator");
    let names_workers = |argument: &&&str| argument.starts_with("--worker-database-secret");
    assert_eq!(arguments.iter().find(names_workers), None);
}

#[test]
fn a_new_address_of_the_owner_makes_no_new_gateways_that_have_another() {
    let gateway = |url: &str| {
        let values = with(
            parse(ADDRESSES),
            "database.gatewaySecret",
            &json!("reading"),
        );
        let values = with(values, "database.url", &json!(url));
        let manifests = render(&values, &[]);
        manifests.named("Deployment", "flashsale-gateway").clone()
    };
    assert_eq!(
        gateway("postgres://flashsale:one@db/flashsale"),
        gateway("postgres://flashsale:two@db/flashsale")
    );
}

#[test]
fn migration_runs_first_and_with_the_new_address() {
    let given = render(&parse(PLAIN), &[]);
    assert_eq!(
        hook(given.named("Job", "flashsale-migrate")),
        "pre-install,pre-upgrade"
    );
    let variable = "FLASHSALE_DATABASE_URL";
    assert_eq!(
        source(&given, "Job", "flashsale-migrate", variable).0,
        "ledger"
    );

    let address = render(&parse(ADDRESSES), &[]);
    // The release's own Secret is not there before an installation, nor new before an upgrade.
    let (name, key) = source(&address, "Job", "flashsale-migrate", variable);
    let secret = address.named("Secret", &name);
    assert_eq!(hook(secret), "pre-install,pre-upgrade");
    let own = address.named("Secret", "flashsale-database");
    assert_eq!(secret["stringData"][key], own["stringData"]["url"]);
    let weight = |object: &Value| -> i32 {
        let weight = &object["metadata"]["annotations"]["helm.sh/hook-weight"];
        weight.as_str().unwrap().parse().unwrap()
    };
    assert!(weight(secret) < weight(address.named("Job", "flashsale-migrate")));
}

/// Behind a pooler the schema is changed at another address than everything else uses.
#[test]
fn migration_goes_to_the_direct_address_if_there_is_one() {
    let (variable, url) = (
        "FLASHSALE_DATABASE_DIRECT_URL",
        "postgres://owner@primary:7000/db",
    );
    let by_key = with(parse(PLAIN), "database.directKey", &json!("direct"));
    let read = |manifests: &Manifests| source(manifests, "Job", "flashsale-migrate", variable);
    assert_eq!(
        read(&render(&by_key, &[])),
        ("ledger".into(), "direct".into())
    );
    for values in [PLAIN, ADDRESSES] {
        let values = with(parse(values), "database.directUrl", &json!(url));
        let manifests = render(&values, &[]);
        let (name, key) = read(&manifests);
        let secret = manifests.named("Secret", &name);
        assert_eq!(hook(secret), "pre-install,pre-upgrade");
        assert_eq!(secret["stringData"][key], url);
        let policy = manifests.named("NetworkPolicy", "flashsale-migrate-job");
        let ports = &policy["spec"]["egress"][0]["ports"];
        let ports = ports.as_array().unwrap();
        assert!(ports.iter().any(|port| port["port"] == 7000), "{ports:?}");
    }
}

#[test]
fn a_new_address_makes_new_gateways() {
    let annotation = |values: &Value| {
        let manifests = render(values, &[]);
        let gateway = manifests.named("Deployment", "flashsale-gateway");
        let annotations = &gateway["spec"]["template"]["metadata"]["annotations"];
        annotations["checksum/addresses"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let values = parse(ADDRESSES);
    let other = with(
        values.clone(),
        "redis.url",
        &json!("redis://elsewhere:6379"),
    );
    assert_eq!(annotation(&values), annotation(&values));
    assert_ne!(annotation(&values), annotation(&other));
}

#[test]
fn network_policies_follow_the_ports_of_addresses() {
    let ports = |values: &Value| {
        let manifests = render(values, &[]);
        let policy = manifests.named("NetworkPolicy", "flashsale-worker");
        let edges = policy["spec"]["egress"].as_array().unwrap();
        let ports = edges
            .iter()
            .map(|edge| edge["ports"][0]["port"].as_i64().unwrap());
        ports.collect::<Vec<_>>()
    };
    assert_eq!(ports(&parse(ADDRESSES)), [6380, 6432, 53]);
    assert_eq!(ports(&parse(PLAIN)), [6379, 5432, 53]);
    for (address, port) in [
        ("postgres://user:p4ss@[::1]/db", 5432),
        ("postgres://user:p%4012@[::1]:7000/db", 7000),
        ("postgresql://db.example.com?sslmode=verify-full", 5432),
        (
            "postgres://user:12345@db.example.com:7001?sslmode=verify-full",
            7001,
        ),
    ] {
        let values = with(parse(ADDRESSES), "database.url", &json!(address));
        assert_eq!(ports(&values)[1], port, "{address}");
    }
    let several = "postgres://user:p@one:7002,two,three:7002/db";
    let values = with(parse(ADDRESSES), "database.url", &json!(several));
    let manifests = render(&values, &[]);
    let policy = manifests.named("NetworkPolicy", "flashsale-gateway");
    let edge = &policy["spec"]["egress"][1]["ports"];
    assert_eq!(
        (&edge[0]["port"], &edge[1]["port"]),
        (&json!(7002), &json!(5432))
    );
    assert_eq!(edge.as_array().unwrap().len(), 2);
    let values = with(
        parse(ADDRESSES),
        "networkPolicy.databasePorts",
        &json!([7777]),
    );
    assert_eq!(ports(&values)[1], 7777);
}

#[test]
fn stores_that_come_along_are_durable_and_migrated_after() {
    let manifests = render(&parse(DEV), &[]);
    assert_eq!(
        hook(manifests.named("Job", "flashsale-migrate")),
        "post-install,post-upgrade"
    );
    let redis = manifests.named("Secret", "flashsale-redis");
    let configuration = redis["stringData"]["redis.conf"].as_str().unwrap();
    for line in [
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
    ] {
        assert!(
            configuration.lines().any(|l| l == line),
            "{line} in\n{configuration}"
        );
    }
    for (secret, scheme, host) in [
        (
            "flashsale-database",
            "postgres://flashsale:",
            "flashsale-postgres.shop.svc:5432",
        ),
        (
            "flashsale-redis",
            "redis://:",
            "flashsale-redis.shop.svc:6379",
        ),
    ] {
        let data = &manifests.named("Secret", secret)["stringData"];
        let password = data["password"].as_str().unwrap();
        assert!(password.len() >= 32, "{secret}");
        let url = data["url"].as_str().unwrap();
        assert!(
            url.starts_with(&format!("{scheme}{password}@{host}/")),
            "{secret}"
        );
    }
}

#[test]
fn one_store_may_come_along_and_the_other_be_given() {
    let values = with(parse(DEV), "database.existingSecret", &json!("ledger"));
    let manifests = render(&values, &[]);
    let sets: Vec<&Value> = manifests.of("StatefulSet").collect();
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["metadata"]["name"], "flashsale-redis");
    assert_eq!(
        hook(manifests.named("Job", "flashsale-migrate")),
        "pre-install,pre-upgrade"
    );
}
