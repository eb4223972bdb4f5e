//! The real binaries as child processes: gateways and workers that can be killed.

use std::{net::Ipv4Addr, time::Duration};

use flashsale_core::id::SaleId;
use flashsale_testbed::{binaries, launch::Launch, ports::free_port, process::Process};

use crate::{patience::until, services::Services};

/// How long a process may take to be ready, on a machine busy with other tests.
const READY: Duration = Duration::from_secs(30);

/// How long a process may take to end once asked.
const END: Duration = Duration::from_secs(20);

/// A child and its ports.
pub struct Child {
    /// The process.
    pub process: Process,
    /// Port of health and metrics.
    pub probes_port: u16,
    /// Port of the shop, for a gateway.
    pub port: u16,
    name: String,
    arguments: Vec<String>,
}

impl Child {
    /// Starts a gateway without authentication and waits until it is ready.
    pub async fn gateway(services: &Services, name: &str) -> Self {
        Self::gateway_with(services, name, &[]).await
    }

    /// Starts such a gateway with these further arguments.
    pub async fn gateway_with(services: &Services, name: &str, further: &[&str]) -> Self {
        let port = free_port().unwrap();
        let listen = format!("127.0.0.1:{port}");
        let arguments = ["--auth-mode", "off", "--listen", &listen];
        let arguments = arguments.iter().chain(further);
        let arguments = arguments.map(|argument| (*argument).to_owned()).collect();
        Self::start(services, "flashsale-gateway", name, port, arguments).await
    }

    /// Starts a worker and waits until it is ready.
    pub async fn worker(services: &Services, name: &str) -> Self {
        Self::start(services, "flashsale-worker", name, 0, Vec::new()).await
    }

    /// Starts a worker that serves `sales` alone, as those of the operator do, and waits until it is
    /// ready.
    pub async fn worker_of(services: &Services, name: &str, sales: &[SaleId]) -> Self {
        let arguments = sales.iter().map(|sale| format!("--sale={sale}"));
        let arguments = arguments.collect();
        Self::start(services, "flashsale-worker", name, 0, arguments).await
    }

    async fn start(
        services: &Services,
        binary: &str,
        name: &str,
        port: u16,
        arguments: Vec<String>,
    ) -> Self {
        let probes_port = free_port().unwrap();
        let process = launch(services, binary, name, probes_port, &arguments).await;
        let child = Self {
            process,
            probes_port,
            port,
            name: name.to_owned(),
            arguments,
        };
        child.ready().await;
        child
    }

    async fn ready(&self) {
        let url = format!("http://{}:{}/readyz", Ipv4Addr::LOCALHOST, self.probes_port);
        until(
            &format!("{} is ready\n{}", self.name, self.process.log_tail()),
            READY,
            || async {
                assert!(
                    self.process.is_running(),
                    "{} ended: {}",
                    self.name,
                    self.process.log_tail()
                );
                get(&url).await.is_some_and(|(status, _)| status == 200)
            },
        )
        .await;
    }

    /// Kills the gateway by SIGKILL and starts it again on its ports.
    pub async fn kill_and_restart(&mut self, services: &Services, binary: &str) {
        self.process.kill().unwrap();
        self.process.wait(END).await.unwrap();
        self.process = launch(
            services,
            binary,
            &self.name,
            self.probes_port,
            &self.arguments,
        )
        .await;
        self.ready().await;
    }

    /// SIGTERM; must end by itself with status 0.
    ///
    /// # Panics
    /// When it does not.
    pub async fn terminate(&self) {
        self.process.terminate().unwrap();
        let status = self.process.wait(END).await.unwrap();
        assert!(
            status.success(),
            "{} ended with {status}: {}",
            self.name,
            self.process.log_tail()
        );
        let log = std::fs::read_to_string(self.process.log_file()).unwrap();
        assert!(!log.contains("panicked"), "{} panicked: {log}", self.name);
    }

    /// Address of the shop.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// What Prometheus would scrape.
    pub async fn metrics(&self) -> String {
        let url = format!(
            "http://{}:{}/metrics",
            Ipv4Addr::LOCALHOST,
            self.probes_port
        );
        get(&url).await.unwrap().1
    }
}

async fn launch(
    services: &Services,
    binary: &str,
    name: &str,
    probes_port: u16,
    arguments: &[String],
) -> Process {
    let log = services.data_dir.path().join(format!("{name}.log"));
    let launch = Launch::new(name, binaries::find(binary).unwrap(), log)
        .env("FLASHSALE_REDIS_URL", services.redis.url())
        .env("FLASHSALE_DATABASE_URL", &services.database_url)
        .arg("--probes-listen")
        .arg(format!("127.0.0.1:{probes_port}"))
        .args(arguments);
    Process::start(launch).await.unwrap()
}

/// Status and body of a GET; none when nobody answers.
pub async fn get(url: &str) -> Option<(u16, String)> {
    let response = client().get(url).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

/// An HTTP client.
#[must_use]
pub fn client() -> reqwest::Client {
    // Only the first call of a process can succeed, and one is enough.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}
