//! Every value does something, and whatever it is set to, the laws hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex},
    thread,
};

use serde_json::Value;

use crate::{
    flags, generated,
    helm::render,
    laws,
    manifests::Manifests,
    values::{ADDRESSES, DEV, EVERYTHING, PLAIN, ROLES, parse, with},
};

/// A value, other values with which it counts, and what it is set to.
struct Switch(&'static str, &'static str, &'static str);

const NODE_PORT: &str = "
database: {existingSecret: ledger}
redis: {existingSecret: cache}
auth: {mode: 'off'}
gateway: {service: {type: NodePort}}
";

const AFFINITY: &str = "
database: {existingSecret: ledger}
redis: {existingSecret: cache}
auth: {mode: 'off'}
gateway: {service: {sessionAffinity: ClientIP}}
";

const PERSISTENT: &str = "
auth: {mode: 'off'}
dev: {enabled: true, storage: {persistent: true}}
";

const ALL: &[Switch] = &[
    Switch("fullnameOverride", PLAIN, "other"),
    Switch("commonLabels", PLAIN, "{team: shop}"),
    Switch("runAsUser", PLAIN, "1000"),
    Switch("runAsUser", PLAIN, "null"),
    Switch("runAsGroup", PLAIN, "1000"),
    Switch("runAsGroup", PLAIN, "null"),
    Switch("listenAddress", PLAIN, "0.0.0.0"),
    Switch("imagePullSecrets", PLAIN, "[registry, mirror]"),
    Switch("image.repository", PLAIN, "docker.io/local/flashsale"),
    Switch("image.tag", PLAIN, "test"),
    Switch(
        "image.digest",
        PLAIN,
        "'sha256:0000000000000000000000000000000000000000000000000000000000000000'",
    ),
    Switch("image.pullPolicy", PLAIN, "Never"),
    Switch("database.existingSecret", DEV, "ledger"),
    Switch("database.key", PLAIN, "uri"),
    Switch("database.url", DEV, "'postgres://user@db/flashsale'"),
    Switch("database.workerSecret", PLAIN, "settling"),
    Switch("database.gatewaySecret", PLAIN, "reading"),
    Switch("database.roles.owner", ROLES, "shop_owner"),
    Switch("database.roles.worker", ROLES, "shop_worker"),
    Switch("database.roles.gateway", ROLES, "shop_gateway"),
    Switch("database.transactionPooler", PLAIN, "true"),
    Switch("database.directKey", PLAIN, "direct"),
    Switch(
        "database.directUrl",
        PLAIN,
        "'postgres://owner@db/flashsale'",
    ),
    Switch("redis.existingSecret", DEV, "cache"),
    Switch("redis.key", PLAIN, "uri"),
    Switch("redis.url", DEV, "'redis://cache'"),
    Switch("auth.mode", ADDRESSES, "'off'"),
    Switch(
        "auth.jwksUrl",
        ADDRESSES,
        "'https://id.example.com:8443/keys'",
    ),
    Switch("auth.jwksTlsSecret", ADDRESSES, "provider"),
    Switch("auth.jwksSecret", EVERYTHING, "others"),
    Switch("auth.jwksSecretKey", EVERYTHING, "keys"),
    Switch("auth.issuer", ADDRESSES, "me"),
    Switch("auth.audience", ADDRESSES, "'a b, c'"),
    Switch("auth.audienceClaim", ADDRESSES, "client_id"),
    Switch("auth.algorithms", ADDRESSES, "[EdDSA, PS512]"),
    Switch("auth.tokenTypes", ADDRESSES, "[at+jwt]"),
    Switch("auth.requiredScopes", ADDRESSES, "[buy, 'shop:read']"),
    Switch(
        "auth.moreIssuers",
        EVERYTHING,
        "[{issuer: partner, jwksUrl: 'https://partner.example.com:8443/keys'}]",
    ),
    Switch("auth.jwksMaxStaleSeconds", ADDRESSES, "3600"),
    Switch("crds.install", PLAIN, "false"),
    Switch("crds.keep", PLAIN, "false"),
    Switch("crds.backoffLimit", PLAIN, "1"),
    Switch("crds.activeDeadlineSeconds", PLAIN, "60"),
    Switch("crds.resources", PLAIN, "{limits: {memory: 1Gi}}"),
    Switch("rbac.create", PLAIN, "false"),
    Switch("rbac.aggregateRoles", PLAIN, "false"),
    Switch("rbac.secretNames", PLAIN, "[ledger, cache]"),
    Switch("serviceAccount.create", PLAIN, "false"),
    Switch("serviceAccount.name", PLAIN, "given"),
    Switch(
        "serviceAccount.annotations",
        PLAIN,
        "{eks.amazonaws.com/role-arn: arn}",
    ),
    Switch("operator.replicas", PLAIN, "3"),
    Switch("operator.namespaced", PLAIN, "true"),
    Switch("operator.namespaces", PLAIN, "[shop, market]"),
    Switch("operator.class", PLAIN, "blue"),
    Switch("operator.allow.images", PLAIN, "['example.com/*']"),
    Switch("operator.allow.secrets", PLAIN, "['stores-*']"),
    Switch("operator.allow.podAnnotations", PLAIN, "[]"),
    Switch("operator.leaseDurationSeconds", PLAIN, "30"),
    Switch("operator.renewDeadlineSeconds", PLAIN, "5"),
    Switch("operator.retryPeriodSeconds", PLAIN, "1"),
    Switch(
        "operator.podTemplatePermit",
        PLAIN,
        "[volumes, volumeMounts]",
    ),
    Switch(
        "operator.logLevel",
        PLAIN,
        "'info,flashsale_operator=debug'",
    ),
    Switch(
        "operator.resources",
        PLAIN,
        "{limits: {memory: 1Gi, cpu: '2'}}",
    ),
    Switch("operator.terminationGracePeriodSeconds", PLAIN, "60"),
    Switch("operator.podDisruptionBudget", PLAIN, "false"),
    Switch("operator.podAnnotations", PLAIN, "{note: a}"),
    Switch("operator.podLabels", PLAIN, "{team: shop}"),
    Switch("operator.nodeSelector", PLAIN, "{pool: control}"),
    Switch(
        "operator.tolerations",
        PLAIN,
        "[{key: control, operator: Exists}]",
    ),
    Switch("operator.affinity", PLAIN, "{nodeAffinity: {}}"),
    Switch(
        "operator.priorityClassName",
        PLAIN,
        "system-cluster-critical",
    ),
    Switch("operator.extraArgs", PLAIN, "['--identity=me']"),
    Switch("gateway.replicas", PLAIN, "4"),
    Switch("gateway.autoscaling.enabled", PLAIN, "true"),
    Switch("gateway.autoscaling.minReplicas", EVERYTHING, "3"),
    Switch("gateway.autoscaling.maxReplicas", EVERYTHING, "30"),
    Switch(
        "gateway.autoscaling.targetCPUUtilizationPercentage",
        EVERYTHING,
        "80",
    ),
    Switch(
        "gateway.corsOrigins",
        PLAIN,
        "['https://a.example.com', 'http://localhost:5173']",
    ),
    Switch(
        "gateway.signInUrl",
        ADDRESSES,
        "'https://id.example.com/sign-in'",
    ),
    Switch("gateway.operations.existingSecret.name", PLAIN, "opens"),
    Switch("gateway.operations.existingSecret.key", EVERYTHING, "opens"),
    Switch("gateway.operations.token", PLAIN, "0123456789abcdef"),
    Switch("gateway.trustedProxies", PLAIN, "[10.42.0.0/16]"),
    Switch("gateway.proxyHeader", EVERYTHING, "x-forwarded-for"),
    Switch("gateway.requestsPerAddress", PLAIN, "0"),
    Switch("gateway.requestBurstPerAddress", PLAIN, "100"),
    Switch("gateway.accessLog", PLAIN, "true"),
    Switch("gateway.payments.existingSecret.name", PLAIN, "providers"),
    Switch("gateway.payments.existingSecret.key", EVERYTHING, "other"),
    Switch("gateway.payments.ports", EVERYTHING, "[8443]"),
    Switch("gateway.pass.existingSecret.name", PLAIN, "passes"),
    Switch("gateway.pass.existingSecret.key", EVERYTHING, "signing"),
    Switch("gateway.pass.lifetimeSeconds", PLAIN, "600"),
    Switch("gateway.pass.difficulty", PLAIN, "20"),
    Switch(
        "gateway.pass.verifier.url",
        EVERYTHING,
        "'http://verifier:8080/verify'",
    ),
    Switch("gateway.pass.verifier.siteKey", EVERYTHING, "other"),
    Switch(
        "gateway.pass.verifier.existingSecret.name",
        EVERYTHING,
        "other",
    ),
    Switch(
        "gateway.pass.verifier.existingSecret.key",
        EVERYTHING,
        "token",
    ),
    Switch("gateway.requestTimeoutSeconds", PLAIN, "5"),
    Switch("gateway.shutdownDelaySeconds", PLAIN, "15"),
    Switch("gateway.shutdownGraceSeconds", PLAIN, "30"),
    Switch("gateway.logLevel", PLAIN, "debug"),
    Switch("gateway.resources", PLAIN, "{requests: {cpu: 2}}"),
    Switch("gateway.service.type", PLAIN, "LoadBalancer"),
    Switch("gateway.service.port", PLAIN, "8080"),
    Switch("gateway.service.nodePort", NODE_PORT, "30080"),
    Switch("gateway.service.externalTrafficPolicy", NODE_PORT, "Local"),
    Switch("gateway.service.ipFamilyPolicy", PLAIN, "PreferDualStack"),
    Switch("gateway.service.ipFamilies", PLAIN, "[IPv6, IPv4]"),
    Switch("gateway.service.sessionAffinity", PLAIN, "ClientIP"),
    Switch("gateway.service.sessionAffinitySeconds", AFFINITY, "60"),
    Switch("gateway.service.annotations", PLAIN, "{note: a}"),
    Switch("gateway.ingress.enabled", PLAIN, "true"),
    Switch("gateway.ingress.className", EVERYTHING, "other"),
    Switch(
        "gateway.ingress.annotations",
        EVERYTHING,
        "{nginx.ingress.kubernetes.io/affinity: cookie}",
    ),
    Switch(
        "gateway.ingress.hosts",
        EVERYTHING,
        "['*.example.com', shop.example.org]",
    ),
    Switch("gateway.ingress.hosts", EVERYTHING, "[]"),
    Switch("gateway.ingress.path", EVERYTHING, "/api"),
    Switch("gateway.ingress.pathType", EVERYTHING, "Exact"),
    Switch("gateway.ingress.tls", EVERYTHING, "[]"),
    Switch("gateway.podDisruptionBudget", PLAIN, "false"),
    Switch("gateway.topologySpreadConstraints", PLAIN, "[]"),
    Switch(
        "gateway.topologySpreadConstraints",
        PLAIN,
        "[{maxSkew: 2, topologyKey: rack, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {a: b}}}]",
    ),
    Switch("gateway.podAnnotations", PLAIN, "{note: a}"),
    Switch("gateway.podAnnotations", ADDRESSES, "{note: a}"),
    Switch("gateway.podLabels", PLAIN, "{team: shop}"),
    Switch("gateway.nodeSelector", PLAIN, "{pool: front}"),
    Switch("gateway.tolerations", PLAIN, "[{operator: Exists}]"),
    Switch("gateway.affinity", PLAIN, "{podAntiAffinity: {}}"),
    Switch("gateway.priorityClassName", PLAIN, "high"),
    Switch("gateway.extraArgs", PLAIN, "['--intake-backlog=50000']"),
    Switch("migrations.enabled", PLAIN, "false"),
    Switch("migrations.backoffLimit", PLAIN, "1"),
    Switch("migrations.activeDeadlineSeconds", PLAIN, "60"),
    Switch("migrations.resources", PLAIN, "{limits: {memory: 1Gi}}"),
    Switch("jobs.podLabels", PLAIN, "{team: shop}"),
    Switch("jobs.podAnnotations", PLAIN, "{note: a}"),
    Switch("jobs.nodeSelector", PLAIN, "{pool: jobs}"),
    Switch("jobs.tolerations", PLAIN, "[{operator: Exists}]"),
    Switch("jobs.affinity", PLAIN, "{nodeAffinity: {}}"),
    Switch("jobs.priorityClassName", PLAIN, "high"),
    Switch("networkPolicy.enabled", PLAIN, "false"),
    Switch(
        "networkPolicy.shoppersFrom",
        PLAIN,
        "[{ipBlock: {cidr: 10.0.0.0/8}}]",
    ),
    Switch("networkPolicy.metricsFrom", PLAIN, "[]"),
    Switch(
        "networkPolicy.databaseTo",
        PLAIN,
        "[{ipBlock: {cidr: 10.0.0.0/8}}]",
    ),
    Switch("networkPolicy.databasePorts", PLAIN, "[5432, 6432]"),
    Switch(
        "networkPolicy.redisTo",
        PLAIN,
        "[{ipBlock: {cidr: 10.0.0.0/8}}]",
    ),
    Switch("networkPolicy.redisPorts", PLAIN, "[6380]"),
    Switch(
        "networkPolicy.apiServerTo",
        PLAIN,
        "[{ipBlock: {cidr: 10.96.0.1/32}}]",
    ),
    Switch("networkPolicy.apiServerPorts", PLAIN, "[16443]"),
    Switch("networkPolicy.dnsTo", PLAIN, "[{namespaceSelector: {}}]"),
    Switch(
        "networkPolicy.jwksTo",
        ADDRESSES,
        "[{ipBlock: {cidr: 198.51.100.0/24}}]",
    ),
    Switch("networkPolicy.jwksPorts", ADDRESSES, "[8443]"),
    Switch("networkPolicy.saleNamespaces", PLAIN, "[market, shop]"),
    Switch("monitoring.podMonitors", PLAIN, "always"),
    Switch("monitoring.rules", PLAIN, "always"),
    Switch(
        "monitoring.runbookUrl",
        EVERYTHING,
        "https://wiki.example.com/flashsale",
    ),
    Switch("monitoring.dashboards", PLAIN, "true"),
    Switch("monitoring.dashboardLabel", EVERYTHING, "dashboards"),
    Switch("monitoring.dashboardFolder", EVERYTHING, "''"),
    Switch("monitoring.labels", EVERYTHING, "{release: other}"),
    Switch("monitoring.interval", EVERYTHING, "5s"),
    Switch("helmTest.enabled", PLAIN, "false"),
    Switch("helmTest.resources", PLAIN, "{limits: {memory: 1Gi}}"),
    Switch("dev.enabled", ADDRESSES, "false"),
    Switch("dev.nodeSelector", DEV, "{pool: stores}"),
    Switch("dev.tolerations", DEV, "[{operator: Exists}]"),
    Switch("dev.priorityClassName", DEV, "high"),
    Switch(
        "dev.postgres.image",
        DEV,
        "registry.example.com/postgres:16",
    ),
    Switch("dev.postgres.command", DEV, "[postgres]"),
    Switch("dev.postgres.args", DEV, "[]"),
    Switch("dev.postgres.runAsUser", DEV, "70"),
    Switch("dev.postgres.clusterIP", DEV, "10.96.0.50"),
    Switch("dev.postgres.resources", DEV, "{limits: {memory: 2Gi}}"),
    Switch("dev.redis.image", DEV, "registry.example.com/valkey:8"),
    Switch(
        "dev.redis.command",
        DEV,
        "[valkey-server, /etc/redis/redis.conf]",
    ),
    Switch("dev.redis.appendfsync", DEV, "always"),
    Switch("dev.redis.runAsUser", DEV, "1001"),
    Switch("dev.redis.clusterIP", DEV, "10.96.0.51"),
    Switch("dev.redis.resources", DEV, "{limits: {memory: 2Gi}}"),
    Switch("dev.storage.persistent", DEV, "true"),
    Switch("dev.storage.size", PERSISTENT, "10Gi"),
    Switch("dev.storage.className", PERSISTENT, "fast"),
];

impl Switch {
    /// Fails unless the value changes what is rendered, and all holds with it.
    fn check(&self) {
        let Self(path, others, to) = self;
        let without = rendered(others);
        let on = with(parse(others), path, &parse(to));
        let with_it = render(&on, &[]);
        laws::hold(&with_it);
        flags::are_taken(&with_it);
        assert!(
            *path == "dev.enabled" || told(&with_it) != told(&without),
            "{path}: {to} changes nothing"
        );
    }
}

/// What is rendered without a switch; the same for many.
fn rendered(values: &'static str) -> Manifests {
    static KNOWN: LazyLock<Mutex<BTreeMap<&str, Vec<Value>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap();
    let objects = known
        .entry(values)
        .or_insert_with(|| render(&parse(values), &[]).0);
    Manifests(objects.clone())
}

/// The objects without those whose passwords are drawn anew each time.
fn told(manifests: &Manifests) -> Vec<&Value> {
    let objects = manifests.0.iter();
    objects
        .filter(|object| object["stringData"]["password"].is_null())
        .collect()
}

#[test]
fn each_changes_something_and_breaks_nothing() {
    // Each takes a process of helm and one of every program; threads keep the cores busy.
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for part in ALL.chunks(ALL.len().div_ceil(threads)) {
            scope.spawn(move || part.iter().for_each(Switch::check));
        }
    });
}

#[test]
fn none_is_left_out() {
    let tried: BTreeSet<&str> = ALL.iter().map(|switch| switch.0).collect();
    let entries = generated::documented();
    let there: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(tried, there);
}
