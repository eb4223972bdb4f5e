//! Everything on one machine: PostgreSQL and Redis, gateways and workers as child processes, the
//! control loop over them, and a crowd in front of them.

mod children;
mod conductor;
mod crowd;
mod error;
mod fleet;
mod invitation;
mod look;
mod opening;
mod pages;
mod persistence;
mod ready;
mod stores;
mod token;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use flashsale_domain::sale::Sale;
use flashsale_ledger::{Ledger, LedgerConfig};
use flashsale_queue::connect::{self, RedisClient, SharedConnection, check_rights};
use flashsale_testbed::{data_dir::DataDir, redis::AppendFsync};
use flashsale_transport::StoreUrl;
use tokio_util::sync::CancellationToken;

use crate::{display::Display, load::crowd::CrowdPlan, reach};

use children::Program;
use conductor::{Conductor, Running};
use fleet::Fleet;
use pages::Pages;
use stores::Stores;
use token::OperationsToken;

pub use error::UpError;

/// Connections to PostgreSQL for the control loop and the audit.
const LEDGER_CONNECTIONS: u32 = 4;

/// What to set up, and what to do with it.
#[derive(Debug, Clone)]
pub struct UpConfig {
    /// The sales.
    pub sales: Vec<Sale>,
    /// Shoppers, if any shall come.
    pub crowd: Option<CrowdConfig>,
    /// End when the crowd is done.
    pub exit_when_done: bool,
    /// Where everything is kept; a temporary directory otherwise.
    pub data_dir: Option<PathBuf>,
    /// An existing PostgreSQL; a private one otherwise.
    pub database_url: Option<StoreUrl>,
    /// Whether that one is behind a pooler in transaction mode.
    pub transaction_pooler: bool,
    /// Its own address, for changes of the schema, if the other one leads to a pooler.
    pub database_direct_url: Option<StoreUrl>,
    /// The directory of certificates for it.
    pub database_tls: Option<PathBuf>,
    /// An existing Redis; a private one otherwise.
    pub redis_url: Option<StoreUrl>,
    /// The directory of certificates for it.
    pub redis_tls: Option<PathBuf>,
    /// When a private Redis brings buys to the disk.
    pub append_fsync: AppendFsync,
    /// Where the first gateway listens; port 0 for any free one. Further ones take free ports.
    pub listen: SocketAddr,
    /// How many gateways.
    pub gateways: u32,
    /// Opens the gateways' operations; one is made otherwise.
    pub operations_token: Option<String>,
    /// Most workers a sale; what the sale says otherwise.
    pub workers_max: Option<u32>,
    /// Opens every sale this long after all is ready, whatever its file says.
    pub opens_in: Option<Duration>,
}

/// The shoppers to send.
#[derive(Debug, Clone)]
pub struct CrowdConfig {
    /// How many, as the plan has them.
    pub shoppers: u32,
    /// When they come and how they press; its offers are filled in from the sales.
    pub plan: CrowdPlan,
    /// Whether they want all products alike, rather than by stock.
    pub uniform: bool,
    /// Keep-alive connections over all gateways.
    pub connections: usize,
    /// How long a shopper keeps trying.
    pub patience: Duration,
    /// How long to wait for outcomes while none comes.
    pub settle_patience: Duration,
}

/// Sets everything up, sends the crowd, waits to be stopped (by `stop`, or by being done), and
/// takes everything down again. Answers whether all that was checked holds.
pub async fn run(
    config: UpConfig,
    display: Display,
    stop: CancellationToken,
) -> Result<bool, UpError> {
    let exit_when_done = config.exit_when_done;
    let set_up = tokio::select! {
        machine = Machine::start(config, &display) => machine?,
        () = stop.cancelled() => {
            display.line("interrupted before everything was up");
            return Ok(!exit_when_done);
        }
    };
    let result = set_up.play(&display, &stop).await;
    set_up.shut_down(&display).await?;
    result
}

/// Everything that runs.
#[derive(Debug)]
struct Machine {
    config: UpConfig,
    /// The sales with the opening that they really have.
    sales: Vec<Sale>,
    ledger: Ledger,
    client: RedisClient,
    queue: SharedConnection,
    /// Where the gateways are, the first one first.
    gateways: Vec<SocketAddr>,
    /// What people open; none without a gateway.
    pages: Option<Pages>,
    /// How a hand tool reaches the stores: variables to put before a command.
    environment: String,
    running: Running,
}

impl Machine {
    async fn start(config: UpConfig, display: &Display) -> Result<Self, UpError> {
        // Before anything is started that would have to be stopped again.
        children::find()?;
        let data_dir = open_data_dir(&config, display)?;
        let token = OperationsToken::new(&config, &data_dir)?;
        let stores = Stores::start(&config, &data_dir, display).await?;
        let ledger = ledger(&config, &stores).await?;
        let client = connect::redis_client_with(stores.redis_url(), &stores.redis_tls())?;
        let mut queue = connect::shared(&client)?;
        check_rights(&queue).await?;
        persistence::report(&mut queue, &ledger, &config.sales, display).await?;

        let mut sales = config.sales.clone();
        limit_workers(&mut sales, config.workers_max);
        let program = Program::new(&config, &stores, &data_dir, &token)?;
        let gateways = program.gateway_addresses()?;
        let children = Children::start(&program, &gateways, &sales).await?;
        let pages = introduce(&program, &gateways, token, display).await;
        opening::announce(&mut sales, &config, &ledger, &mut queue).await?;
        let environment = stores.environment();
        let conductor = Conductor {
            ledger: ledger.clone(),
            queue: queue.clone(),
            display: display.clone(),
            gateways: children.gateways,
            stores,
        };
        let running = conductor.start(sales.iter().zip(children.workers));
        Ok(Self {
            config,
            sales,
            ledger,
            client,
            queue,
            gateways,
            pages,
            environment,
            running,
        })
    }

    /// The opening, the crowd, and the time after it.
    async fn play(&self, display: &Display, stop: &CancellationToken) -> Result<bool, UpError> {
        let mut holds = true;
        if self.config.crowd.is_some() {
            holds = crowd::send(self, display, stop).await?;
        } else {
            opening::tell(&self.sales, display);
        }
        if !self.config.exit_when_done && !stop.is_cancelled() {
            display.line(invitation::text(self).await);
            stop.cancelled().await;
        }
        Ok(holds)
    }

    async fn shut_down(self, display: &Display) -> Result<(), UpError> {
        self.running.shut_down(&self.sales, display).await
    }
}

fn open_data_dir(config: &UpConfig, display: &Display) -> Result<DataDir, UpError> {
    let data_dir = DataDir::open(config.data_dir.as_deref())?;
    let kept = if data_dir.is_kept() {
        "kept"
    } else {
        "temporary; --data-dir DIR keeps it"
    };
    display.line(format!(
        "data        {} ({kept})",
        data_dir.path().display()
    ));
    Ok(data_dir)
}

/// The ledger, with its schema up to date.
async fn ledger(config: &UpConfig, stores: &Stores) -> Result<Ledger, UpError> {
    let ledger_config = LedgerConfig {
        url: stores.database_url().to_owned(),
        tls: stores.database_tls(),
        connections: LEDGER_CONNECTIONS,
        transaction_pooler: config.transaction_pooler,
        ping_before_use: true,
        bounds: None,
    };
    let ledger = Ledger::open(&ledger_config)?;
    reach::ledger(&ledger).await?;
    let direct = Ledger::open(&ledger_config.direct(config.database_direct_url.as_deref()))?;
    direct.migrate().await?;
    if config.database_url.is_none() {
        // Nobody else uses this server, so no process of an earlier release can be there.
        ledger.widen_orders().await?;
    }
    Ok(ledger)
}

/// Says where everything is that has just been started; the pages are those of the first gateway.
async fn introduce(
    program: &Program,
    gateways: &[SocketAddr],
    token: OperationsToken,
    display: &Display,
) -> Option<Pages> {
    display.line(format!("logs        {}", program.logs().display()));
    for address in gateways {
        display.line(format!("gateway     http://{address}"));
    }
    let pages = Pages::find(*gateways.first()?, token).await;
    display.line(pages.introduction());
    Some(pages)
}

/// The first gateways and workers, ready for work.
struct Children {
    gateways: Fleet,
    /// One fleet a sale, in their order.
    workers: Vec<Fleet>,
}

impl Children {
    async fn start(
        program: &Program,
        addresses: &[SocketAddr],
        sales: &[Sale],
    ) -> Result<Self, UpError> {
        let mut gateways = Fleet::new("gateway", program.gateway(addresses.to_vec())?);
        gateways
            .scale(u32::try_from(addresses.len()).unwrap_or(u32::MAX))
            .await;
        let mut workers = Vec::with_capacity(sales.len());
        for sale in sales {
            let mut fleet = Fleet::new("worker", program.worker(sale)?);
            fleet.scale(sale.workers.min_replicas).await;
            workers.push(fleet);
        }
        for fleet in workers.iter().chain([&gateways]) {
            ready::wait(fleet).await?;
        }
        Ok(Self { gateways, workers })
    }
}

fn limit_workers(sales: &mut [Sale], most: Option<u32>) {
    let most = most.unwrap_or(u32::MAX);
    for sale in sales {
        sale.workers.max_replicas = sale.workers.max_replicas.min(most);
        sale.workers.min_replicas = sale.workers.min_replicas.min(most);
    }
}
