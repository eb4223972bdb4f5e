//! Gateways and workers as child processes that can be killed, for tests.

use std::{net::SocketAddr, time::Duration};

use flashsale_domain::id::SaleId;
use flashsale_fault_point::FaultPoint;
use flashsale_testbed::{
    http,
    launch::Launch,
    process::Process,
    program::{Program, StoreUrls, ours},
};

use crate::services::Services;

/// A gateway or a worker.
pub struct Child(pub Program);

impl Child {
    /// Starts a gateway without authentication and waits until it is ready.
    pub async fn gateway(services: &Services, name: &str) -> Self {
        Self::gateway_with(services, name, &[]).await
    }

    /// Starts such a gateway with these further arguments.
    pub async fn gateway_with(services: &Services, name: &str, further: &[&str]) -> Self {
        let launch = launch("flashsale-gateway", services, name);
        Self(Program::gateway(launch, further).await.unwrap())
    }

    /// Starts a worker and waits until it is ready.
    pub async fn worker(services: &Services, name: &str) -> Self {
        Self::worker_of(services, name, &[]).await
    }

    /// Starts a worker that serves `sales` alone, as those of the operator do (all without any),
    /// and waits until it is ready.
    pub async fn worker_of(services: &Services, name: &str, sales: &[SaleId]) -> Self {
        let launch = launch("flashsale-worker", services, name);
        let arguments: Vec<String> = sales.iter().map(|sale| format!("--sale={sale}")).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self(Program::worker(launch, &arguments).await.unwrap())
    }

    /// Starts a gateway in which a fault point is armed by `fault`, as in `between-renewals=stop`.
    pub async fn faulty_gateway(services: &Services, name: &str, fault: &str) -> Self {
        let launch = launch("flashsale-gateway", services, name);
        let launch = launch.env(FaultPoint::VARIABLE, fault);
        Self(Program::gateway(launch, &[]).await.unwrap())
    }

    /// Starts a worker in which a fault point is armed by `fault`.
    pub async fn faulty_worker(services: &Services, name: &str, fault: &str) -> Self {
        let launch = launch("flashsale-worker", services, name);
        let launch = launch.env(FaultPoint::VARIABLE, fault);
        Self(Program::worker(launch, &[]).await.unwrap())
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        self.0.process()
    }

    /// Kills it by SIGKILL and starts it again on its ports.
    pub async fn kill_and_restart(&mut self) {
        self.0.restart().await.unwrap();
        self.0.ready().await.unwrap();
    }

    /// SIGTERM; must end by itself with status 0.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(&self) {
        self.0.stop().await.unwrap();
        let process = self.process();
        let log = std::fs::read_to_string(process.log_file()).unwrap();
        assert!(
            !log.contains("panicked"),
            "{} panicked: {log}",
            process.name()
        );
    }

    /// Address of the shop.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// What Prometheus would scrape.
    pub async fn metrics(&self) -> String {
        self.0.metrics().await.unwrap()
    }
}

fn launch(binary: &str, services: &Services, name: &str) -> Launch {
    let stores = StoreUrls {
        database: &services.database_url,
        redis: &services.redis.url(),
    };
    ours(binary, name, stores, services.data_dir.path()).unwrap()
}

/// Status and body of a GET of `http://ADDRESS[/PATH]`; none when nobody answers.
pub async fn get(url: &str) -> Option<(u16, String)> {
    let rest = url.strip_prefix("http://")?;
    let (address, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: SocketAddr = address.parse().ok()?;
    let answer = http::get(address, if path.is_empty() { "/" } else { path }).await;
    let answer = answer.ok()?;
    Some((answer.status, answer.body))
}

/// An HTTP client.
pub fn client() -> reqwest::Client {
    // Only the first call of a process can succeed, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}
