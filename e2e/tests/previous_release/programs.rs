//! Programs of either release.

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use flashsale_e2e::{
    patience::until,
    processes::{Child, get},
    services::Services,
};
use flashsale_testbed::{
    binaries,
    launch::Launch,
    process::Process,
    program::{Program, loopback},
};
use tokio::process::Command;

/// Names the directory with the programs of the previous release.
const DIRECTORY: &str = "FLASHSALE_PREVIOUS_BIN_DIR";

/// How long a program may need for what is asked of it.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);

/// A release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Previous,
    This,
}

impl Release {
    /// The file of a program.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        match self {
            Self::This => binaries::find(name).unwrap(),
            Self::Previous => {
                let directory = std::env::var_os(DIRECTORY);
                let directory = directory.unwrap_or_else(|| {
                    panic!("{DIRECTORY} is not set: run these tests by `make compat-schema`")
                });
                Path::new(&directory).join(name)
            }
        }
    }

    fn launch(self, services: &Services, program: &str, name: &str) -> Launch {
        let log = services.data_dir.path().join(format!("{name}.log"));
        Launch::new(name, self.program(program), log)
            .env("FLASHSALE_DATABASE_URL", &services.database_url)
            .env("FLASHSALE_REDIS_URL", services.redis.url())
    }

    /// Starts a gateway that offers the sale, and comes back when it does.
    pub(crate) async fn gateway(self, services: &Services, name: &str) -> Child {
        let launch = self.launch(services, "flashsale-gateway", name);
        let gateway = Child(Program::gateway(launch, &[]).await.unwrap());
        until_offered(&gateway.url()).await;
        gateway
    }

    /// Starts a worker and waits until it is ready.
    pub(crate) async fn worker(self, services: &Services, name: &str) -> Child {
        let launch = self.launch(services, "flashsale-worker", name);
        Child(Program::worker(launch, &[]).await.unwrap())
    }

    /// Runs the command line tool to its end.
    pub(crate) async fn flashsale(self, services: &Services, arguments: &[&str]) -> Output {
        Command::new(self.program("flashsale"))
            .args(arguments)
            .env("FLASHSALE_DATABASE_URL", &services.database_url)
            .env("FLASHSALE_REDIS_URL", services.redis.url())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// Starts `flashsale up` on the stores of `services`, for its control loop; its own gateway is
    /// at the address that is returned, and offers the sale.
    pub(crate) async fn up(
        self,
        services: &Services,
        name: &str,
        file: &Path,
    ) -> (Process, String) {
        let address = loopback().unwrap();
        let launch = self
            .launch(services, "flashsale", name)
            .arg("up")
            .arg(file)
            .args(["--listen", &address.to_string(), "--workers-max", "1"]);
        let up = Process::start(launch).await.unwrap();
        let url = format!("http://{address}");
        until_offered(&url).await;
        (up, url)
    }
}

/// Waits until product `p` can be bought at a gateway.
async fn until_offered(url: &str) {
    let sales = format!("{url}/sales");
    until("the gateway offers the sale", LONGEST, async || {
        let answer = get(&sales).await;
        answer.is_some_and(|(status, body)| status == 200 && body.contains(r#""p""#))
    })
    .await;
}

/// What a program printed.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Orders of the sale so far.
pub(crate) async fn orders(services: &Services) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM orders")
        .fetch_one(services.ledger.pool())
        .await
        .unwrap()
}

/// Waits until `count` further orders are made.
pub(crate) async fn until_more_orders(services: &Services, count: i64) {
    let before = orders(services).await;
    until("orders are made", LONGEST, async || {
        orders(services).await >= before + count
    })
    .await;
}

/// Batches of the sale that are counted as not fenced.
pub(crate) async fn unfenced(services: &Services) -> i64 {
    sqlx::query_scalar("SELECT sum(unfenced_batches)::bigint FROM products")
        .fetch_one(services.ledger.pool())
        .await
        .unwrap()
}

/// Batches of the sale that were fenced.
pub(crate) async fn fenced(services: &Services) -> i64 {
    sqlx::query_scalar("SELECT sum(batch - unfenced_batches)::bigint FROM products")
        .fetch_one(services.ledger.pool())
        .await
        .unwrap()
}
