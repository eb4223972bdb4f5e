//! Who reaches whom: policies, the Service, and addresses of either family.

use serde_json::{Value, json};

use crate::{
    helm::render,
    manifests::Manifests,
    values::{ADDRESSES, DEV, PLAIN, parse, with},
};

fn named(names: &[&str]) -> Value {
    json!({"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
    ]})
}

fn policy<'a>(manifests: &'a Manifests, name: &str) -> &'a Value {
    &manifests.named("NetworkPolicy", &format!("flashsale-{name}"))["spec"]
}

#[test]
fn metrics_are_for_the_namespace_of_monitoring() {
    let manifests = render(&parse(PLAIN), &[]);
    let monitoring = json!([{"namespaceSelector": named(&["monitoring"])}]);
    for (name, port) in [("operator", 9091), ("gateway", 9090), ("worker", 9091)] {
        let ingress = policy(&manifests, name)["ingress"].as_array().unwrap();
        let mut edges = ingress.iter();
        let edge = edges.find(|edge| edge["ports"][0]["port"] == port).unwrap();
        assert_eq!(edge["from"], monitoring, "{name}");
    }
    // No namespace has a label with its name there; what selects more narrowly stays.
    let narrow = json!({"kubernetes.io/metadata.name": "monitoring", "team": "shop"});
    let peers = json!([
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app": "prometheus"}},
        },
        {"namespaceSelector": {"matchLabels": narrow}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ]);
    let values = with(parse(PLAIN), "networkPolicy.metricsFrom", &peers);
    let old = render(&values, &["--kube-version", "1.20.2"]);
    let mut expected = peers;
    expected[0]["namespaceSelector"] = json!({});
    assert_eq!(policy(&old, "operator")["ingress"][0]["from"], expected);
}

#[test]
fn stores_to_try_things_out_admit_namespaces_with_sales_alone() {
    let values = with(
        parse(DEV),
        "networkPolicy.saleNamespaces",
        &json!(["market"]),
    );
    let manifests = render(&values, &[]);
    for store in ["postgres", "redis"] {
        let from = &policy(&manifests, store)["ingress"][0]["from"];
        assert_eq!(from.as_array().unwrap().len(), 1, "{from}");
        assert_eq!(from[0]["namespaceSelector"], named(&["shop", "market"]));
        let labels = &from[0]["podSelector"]["matchLabels"];
        assert_eq!(labels["app.kubernetes.io/part-of"], "flashsale");
        let port = if store == "redis" { 6379 } else { 5432 };
        let egress = policy(&manifests, "worker")["egress"].as_array().unwrap();
        let mut edges = egress.iter();
        let edge = edges.find(|edge| edge["ports"][0]["port"] == port).unwrap();
        assert_eq!(edge["to"][0]["namespaceSelector"], named(&["shop"]));
    }
    // No namespace has a label with its name there.
    let old = render(&values, &["--kube-version", "1.20.2"]);
    let from = &policy(&old, "redis")["ingress"][0]["from"];
    assert_eq!(from[0]["namespaceSelector"], json!({}));
}

#[test]
fn the_service_keeps_nobody_at_one_gateway_unless_asked() {
    let service = |values: &Value| {
        let manifests = render(values, &[]);
        manifests.named("Service", "flashsale-gateway")["spec"].clone()
    };
    let plain = service(&parse(PLAIN));
    assert_eq!(plain["sessionAffinity"], "None");
    assert!(plain.get("sessionAffinityConfig").is_none());
    assert_eq!(plain["ports"][0]["appProtocol"], "http");
    let asked = json!("ClientIP");
    let kept = service(&with(
        parse(PLAIN),
        "gateway.service.sessionAffinity",
        &asked,
    ));
    assert_eq!(kept["sessionAffinity"], "ClientIP");
    assert_eq!(
        kept["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"],
        10800
    );
}

#[test]
fn addresses_of_ipv6_are_understood() {
    let database = json!("postgres://flashsale:secret@[fd00::5]/flashsale");
    let values = with(parse(ADDRESSES), "database.url", &database);
    let redis = json!("redis://:secret@[fd00::6]:6380/0");
    let manifests = render(&with(values, "redis.url", &redis), &[]);
    let egress = policy(&manifests, "gateway")["egress"].as_array().unwrap();
    let ports: Vec<_> = egress
        .iter()
        .map(|edge| &edge["ports"][0]["port"])
        .collect();
    assert!(
        ports.contains(&&json!(5432)) && ports.contains(&&json!(6380)),
        "{ports:?}"
    );

    let values = with(parse(DEV), "dev.postgres.clusterIP", &json!("fd00::7"));
    let manifests = render(&values, &[]);
    let address = &manifests.named("Secret", "flashsale-database")["stringData"]["url"];
    assert!(
        address
            .as_str()
            .unwrap()
            .ends_with("@[fd00::7]:5432/flashsale"),
        "{address}"
    );
    // The kubelet's variable has an address without brackets.
    let tests = manifests.named("Pod", "flashsale-test-gateway");
    let arguments = tests["spec"]["containers"][0]["args"].to_string();
    assert!(
        arguments.contains("--host=$(FLASHSALE_GATEWAY_SERVICE_HOST)"),
        "{arguments}"
    );
    assert!(
        arguments.contains("http://flashsale-gateway:80/sales"),
        "{arguments}"
    );
}

#[test]
fn everything_listens_on_both_families_or_where_it_is_told() {
    let programs = |values: &Value| {
        let manifests = render(values, &[]);
        let arguments = ["gateway", "operator"].map(|name| {
            let name = format!("flashsale-{name}");
            let arguments = manifests.arguments("Deployment", &name);
            arguments
                .into_iter()
                .filter(|text| text.contains("listen"))
                .collect::<Vec<_>>()
                .join(" ")
        });
        arguments.join(" ")
    };
    assert_eq!(
        programs(&parse(PLAIN)),
        "--listen=[::]:8080 --probes-listen=[::]:9090 --probes-listen=[::]:9091 --worker-listen-address=::"
    );
    let one = with(parse(PLAIN), "listenAddress", &json!("fd00::8"));
    assert_eq!(
        programs(&one),
        "--listen=[fd00::8]:8080 --probes-listen=[fd00::8]:9090 --probes-listen=[fd00::8]:9091 --worker-listen-address=fd00::8"
    );
    let families = json!("PreferDualStack");
    let dual = with(parse(PLAIN), "gateway.service.ipFamilyPolicy", &families);
    let both = json!(["IPv6", "IPv4"]);
    let dual = with(dual, "gateway.service.ipFamilies", &both);
    let manifests = render(&dual, &[]);
    let service = manifests.named("Service", "flashsale-gateway");
    assert_eq!(service["spec"]["ipFamilyPolicy"], families);
    assert_eq!(service["spec"]["ipFamilies"], both);
}
