//! Everything on one machine: PostgreSQL and Redis, gateways and workers as child processes, the
//! control loop over them, and a crowd in front of them.

mod children;
mod conductor;
mod crowd;
mod fleet;
mod invitation;
mod look;
mod opening;
mod pages;
mod payment;
mod persistence;
mod provider;
mod ready;
mod stores;
mod token;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use flashsale_domain::sale::Sale;
use flashsale_ledger::{Ledger, LedgerConfig};
use flashsale_queue::connect::{self, RedisClient, SharedConnection, check_rights};
use flashsale_testbed::{data_dir::DataDir, redis::AppendFsync};
use flashsale_transport::StoreUrl;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{self, DirectArgs, LedgerConnectionArgs, RedisTlsArgs},
    crowd::CrowdArgs,
    display::Display,
    error::ToolError,
};

use children::Program;
use conductor::{Conductor, Running};
use fleet::Fleet;
use pages::Pages;
use provider::StandIns;
use stores::Stores;
use token::OperationsToken;

/// What to set up, and what to do with it.
#[derive(Debug, Clone, Args)]
pub struct UpConfig {
    /// Send this many simulated shoppers at the opening.
    #[arg(long, value_name = "SHOPPERS", value_parser = clap::value_parser!(u32).range(1..))]
    crowd: Option<u32>,

    /// End when the crowd is done; status 0 only if every law holds.
    #[arg(long, requires = "crowd")]
    exit_when_done: bool,

    /// Open this long after everything is ready, e.g. `3s`, whatever the file says. Without it:
    /// at opensAt; with a crowd and no opensAt to come, after 3 s, and the time to get passes where
    /// the sale asks for them.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    opens_in: Option<Duration>,

    /// Where the first gateway listens: an address, or a port of 127.0.0.1; 0 for any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,

    /// How many gateways; further ones take free ports. 0: those that run elsewhere, by the same
    /// stores.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=64))]
    gateways: u32,

    /// Opens the gateways' operations and the page /ops: at least 16 visible ASCII characters.
    /// Without it one is made and printed.
    #[arg(
        long,
        env = "FLASHSALE_OPERATIONS_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    operations_token: Option<String>,

    /// Most workers a sale, if fewer than its file says. 0: those that run elsewhere, by the same
    /// stores.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=1000))]
    workers_max: Option<u32>,

    /// Keep everything in this directory, and go on from what is there. Without it: in a
    /// temporary one that goes when the command ends.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Use this PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE[?sslmode=verify-full].
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<StoreUrl>,

    #[command(flatten)]
    database: LedgerConnectionArgs,

    #[command(flatten)]
    direct: DirectArgs,

    /// Use this Redis: redis://[:PASSWORD@]HOST:PORT[/DB],
    /// redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB], or
    /// redis+cluster://[:PASSWORD@]HOST:PORT,…; rediss for TLS.
    #[arg(
        long,
        env = "FLASHSALE_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_url: Option<StoreUrl>,

    #[command(flatten)]
    redis_tls: RedisTlsArgs,

    /// When a private Redis brings buys to the disk.
    #[arg(long, value_name = "POLICY", value_enum, default_value = "everysec")]
    appendfsync: AppendFsync,

    #[command(flatten)]
    shape: CrowdArgs,
}

/// Sets everything up, sends the crowd, waits to be stopped (by `stop`, or by being done), and
/// takes everything down again. Answers whether all that was checked holds.
pub async fn run(
    config: UpConfig,
    sales: Vec<Sale>,
    display: Display,
    stop: CancellationToken,
) -> Result<bool, ToolError> {
    let exit_when_done = config.exit_when_done;
    let set_up = tokio::select! {
        machine = Machine::start(config, sales, &display) => machine?,
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
    /// Where orders are paid; none where no sale wants that.
    stand_ins: Option<StandIns>,
    /// How a hand tool reaches the stores: variables to put before a command.
    environment: String,
    running: Running,
}

impl Machine {
    async fn start(
        config: UpConfig,
        mut sales: Vec<Sale>,
        display: &Display,
    ) -> Result<Self, ToolError> {
        // Before anything is started that would have to be stopped again.
        children::find()?;
        let data_dir = open_data_dir(&config, display)?;
        let token = OperationsToken::new(&config, &data_dir)?;
        let stores = Stores::start(&config, &data_dir, display).await?;
        let ledger = ledger(&config, &stores).await?;
        let client = connect::redis_client_with(stores.redis_url(), &stores.redis_tls())?;
        let mut queue = connect::shared(&client)?;
        check_rights(&queue).await?;
        persistence::report(&mut queue, &ledger, &sales, display).await?;

        limit_workers(&mut sales, config.workers_max);
        let mut program = Program::new(&config, &stores, &data_dir, &token)?;
        let gateways = program.gateway_addresses()?;
        let stand_ins = StandIns::start(&sales, gateways.first().copied(), &data_dir).await?;
        program.tell_gateways(stand_ins.as_ref().map(StandIns::variable));
        let children = Children::start(&program, &gateways, &sales).await?;
        let pages = introduce(&program, &gateways, token, display).await;
        if let Some(stand_ins) = &stand_ins {
            display.line(stand_ins.introduction());
        }
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
            stand_ins,
            environment,
            running,
        })
    }

    /// The opening, the crowd, and the time after it.
    async fn play(&self, display: &Display, stop: &CancellationToken) -> Result<bool, ToolError> {
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

    async fn shut_down(self, display: &Display) -> Result<(), ToolError> {
        self.running.shut_down(&self.sales, display).await
    }
}

fn open_data_dir(config: &UpConfig, display: &Display) -> Result<DataDir, ToolError> {
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
async fn ledger(config: &UpConfig, stores: &Stores) -> Result<Ledger, ToolError> {
    let ledger_config = LedgerConfig {
        tls: stores.database_tls(),
        ..config.database.config(stores.database_url())
    };
    let ledger = connection::reached(&ledger_config).await?;
    let direct = Ledger::open(&ledger_config.direct(config.direct.database_direct_url.as_deref()))?;
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
    ) -> Result<Self, ToolError> {
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

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    text.parse()
        .map_err(|_| "write a port, e.g. 8080, or an address, e.g. 0.0.0.0:8080".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text
        .parse()
        .map_err(|_| "write a time with its unit, e.g. 3s, 500ms or 2m".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "write a time that is not negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_a_port_alone() {
        assert_eq!(address("8080").unwrap(), "127.0.0.1:8080".parse().unwrap());
        assert_eq!(
            address("0.0.0.0:80").unwrap(),
            "0.0.0.0:80".parse().unwrap()
        );
        assert!(address("shop").unwrap_err().contains("8080"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("3s").unwrap(), Duration::from_secs(3));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert!(duration("3").is_err());
        assert!(duration("-3s").is_err());
    }
}
