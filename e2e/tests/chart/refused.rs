//! Values that are refused, before anything reaches a cluster.

use serde_json::json;

use crate::{
    helm::try_render,
    values::{ADDRESSES, DEV, EVERYTHING, PLAIN, ROLES, parse, with},
};

/// Refused by `values.schema.json`: the path, and what is wrong there.
const BY_SCHEMA: &[(&str, &str)] = &[
    ("gatway", "{}"),
    ("gateway.replica", "2"),
    ("gateway.replicas", "-1"),
    ("gateway.replicas", "'2'"),
    ("gateway.replicas", "2.5"),
    ("gateway.autoscaling.minReplicas", "0"),
    ("gateway.autoscaling.targetCPUUtilizationPercentage", "200"),
    ("gateway.corsOrigins", "[shop.example.com]"),
    ("gateway.corsOrigins", "['https://shop.example.com/']"),
    ("gateway.trustedProxies", "10.42.0.0/16"),
    ("gateway.trustedProxies", "[ingress.example.com]"),
    ("gateway.proxyHeader", "x-real-ip"),
    ("gateway.requestsPerAddress", "-1"),
    ("gateway.requestBurstPerAddress", "0"),
    ("gateway.accessLog", "yes please"),
    ("gateway.pass.lifetimeSeconds", "1"),
    ("gateway.pass.difficulty", "64"),
    ("gateway.pass.existingSecret.name", "My_Secret"),
    ("gateway.pass.verifier.url", "verifier"),
    ("gateway.signInUrl", "id.example.com"),
    ("gateway.signInUrl", "'javascript:alert(1)'"),
    ("gateway.signInUrl", "'https://id.example.com/#in'"),
    ("gateway.operations.token", "fifteen-letters"),
    ("gateway.operations.token", "'sixteen letters!'"),
    ("gateway.operations.existingSecret", "operations"),
    ("gateway.operations.existingSecret.name", "My_Secret"),
    ("gateway.operations.existingSecret.key", "a/b"),
    ("gateway.requestTimeoutSeconds", "0"),
    ("gateway.service.type", "ExternalName"),
    ("gateway.service.port", "70000"),
    ("gateway.service.sessionAffinity", "Cookie"),
    ("gateway.service.ipFamilyPolicy", "DualStack"),
    ("gateway.service.ipFamilies", "[ipv6]"),
    ("gateway.ingress.path", "shop"),
    ("gateway.ingress.hosts", "['https://shop.example.com']"),
    ("gateway.resources", "{cpu: 1}"),
    ("gateway.resources", "{requests: {cpu: lots}}"),
    ("gateway.extraArgs", "['-x']"),
    ("gateway.topologySpreadConstraints", "[{topologyKey: zone}]"),
    ("operator.replicas", "two"),
    ("operator.namespaced", "shop"),
    ("operator.retryPeriodSeconds", "0"),
    ("operator.namespaces", "[Shop]"),
    ("operator.class", "Blue"),
    ("operator.allow.images", "['a,b']"),
    ("operator.podTemplatePermit", "[hostNetwork]"),
    ("operator.podLabels", "{a: '-'}"),
    ("database.url", "mysql://db"),
    ("database.url", "'postgres://user:pass word@db'"),
    ("database.existingSecret", "My_Secret"),
    ("database.key", "a/b"),
    ("database.workerSecret", "My_Secret"),
    ("database.roles.owner", "Shop-Owner"),
    ("database.roles.reader", "shop_reader"),
    ("redis.url", "memcached://cache"),
    ("auth.mode", "basic"),
    ("auth.mode", "false"),
    ("auth.jwksUrl", "http://id.example.com/keys"),
    ("auth.audienceClaim", "''"),
    ("auth.tokenTypes", "[]"),
    ("auth.requiredScopes", "['buy it']"),
    (
        "auth.moreIssuers",
        "[{issuer: i, jwksUrl: 'http://id.example.com/keys'}]",
    ),
    ("auth.jwksMaxStaleSeconds", "0"),
    ("auth.algorithms", "[HS256]"),
    ("auth.algorithms", "[]"),
    ("image.digest", "latest"),
    ("image.pullPolicy", "Sometimes"),
    ("image.tag", "'a b'"),
    ("imagePullSecrets", "[{name: registry}]"),
    ("listenAddress", "'*'"),
    ("listenAddress", "'[::]'"),
    ("rbac.secretNames", "['*']"),
    ("runAsUser", "0"),
    ("migrations.backoffLimit", "-1"),
    ("networkPolicy.databasePorts", "[0]"),
    ("networkPolicy.apiServerPorts", "[]"),
    ("networkPolicy.databaseTo", "[10.0.0.0/8]"),
    ("networkPolicy.saleNamespaces", "[Shop]"),
    ("monitoring.podMonitors", "true"),
    ("monitoring.interval", "'15'"),
    ("dev.redis.appendfsync", "'no'"),
    ("dev.storage.size", "large"),
    ("fullnameOverride", "Shop"),
    ("commonLabels", "{team: [a]}"),
];

#[test]
fn the_schema_refuses_what_cannot_be_meant() {
    for (path, wrong) in BY_SCHEMA {
        let values = with(parse(PLAIN), path, &parse(wrong));
        let Err(error) = try_render(&values, &[]) else {
            panic!("{path}: {wrong} is let through");
        };
        // Both generations of helm name the path, with dots or with slashes.
        let last = path.rsplit('.').next().unwrap();
        let schema = error.contains("schema");
        assert!(schema && error.contains(last), "{path}: {wrong}: {error}");
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_advice() {
    let cases = [
        ("{}", "database", json!({}), "database.existingSecret"),
        (PLAIN, "redis", json!({}), "redis.existingSecret"),
        (PLAIN, "database.url", json!("postgres://db/x"), "keep one"),
        (PLAIN, "dev.enabled", json!(true), "would start nothing"),
        (PLAIN, "auth.mode", json!("jwt"), "auth.jwksUrl"),
        (
            PLAIN,
            "database.gatewaySecret",
            json!("ledger"),
            "a role of its own",
        ),
        (
            ROLES,
            "database.roles.worker",
            json!("flashsale_owner"),
            "one name",
        ),
        (ADDRESSES, "auth.issuer", json!(""), "auth.issuer"),
        (ADDRESSES, "auth.jwksSecret", json!("keys"), "keep one"),
        (
            PLAIN,
            "operator",
            json!({"namespaced": true, "namespaces": ["shop"]}),
            "keep one",
        ),
        (
            EVERYTHING,
            "auth.jwksTlsSecret",
            json!("provider"),
            "for auth.jwksUrl, which is not set",
        ),
        (
            PLAIN,
            "gateway.signInUrl",
            json!("https://id.example.com/"),
            "auth.mode=jwt",
        ),
        (
            PLAIN,
            "gateway.pass.verifier.url",
            json!("https://verifier.example.com/siteverify"),
            "gateway.pass.verifier.existingSecret.name",
        ),
        (
            EVERYTHING,
            "gateway.operations.token",
            json!("sixteen-letters!"),
            "keep one",
        ),
        (
            DEV,
            "operator.leaseDurationSeconds",
            json!(10),
            "greater than",
        ),
        (
            DEV,
            "operator.retryPeriodSeconds",
            json!(10),
            "greater than",
        ),
        // The operator refuses it, too.
        (
            DEV,
            "operator",
            json!({"renewDeadlineSeconds": 6, "retryPeriodSeconds": 5}),
            "1.2 times",
        ),
        (
            DEV,
            "gateway.autoscaling",
            json!({"enabled": true, "minReplicas": 11}),
            "maxReplicas",
        ),
    ];
    for (values, path, wrong, advice) in cases {
        let values = with(parse(values), path, &wrong);
        let error = try_render(&values, &[]).unwrap_err();
        assert!(error.contains(advice), "{path}: {error}");
    }
}
