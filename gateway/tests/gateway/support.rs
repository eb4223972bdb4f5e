//! A Redis of one's own, sales in it, gateways in front of it.

pub mod client;
pub mod kept;
pub mod process;
pub mod socket;
pub mod tokens;

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use clap::Parser as _;
use flashsale_domain::{
    id::{ProductId, SaleId},
    outcome::Outcome,
    sale::{Sale, spec::FlashSaleSpec, validation},
    stock::StockLevel,
};
use flashsale_gateway::{config::Arguments, process::Process};
use flashsale_queue::{
    catalogue,
    connect::Queue,
    keys::SaleKeys,
    lane::{self, Acknowledgement, Ended},
    stock,
};
use flashsale_testbed::{
    data_dir::DataDir,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use client::Client;

/// Longest wait for anything in a test; reached only when the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A PostgreSQL address where nothing listens, for tests that never ask the ledger.
const NO_LEDGER: &str = "postgres://nobody@127.0.0.1:1/nothing";

/// A Redis of the test's own, and where the ledger is.
pub struct World {
    pub redis: Redis,
    pub redis_url: String,
    pub ledger_url: String,
    pub data_dir: DataDir,
}

impl World {
    /// A fresh Redis, no ledger.
    pub async fn new() -> Self {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data_dir = DataDir::temporary().unwrap();
        let redis = Redis::start(&data_dir, AppendFsync::EverySecond)
            .await
            .unwrap();
        Self {
            redis_url: redis.url(),
            redis,
            ledger_url: NO_LEDGER.to_owned(),
            data_dir,
        }
    }

    /// A fresh Redis and a fresh ledger.
    pub async fn with_ledger() -> (Self, Postgres) {
        let mut world = Self::new().await;
        let postgres = Postgres::start(&world.data_dir).await.unwrap();
        world.ledger_url = postgres.url();
        (world, postgres)
    }

    /// A connection for the test itself.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Puts a sale in force and tells its stock.
    pub async fn announce(&self, name: &str, spec: Value) -> Sale {
        let mut connection = self.connection().await;
        self.announce_by(&mut connection, name, spec).await
    }

    /// The same over a given connection.
    pub async fn announce_by(&self, connection: &mut impl Queue, name: &str, spec: Value) -> Sale {
        let sale = sale(name, spec);
        catalogue::announce(connection, &sale, false).await.unwrap();
        let levels: Vec<StockLevel> = sale
            .products
            .iter()
            .map(|product| level(&product.id, product.stock, 1))
            .collect();
        stock::publish(connection, &SaleKeys::new(&sale.id), &levels)
            .await
            .unwrap();
        sale
    }

    /// A gateway without authentication.
    pub async fn gateway(&self) -> Gateway {
        self.gateway_with(&["--auth-mode", "off"]).await
    }

    /// A gateway with these further arguments, ready.
    pub async fn gateway_with(&self, arguments: &[&str]) -> Gateway {
        let gateway = self.gateway_unready(arguments).await;
        gateway.wait_until_ready().await;
        gateway
    }

    /// A gateway with these further arguments, as it is.
    pub async fn gateway_unready(&self, arguments: &[&str]) -> Gateway {
        self.gateway_at("127.0.0.1:0", arguments).await
    }

    /// A gateway that listens there, as it is; reached over IPv4.
    pub async fn gateway_at(&self, listen: &str, arguments: &[&str]) -> Gateway {
        let all = self.arguments(arguments);
        let mut config = Arguments::try_parse_from(all).unwrap().config;
        config.http.listen = listen.parse().unwrap();
        config.http.probes_listen = config.http.listen;
        let process = Process::start(config).await.unwrap();
        let over_ipv4 = |address: SocketAddr| (Ipv4Addr::LOCALHOST, address.port()).into();
        let client = Client::new(over_ipv4(process.address()));
        let probes = Client::new(over_ipv4(process.probes_address()));
        let shutdown = CancellationToken::new();
        tokio::spawn(process.run(shutdown.clone()));
        Gateway {
            client,
            probes,
            shutdown,
        }
    }

    /// The command line of a gateway on free ports.
    pub fn arguments<'a>(&'a self, further: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec![
            "flashsale-gateway",
            "--listen=127.0.0.1:0",
            "--probes-listen=127.0.0.1:0",
            "--redis-url",
            &self.redis_url,
            "--database-url",
            &self.ledger_url,
        ];
        all.extend(further);
        all
    }

    /// Plays the worker: ends the first `count` jobs of a lane with `outcome`.
    pub async fn settle(
        &self,
        sale: &Sale,
        product: &str,
        count: usize,
        outcome: Outcome,
        level: (i32, i64),
    ) -> Vec<Ended> {
        let keys = SaleKeys::new(&sale.id);
        let product = ProductId::new(product).unwrap();
        let mut connection = self.connection().await;
        let name = keys.lane(&product);
        let entries = lane::read(&mut connection, &name, lane::HEAD, count)
            .await
            .unwrap();
        let ended: Vec<Ended> = entries
            .into_iter()
            .zip(4711_i64..)
            .map(|(entry, order_id)| {
                let job = flashsale_domain::job::Job::parse(&entry.job.unwrap(), &product).unwrap();
                Ended {
                    entry_id: entry.id,
                    job_id: job.job_id,
                    user_id: job.data.user_id,
                    outcome,
                    order_id: (outcome == Outcome::Confirmed).then_some(order_id),
                    state: None,
                }
            })
            .collect();
        let acknowledgement = Acknowledgement {
            ended: ended.clone(),
            dead: Vec::new(),
            stock: Some(level),
            ..Acknowledgement::default()
        };
        lane::acknowledge(&mut connection, &keys, &product, &acknowledgement)
            .await
            .unwrap();
        ended
    }
}

/// A running gateway; stops when dropped.
pub struct Gateway {
    pub client: Client,
    pub probes: Client,
    pub shutdown: CancellationToken,
}

impl Gateway {
    pub async fn wait_until_ready(&self) {
        eventually("the gateway is ready", async || {
            self.probes.get("/readyz").await.status == 200
        })
        .await;
    }

    /// One buy with a key of its own.
    pub async fn buy(&self, product: &str, user: &str, key: &str) -> client::Answer {
        self.client.buy(product, user, key).await
    }

    /// The value of one metric, with its labels as Prometheus writes them.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        self.probes.metric(name).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A checked sale.
pub fn sale(name: &str, spec: Value) -> Sale {
    let spec: FlashSaleSpec = serde_json::from_value(spec).unwrap();
    validation::check_spec(SaleId::new(name).unwrap(), &spec).unwrap()
}

/// A stock figure.
pub fn level(product: &ProductId, stock: i32, version: i64) -> StockLevel {
    StockLevel {
        product: product.clone(),
        stock,
        version,
        settled_version: 0,
    }
}

/// An open sale of one product, with a rate limit that no test meets by accident.
pub fn one_product(product: &str, stock: i32) -> Value {
    json!({
        "products": [{ "id": product, "name": "A pair", "price": 12_900, "stock": stock }],
        "turnstile": { "rateLimit": { "requests": 1000, "windowSeconds": 1 } }
    })
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "never came true: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs futures side by side and gathers what they give.
pub async fn all<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
