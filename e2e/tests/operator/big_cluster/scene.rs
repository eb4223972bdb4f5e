//! The cluster, its thousand sales, and shoppers in those that are open.

use std::time::{Duration, Instant};

use flashsale_domain::sale::Sale;
use flashsale_e2e::{
    cluster::ControlPlane,
    operator::{Stage, with},
    patience::until,
    processes::Child,
    queue::{admit, buy},
    sales::sale,
    services::Services,
};
use flashsale_operator::crd::FlashSale;
use flashsale_queue::{keys::SaleKeys, turnstile::Admission};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{Pod, Secret},
    },
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};

/// All sales, the namespaces that they are spread over, and how many of them are open.
pub(super) const SALES: usize = 1_000;
pub(super) const NAMESPACES: usize = 20;
pub(super) const OPEN: usize = 100;

/// Products of an open sale, and of one that is not.
const PRODUCTS: usize = 300;
const PRODUCTS_SCHEDULED: usize = 3;

/// Units of each product.
const STOCK: i32 = 100_000;

/// Open sales whose buys a worker settles. In the others the jobs are taken out of the lanes: a worker
/// for thirty thousand lanes would load this machine more than the operator does.
const SETTLED: usize = 10;

/// Requests under way at once while the cluster is filled.
const CREATORS: usize = 20;

/// How long all of them may take to be looked after, on a busy machine.
const ALL_THERE: Duration = Duration::from_mins(4);

/// How long before its time the opening that is measured is asked for.
const AHEAD: SignedDuration = SignedDuration::from_secs(5);

/// Whether the sales of a namespace share their Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    Shared,
    Distinct,
}

/// The cluster.
pub(super) struct Scene {
    /// The first namespace, with the stores of all of them.
    pub(super) stage: Stage,
    namespaces: Vec<String>,
    secrets: Secrets,
    open: Vec<Sale>,
}

impl Scene {
    /// Twenty namespaces with their Secrets, on a control plane of its own. It ends with the test
    /// program at the latest.
    pub(super) async fn set(services: Services, secrets: Secrets) -> Self {
        let cluster: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().await));
        let stage = Stage::set_on(cluster, services).await;
        let mut namespaces = vec![stage.namespace.clone()];
        while namespaces.len() < NAMESPACES {
            namespaces.push(stage.cluster.namespace("big").await);
        }
        let mut scene = Self {
            stage,
            namespaces,
            secrets,
            open: Vec::new(),
        };
        let open = (0..OPEN).map(|number| scene.sale(number)).collect();
        scene.open = open;
        scene.write_secrets().await;
        scene
    }

    fn namespace(&self, number: usize) -> &str {
        &self.namespaces[number % NAMESPACES]
    }

    fn sale(&self, number: usize) -> Sale {
        let (name, products) = (name(number), products(number));
        let ids: Vec<String> = (0..products).map(|product| id(&name, product)).collect();
        let ids: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), STOCK)).collect();
        sale(&format!("{}.{name}", self.namespace(number)), &ids)
    }

    async fn write_secrets(&self) {
        let stores = [
            (
                "flashsale-database",
                self.stage.services.database_url.clone(),
            ),
            ("flashsale-redis", self.stage.services.redis.url()),
        ];
        let places = match self.secrets {
            Secrets::Shared => NAMESPACES,
            Secrets::Distinct => SALES,
        };
        let write = async |place: usize| {
            let api: Api<Secret> =
                Api::namespaced(self.stage.cluster.client(), self.namespace(place));
            for (name, address) in &stores {
                let name = match self.secrets {
                    Secrets::Shared => (*name).to_owned(),
                    Secrets::Distinct => format!("{name}-{place:04}"),
                };
                let address = ByteString(address.clone().into_bytes());
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        labels: Some([("flashsale.dev/allowed".into(), "true".into())].into()),
                        ..ObjectMeta::default()
                    },
                    data: Some([("url".to_owned(), address)].into()),
                    ..Secret::default()
                };
                let parameters = PatchParams::apply("test");
                api.patch(&name, &parameters, &Patch::Apply(&secret))
                    .await
                    .unwrap();
            }
        };
        for_each(places, write).await;
    }

    /// Creates all sales.
    pub(super) async fn create_all(&self) {
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        let create = async |number: usize| {
            let mut spec = spec(&name(number), products(number));
            if number >= OPEN {
                spec = with(spec, &json!({ "opensAt": tomorrow }));
            }
            if self.secrets == Secrets::Distinct {
                let of = |kind: &str| json!({"name": format!("flashsale-{kind}-{number:04}")});
                let references = json!({
                    "databaseSecretRef": of("database"), "redisSecretRef": of("redis"),
                });
                spec = with(spec, &references);
            }
            let object = json!({
                "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
                "metadata": {"name": name(number)}, "spec": spec,
            });
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            let resource = ApiResource::erase::<FlashSale>(&());
            let client = self.stage.cluster.client();
            let api: Api<DynamicObject> =
                Api::namespaced_with(client, self.namespace(number), &resource);
            api.create(&PostParams::default(), &object).await.unwrap();
        };
        for_each(SALES, create).await;
    }

    /// Waits until every sale is in its phase.
    pub(super) async fn all_there(&self) {
        let deadline = Instant::now() + ALL_THERE;
        loop {
            let (mut open, mut scheduled) = (0, 0);
            for namespace in &self.namespaces {
                let api: Api<FlashSale> = Api::namespaced(self.stage.cluster.client(), namespace);
                for sale in api.list(&ListParams::default()).await.unwrap() {
                    let phase = sale.status.and_then(|status| status.phase);
                    open += usize::from(phase.as_deref() == Some("Open"));
                    scheduled += usize::from(phase.as_deref() == Some("Scheduled"));
                }
            }
            if (open, scheduled) == (OPEN, SALES - OPEN) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{open} open, {scheduled} scheduled"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Makes all pods ready, as nodes would, and waits until the Deployments say so.
    pub(super) async fn make_workers_ready(&self) {
        let client = self.stage.cluster.client();
        let ours = ListParams::default().labels("flashsale.dev/sale");
        let deployments: Api<Deployment> = Api::all(client.clone());
        until("all workers are ready", ALL_THERE, || async {
            let pods: Api<Pod> = Api::all(client.clone());
            for pod in pods.list(&ours).await.unwrap() {
                let phase = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref());
                if phase != Some("Running") {
                    make_ready(&client, &pod).await;
                }
            }
            let all = deployments.list(&ours).await.unwrap();
            let ready = all.iter().filter(|deployment| {
                let status = deployment.status.as_ref();
                status.and_then(|status| status.available_replicas) >= Some(1)
            });
            ready.count() >= OPEN
        })
        .await;
    }

    /// A worker that settles the buys of some sales.
    pub(super) async fn start_worker(&self) -> Child {
        let sales: Vec<_> = self.open[..SETTLED]
            .iter()
            .map(|sale| sale.id.clone())
            .collect();
        Child::worker_of(&self.stage.services, "worker", &sales).await
    }

    /// Each second one buy in each open sale; answers how many.
    pub(super) async fn buy_each_second(&self, how_long: Duration) -> usize {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        let rounds = usize::try_from(how_long.as_secs()).unwrap();
        for round in 0..rounds {
            seconds.tick().await;
            let press = async |number: usize| {
                let sale = &self.open[number];
                if number >= SETTLED && round > 0 {
                    self.empty(sale, (round - 1) % PRODUCTS).await;
                }
                self.press(sale, round % PRODUCTS).await;
            };
            for_each(OPEN, press).await;
        }
        seconds.tick().await;
        for sale in &self.open[SETTLED..] {
            self.empty(sale, (rounds - 1) % PRODUCTS).await;
        }
        rounds * OPEN
    }

    async fn press(&self, sale: &Sale, product: usize) {
        let key = uuid::Uuid::new_v4().to_string();
        let buys = [buy(sale, &key, product, &key)];
        let taken = admit(&self.stage.services, sale, &buys).await.remove(0);
        assert!(matches!(taken, Admission::Queued { .. }), "{taken:?}");
    }

    /// Takes the jobs out of a lane.
    async fn empty(&self, sale: &Sale, product: usize) {
        let lane = SaleKeys::new(&sale.id).lane(&sale.products[product].id);
        let mut queue = self.stage.services.queue.clone();
        redis::cmd("DEL")
            .arg(lane)
            .exec_async(&mut queue)
            .await
            .unwrap();
    }

    /// How long it takes from a spike in one sale to a second worker.
    pub(super) async fn answer_of_a_spike(&self) -> Duration {
        let sale = &self.open[OPEN - 1];
        let start = Instant::now();
        for product in 0..20 {
            self.press(sale, product).await;
        }
        let deployments: Api<Deployment> =
            Api::namespaced(self.stage.cluster.client(), self.namespace(OPEN - 1));
        let deployment = format!("{}-worker", name(OPEN - 1));
        until("a second worker is asked for", ALL_THERE, || async {
            let found = deployments.get(&deployment).await.unwrap();
            found.spec.unwrap().replicas > Some(1)
        })
        .await;
        start.elapsed()
    }

    /// How long after its time the status of a sale tells that it has opened.
    pub(super) async fn lag_of_an_opening(&self, now: Timestamp) -> Duration {
        let number = SALES - 1;
        let sales: Api<FlashSale> =
            Api::namespaced(self.stage.cluster.client(), self.namespace(number));
        let opens = now + AHEAD;
        let patch = json!({"spec": {"opensAt": opens}});
        let parameters = PatchParams::default();
        sales
            .patch(&name(number), &parameters, &Patch::Merge(&patch))
            .await
            .unwrap();
        until("the opening is told", ALL_THERE, || async {
            let sale = sales.get(&name(number)).await.unwrap();
            let phase = sale.status.and_then(|status| status.phase);
            phase.as_deref() == Some("Open")
        })
        .await;
        Duration::try_from(Timestamp::now().duration_since(opens)).unwrap()
    }
}

async fn make_ready(client: &kube::Client, pod: &Pod) {
    let now = Timestamp::now();
    let condition =
        |about: &str| json!({"type": about, "status": "True", "lastTransitionTime": now});
    let status = json!({"status": {
        "phase": "Running", "conditions": [condition("Ready"), condition("ContainersReady")],
    }});
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
    let parameters = PatchParams::default();
    api.patch_status(&pod.name_any(), &parameters, &Patch::Strategic(status))
        .await
        .unwrap();
}

/// Does it for each number below `count`, some of them at once.
async fn for_each(count: usize, act: impl AsyncFn(usize)) {
    stream::iter(0..count)
        .for_each_concurrent(CREATORS, async |number| act(number).await)
        .await;
}

fn name(number: usize) -> String {
    format!("sale-{number:04}")
}

fn id(name: &str, product: usize) -> String {
    format!("{name}-{product:03}")
}

fn products(number: usize) -> usize {
    if number < OPEN {
        PRODUCTS
    } else {
        PRODUCTS_SCHEDULED
    }
}

/// A spec as long as people write it.
fn spec(name: &str, products: usize) -> Value {
    let products: Vec<Value> = (0..products)
        .map(|number| {
            let id = id(name, number);
            json!({
                "id": id, "name": format!("Product {id}"), "price": 100, "stock": STOCK,
                "description": "What shoppers read of this product before they press the button: \
                    its size, its color, what it is made of and when it is sent.",
                "image": format!("https://images.example.com/products/{id}.webp"),
            })
        })
        .collect();
    json!({
        "products": products,
        "worker": {"minReplicas": 1, "maxReplicas": 4, "targetQueueDepth": 10, "lanesPerWorker": 8},
    })
}
