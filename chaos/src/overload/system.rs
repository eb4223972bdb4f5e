//! One gateway, one worker, the control loop and their stores.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    slice,
};

use flashsale_testbed::{
    binaries,
    data_dir::DataDir,
    fault_proxy::FaultProxy,
    launch::Launch,
    postgres::Postgres,
    process::Process,
    program::{self, Program, StoreUrls},
    redis::{AppendFsync, Redis},
    tokens::{AUDIENCE, ISSUER},
};

use crate::{
    error::ChaosError,
    files, metrics, sale,
    stores::{connect_to, info},
};

/// The sale, and its id.
pub const SALE: &str = "overload";

/// What honest shoppers buy.
pub const PRODUCT: &str = "wanted";

/// What an attacker buys, so that it takes nothing from the shelves that are measured.
pub const BAIT: &str = "bait";

/// Units of each: more than can be sold in the time.
const STOCK: u32 = 50_000_000;

/// What differs from a gateway with its defaults.
#[derive(Debug, Clone, Default)]
pub struct GatewaySettings {
    /// Open files that it may have; none: as many as this process.
    pub open_files: Option<u64>,
    /// The keys of the shoppers' tokens; without them user ids are believed.
    pub keys: Option<PathBuf>,
}

/// A whole system. Dropping it ends everything in order: programs, proxy, stores, files.
#[derive(Debug)]
pub struct System {
    /// The gateway.
    pub gateway: Program,
    _worker: Program,
    _control: Process,
    /// Between the gateway and Redis; it lets everything through.
    pub proxy: FaultProxy,
    redis: Redis,
    _postgres: Postgres,
    _data_dir: DataDir,
}

impl System {
    /// Starts everything with logs in `logs`; comes back when the sale is open.
    pub async fn start(settings: &GatewaySettings, logs: &Path) -> Result<Self, ChaosError> {
        files::create(logs)?;
        let data_dir = DataDir::temporary()?;
        let postgres = Postgres::start(&data_dir).await?;
        let redis = Redis::start(&data_dir, AppendFsync::EverySecond).await?;
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], redis.port()))).await?;
        let (database, direct) = (postgres.url(), redis.url());
        let urls = StoreUrls {
            database: &database,
            redis: &direct,
        };
        let products = [(PRODUCT, STOCK), (BAIT, STOCK)];
        let spec = ["worker: {lanesPerWorker: 2}"];
        let file = sale::write_file(logs, SALE, &products, "", &spec)?;
        let control = program::ours("flashsale", "control", urls, logs)?;
        let control = Process::start(sale::control_loop(control, &file)).await?;
        let through_proxy = proxy
            .url(&direct)
            .ok_or_else(|| ChaosError::wrong("the address of Redis has no host"))?;
        let urls_of_gateway = StoreUrls {
            database: &database,
            redis: &through_proxy,
        };
        let gateway = gateway(settings, urls_of_gateway, logs).await?;
        let worker = program::ours("flashsale-worker", "worker", urls, logs)?;
        let worker = Program::worker(worker, &[]).await?;
        let system = Self {
            gateway,
            _worker: worker,
            _control: control,
            proxy,
            redis,
            _postgres: postgres,
            _data_dir: data_dir,
        };
        sale::until_offered(slice::from_ref(&system.gateway), PRODUCT).await?;
        Ok(system)
    }

    /// Where a crowd finds Redis, past the proxy.
    pub fn environment(&self) -> [(&'static str, String); 1] {
        [("FLASHSALE_REDIS_URL", self.redis.url())]
    }

    /// Bytes that Redis uses for its data.
    pub async fn redis_memory(&self) -> Result<u64, ChaosError> {
        let mut queue = connect_to(&self.redis.url()).await?;
        info(&mut queue, "memory", "used_memory").await
    }

    /// Buys that the gateway has sent to Redis since it started.
    pub async fn buys_sent(&self) -> Result<f64, ChaosError> {
        let text = self.gateway.metrics().await?;
        let name = "flashsale_gateway_turnstile_call_buys_sum";
        metrics::sum(&text, name)
            .ok_or_else(|| ChaosError::Wrong(format!("the gateway has no metric {name}")))
    }
}

async fn gateway(
    settings: &GatewaySettings,
    urls: StoreUrls<'_>,
    logs: &Path,
) -> Result<Program, ChaosError> {
    let binary = binaries::find("flashsale-gateway")?;
    let log = logs.join("gateway.log");
    let launch = match settings.open_files {
        // Both limits, so that the gateway cannot raise its own.
        Some(files) => Launch::new("gateway", "/bin/sh", log)
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
            .arg(binary),
        None => Launch::new("gateway", binary, log),
    };
    let launch = launch
        .env("FLASHSALE_DATABASE_URL", urls.database)
        .env("FLASHSALE_REDIS_URL", urls.redis);
    let Some(keys) = &settings.keys else {
        return Ok(Program::gateway(launch, &[]).await?);
    };
    let keys = keys.display().to_string();
    let further = [
        "--jwks",
        &keys,
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        AUDIENCE,
    ];
    Ok(Program::guarded_gateway(launch, &further).await?)
}
