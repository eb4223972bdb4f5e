//! Gateway, worker, shoppers, and Prometheus looking on.

use std::{collections::BTreeMap, time::Duration};

use flashsale_domain::sale::{Sale, Schedule};
use flashsale_e2e::{
    patience::until,
    processes::{Child, client},
    prometheus::{Names, Plane, Prometheus, Span, Target, check, rules},
    queue::push,
    sales::{open, sale},
    services::Services,
};
use flashsale_testbed::{
    data_dir::DataDir,
    program::{Program, StoreUrls, ours},
    redis::Redis,
};
use jiff::{SignedDuration, Timestamp};

use crate::{SEEN, looked_at, metrics_of_alerts_are_there, must_give};

/// How long shoppers buy: long enough for rates over several scrapes.
const SHOPPING: Duration = Duration::from_secs(8);

/// Other tests keep the machine busy, and every buy has to be taken.
const PATIENT: [&str; 3] = [
    "--turnstile-timeout-millis=5000",
    "--replica-timeout-millis=4000",
    "--intake-timeout-millis=5000",
];

/// A public key set (RFC 8037, appendix A.2).
const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A sale under the eyes of a Prometheus.
struct Scene {
    names: Names,
    services: Services,
    sale: Sale,
    gateway: Child,
    /// Wants tokens, and so has keys. Nobody buys there.
    _guarded: Program,
    worker: Child,
    /// What buys of the product `r` are acknowledged by, besides the primary.
    _replica: Redis,
    prometheus: Prometheus,
    began: Timestamp,
}

impl Scene {
    async fn start() -> Self {
        let names = Names::new("shop", "drop");
        let services = Services::start().await;
        let replica = replica(&services).await;
        let began = Timestamp::now();
        let mut sale = sale(&names.sale, &[("p", 100_000), ("q", 100_000)]);
        sale.schedule = Schedule {
            opens_at: Some(began + SignedDuration::from_secs(3)),
            closes_at: Some(began + SignedDuration::from_hours(1)),
        };
        open(&services, &sale).await;
        let mut replicated = self::sale("replicated", &[("r", 100_000)]);
        replicated.durability.redis_replicas = 1;
        open(&services, &replicated).await;
        let gateway = Child::gateway_with(&services, "gateway", &PATIENT).await;
        let guarded = guarded(&services).await;
        let worker = Child::worker(&services, "worker").await;
        let target = |component, program: &Program| Target {
            component,
            namespace: names.namespace.clone(),
            probes_port: program.probes.port(),
        };
        let targets = [
            target("gateway", &gateway.0),
            target("gateway", &guarded),
            target("worker", &worker.0),
        ];
        let prometheus = Prometheus::start(services.data_dir.path(), &targets).await;
        Self {
            names,
            services,
            sale,
            gateway,
            _guarded: guarded,
            worker,
            _replica: replica,
            prometheus,
            began,
        }
    }

    async fn buy(&self, product: &str, user: &str, key: &str) -> u16 {
        let body = format!(r#"{{"productId":"{product}","userId":"{user}"}}"#);
        let sent = client()
            .post(format!("{}/buy", self.gateway.url()))
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body)
            .send();
        sent.await.unwrap().status().as_u16()
    }

    /// Shoppers are early, buy, press twice and ask for nonsense; an entry is no job; at last the
    /// worker dies, and shoppers wait.
    async fn play(&self) {
        assert_eq!(self.buy("p", "early", "k").await, 403);
        until("the sale is open", SEEN, || async {
            self.buy("p", "first", "k").await == 200
        })
        .await;
        push(&self.services, &self.sale, 1, b"no job").await;
        let until = Timestamp::now() + SignedDuration::try_from(SHOPPING).unwrap();
        for shopper in 0.. {
            if Timestamp::now() > until {
                break;
            }
            let user = format!("u{shopper}");
            assert_eq!(self.buy("p", &user, "k").await, 200);
            assert_eq!(self.buy("p", &user, "k").await, 200);
            assert_eq!(self.buy("r", &user, "k").await, 200);
            assert_eq!(self.buy("nonsense", &user, "k").await, 404);
        }
        self.worker.process().kill().unwrap();
        assert_eq!(self.buy("q", "last", "k").await, 200);
    }

    fn seen(&self) -> (&Names, Span) {
        (&self.names, Span::since(self.began))
    }
}

/// A gateway that wants tokens.
async fn guarded(services: &Services) -> Program {
    let directory = services.data_dir.path();
    let keys = directory.join("keys.json");
    std::fs::write(&keys, KEYS).unwrap();
    let redis = services.redis.url();
    let stores = StoreUrls {
        database: &services.database_url,
        redis: &redis,
    };
    let further = [
        "--jwt-issuer=https://id.example.com/",
        "--jwt-audience=shop",
        "--jwks",
        keys.to_str().unwrap(),
    ];
    let launch = ours("flashsale-gateway", "guarded", stores, directory).unwrap();
    Program::guarded_gateway(launch, &further).await.unwrap()
}

/// A replica that follows.
async fn replica(services: &Services) -> Redis {
    let data_dir = DataDir::temporary().unwrap();
    let replica = Redis::start_replica(&data_dir, &services.redis)
        .await
        .unwrap();
    let queue = services.queue.clone();
    until("the replica follows", SEEN, || {
        let mut queue = queue.clone();
        async move {
            let mut ask = redis::cmd("INFO");
            let info: String = ask
                .arg("replication")
                .query_async(&mut queue)
                .await
                .unwrap();
            info.contains("state=online")
        }
    })
    .await;
    replica
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_expression_finds_what_it_is_about_during_a_sale() {
    let scene = Scene::start().await;
    scene.play().await;
    alerts_see_what_happened(&scene.prometheus).await;
    let data = must_give(Plane::Data);
    let (alerts, recordings) = rules::expressions();
    check(&scene.prometheus, scene.seen(), &looked_at(), &data)
        .await
        .assert_sound("dashboards and runbook");
    check(&scene.prometheus, scene.seen(), &recordings, &data)
        .await
        .assert_sound("recordings");
    check(&scene.prometheus, scene.seen(), &alerts, |_| false)
        .await
        .assert_sound("alerts");
    rules_are_evaluated(&scene.prometheus).await;
    metrics_of_alerts_are_there(&scene.prometheus, Plane::Data).await;
}

/// A job without outcome in a lane without driver, an entry that was no job, a worker that died.
async fn alerts_see_what_happened(prometheus: &Prometheus) {
    let expected = BTreeMap::from([
        ("FlashsaleDeadLetters", "firing"),
        ("FlashsaleLaneWithoutDriver", "pending"),
        ("FlashsaleProcessDown", "pending"),
    ]);
    until("alerts see the dead worker", SEEN, || async {
        let seen = prometheus.alerts().await;
        let is_seen = |name: &str, state: &str| seen.get(name).is_some_and(|seen| seen == state);
        expected.iter().all(|(name, state)| is_seen(name, state))
    })
    .await;
    let seen = prometheus.alerts().await;
    for silent in [
        "FlashsaleGatewayAbsent",
        "FlashsaleQueueDown",
        "FlashsaleLedgerDown",
        "FlashsaleGatewayErrors",
    ] {
        assert!(!seen.contains_key(silent), "{seen:?}");
    }
}

async fn rules_are_evaluated(prometheus: &Prometheus) {
    let rules = prometheus.rules().await;
    assert!(rules.len() > 20);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
}
