//! A sale of several products whose lanes a test fills and empties as it likes.

use std::ops::Range;

use flashsale_domain::sale::Sale;
use flashsale_e2e::{
    operator::Stage,
    queue::{admit, buy, depth, job},
    sales::sale,
    services::Services,
};
use flashsale_queue::{keys::SaleKeys, lease, turnstile::Admission};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

/// Units of each product: more than any test buys.
const STOCK: i32 = 100_000;

/// A sale in force, and its lanes.
pub(crate) struct Market {
    sale: Sale,
}

impl Market {
    /// Creates a FlashSale of `products` products, open at once.
    pub(crate) async fn open(stage: &Stage, name: &str, products: usize, worker: Value) -> Self {
        let market = Self::create(stage, name, spec(name, products, &worker)).await;
        stage.until_phase(name, "Open").await;
        market
    }

    /// Creates a FlashSale whose products are those of [`spec`].
    pub(crate) async fn create(stage: &Stage, name: &str, spec: Value) -> Self {
        let products = spec["products"].as_array().unwrap().len();
        let ids: Vec<String> = (0..products).map(|number| id(name, number)).collect();
        let ids: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), STOCK)).collect();
        let sale = sale(stage.id(name).as_str(), &ids);
        stage.create(name, spec).await;
        Self { sale }
    }

    /// Appends `jobs` jobs to each of `lanes`, all in one instant.
    pub(crate) async fn fill(&self, services: &Services, lanes: Range<usize>, jobs: usize) {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for product in &self.sale.products[lanes] {
            let lane = SaleKeys::new(&self.sale.id).lane(&product.id);
            for number in 0..jobs {
                let user = format!("shopper-{number}");
                let job = serde_json::to_vec(&job(&self.sale, &user, &product.id, &user)).unwrap();
                pipe.xadd(&lane, "*", &[("job", job)]).ignore();
            }
        }
        pipe.exec_async(&mut connection(services).await)
            .await
            .unwrap();
    }

    /// Holds the lease of lane number `lane` for a term, as a worker that drives it.
    pub(crate) async fn hold(&self, services: &Services, lane: usize) {
        let product = &self.sale.products[lane].id;
        let key = SaleKeys::new(&self.sale.id).lease(product);
        let mut queue = services.queue.clone();
        let held = lease::hold(&mut queue, &key, "a-worker:a-takeover").await;
        assert!(held.unwrap(), "another worker holds {product}");
    }

    /// Holds the leases of all lanes for longer than a test takes, so that none of them asks for a
    /// spare worker while it waits.
    pub(crate) async fn occupy(&self, services: &Services) {
        let mut pipe = redis::pipe();
        for product in &self.sale.products {
            let key = SaleKeys::new(&self.sale.id).lease(&product.id);
            pipe.set_ex(key, "a-worker:a-takeover", 3_600).ignore();
        }
        pipe.exec_async(&mut connection(services).await)
            .await
            .unwrap();
    }

    /// Presses Buy for product number `product`, with a key of its own, as `shopper`.
    pub(crate) async fn press(
        &self,
        services: &Services,
        product: usize,
        shopper: usize,
    ) -> Admission {
        let user = format!("shopper-{shopper}");
        let key = uuid::Uuid::new_v4().to_string();
        let buys = [buy(&self.sale, &user, product, &key)];
        admit(services, &self.sale, &buys).await.remove(0)
    }

    /// Jobs in all lanes.
    pub(crate) async fn depth(&self, services: &Services) -> u64 {
        let mut jobs = 0;
        for product in 0..self.sale.products.len() {
            jobs += depth(services, &self.sale, product).await;
        }
        jobs
    }

    /// Empties every lane in one instant.
    pub(crate) async fn empty(&self, services: &Services) {
        let keys = SaleKeys::new(&self.sale.id);
        let lanes = self.sale.products.iter();
        let lanes: Vec<String> = lanes.map(|product| keys.lane(&product.id)).collect();
        redis::cmd("DEL")
            .arg(lanes)
            .exec_async(&mut connection(services).await)
            .await
            .unwrap();
    }
}

/// A fresh one: a shared one may have broken with a Redis that was away.
async fn connection(services: &Services) -> MultiplexedConnection {
    let client = services.client();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The spec of a sale named `name` of `products` products with these `worker` settings.
pub(crate) fn spec(name: &str, products: usize, worker: &Value) -> Value {
    let products: Vec<Value> = (0..products)
        .map(|number| {
            let id = id(name, number);
            json!({"id": id, "name": id, "price": 100, "stock": STOCK})
        })
        .collect();
    json!({"products": products, "worker": worker})
}

fn id(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}
