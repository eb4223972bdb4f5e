//! One whole system: stores, proxies, gateways, workers, control loop.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use flashsale_testbed::{
    binaries,
    data_dir::DataDir,
    fault_proxy::{FaultProxy, Flow},
    launch::Launch,
    ports::free_port,
    process::Process,
    program::{self, Program, StoreUrls},
};
use nix::sys::signal::Signal;

use crate::{
    error::ChaosError,
    faults::{Kind, Store},
    metrics,
    namespace::Namespace,
    payments::Payments,
    sale,
    stores::{Stores, clock, until},
};

/// How many gateways there are.
pub const GATEWAYS: usize = 2;

/// How many workers there are.
pub const WORKERS: usize = 2;

/// How far away PostgreSQL is from workers, each way: as in another zone of a slow cloud, so that
/// the deep lane is deep and batches are on their way at any instant.
const LEDGER_DISTANCE: Duration = Duration::from_millis(15);

/// How long the control loop may take to be gone.
const END: Duration = Duration::from_secs(20);

/// A program that reaches stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The gateway of this number, from 0.
    Gateway(usize),
    /// The worker of this number, from 0.
    Worker(usize),
    /// The control loop.
    Control,
    /// The crowd, which reads outcomes in Redis.
    Load,
}

/// The way of one program to one store.
#[derive(Debug)]
struct Link {
    member: Member,
    store: Store,
    proxy: FaultProxy,
}

/// A whole system. Dropping it ends everything in order: programs, proxies, stores, files.
#[derive(Debug)]
pub struct World {
    /// The gateways.
    pub gateways: Vec<Program>,
    /// The workers.
    pub workers: Vec<Program>,
    pub(crate) control: Control,
    /// The provider and those who pay there; none where nothing has to be paid.
    pub(crate) payments: Option<Payments>,
    links: Vec<Link>,
    /// Where the first worker is, when packets are to be dropped.
    pub namespace: Option<Namespace>,
    /// The stores.
    pub stores: Stores,
    directory: PathBuf,
    _data_dir: DataDir,
}

impl World {
    /// Starts everything, with what these faults need; comes back when the sale is open at every gateway.
    pub async fn start(kinds: &[Kind]) -> Result<Self, ChaosError> {
        let data_dir = DataDir::temporary()?;
        let directory = data_dir.path().to_path_buf();
        let with_clock = kinds.iter().any(|kind| matches!(kind, Kind::RedisClock(_)));
        let stores = Stores::start(&data_dir, with_clock).await?;
        let links = links(&stores).await?;
        let is_below_tcp = kinds.iter().any(|kind| matches!(kind, Kind::Packets(..)));
        let mut namespace = None;
        if is_below_tcp {
            let created = namespace.insert(Namespace::create().await?);
            stores.let_in(&format!("{}/32", created.inside())).await?;
        }
        let has_payments = kinds.iter().any(|kind| kind.has_payments());
        let file = sale::write(&directory, kinds.len(), has_payments)?;
        let payments = if has_payments {
            Some(Payments::start().await?)
        } else {
            None
        };
        let control_launch = launch(&stores, &links, Member::Control, &directory)?;
        let control_launch = sale::control_loop(control_launch, &file);
        let control = Control::start(control_launch).await?;
        let mut world = Self {
            gateways: Vec::new(),
            workers: Vec::new(),
            control,
            payments,
            links,
            namespace,
            stores,
            directory,
            _data_dir: data_dir,
        };
        world.until_in_force().await?;
        world.start_programs(kinds).await?;
        sale::until_offered(&world.gateways, sale::PRODUCTS[0].0).await?;
        Ok(world)
    }

    async fn start_programs(&mut self, kinds: &[Kind]) -> Result<(), ChaosError> {
        let mut further = Vec::new();
        if let Some(payments) = &self.payments {
            let file = payments.write_file(&self.directory)?;
            further = vec!["--payment-providers".to_owned(), file.display().to_string()];
        }
        let further: Vec<&str> = further.iter().map(String::as_str).collect();
        for number in 0..GATEWAYS {
            let launch = self.launch(Member::Gateway(number))?;
            self.gateways
                .push(Program::gateway(launch, &further).await?);
        }
        for number in 0..WORKERS {
            let worker = match &self.namespace {
                Some(namespace) if number == 0 => self.worker_inside(namespace).await?,
                _ => self.worker(number, kinds).await?,
            };
            self.workers.push(worker);
        }
        Ok(())
    }

    async fn worker(&self, number: usize, kinds: &[Kind]) -> Result<Program, ChaosError> {
        let mut launch = self.launch(Member::Worker(number))?;
        // A faked clock costs some time at each question: only where it is to be stepped.
        if kinds
            .iter()
            .any(|kind| matches!(kind, Kind::WorkerClock(_)))
        {
            let clock = clock::environment(&self.directory, launch.name());
            launch = launch.envs(clock);
        }
        Ok(Program::worker(launch, &[]).await?)
    }

    fn launch(&self, member: Member) -> Result<Launch, ChaosError> {
        launch(&self.stores, &self.links, member, &self.directory)
    }

    /// The first worker inside a namespace, past all proxies.
    async fn worker_inside(&self, namespace: &Namespace) -> Result<Program, ChaosError> {
        let outside = namespace.outside();
        let at = |url: &str| url.replacen("127.0.0.1", &outside.to_string(), 1);
        let probes: SocketAddr = (namespace.inside(), free_port()?).into();
        let binary = binaries::find("flashsale-worker")?;
        let missing = || ChaosError::wrong("`ip` is missing");
        let [ip, arguments @ ..] = namespace.enter();
        let ip = binaries::on_path(ip).ok_or_else(missing)?;
        let launch = Launch::new("worker-1", ip, self.directory.join("worker-1.log"))
            .args(arguments)
            .arg(binary)
            .args(["--probes-listen", &probes.to_string()])
            .env("FLASHSALE_DATABASE_URL", at(&self.stores.postgres.url()))
            .env("FLASHSALE_REDIS_URL", at(&self.stores.redis.url()));
        Ok(Program::start(launch, probes, probes, "/readyz").await?)
    }

    /// Where everything is written to: logs, the history, clocks.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address by which a program reaches Redis.
    pub fn redis_url(&self, member: Member) -> Result<String, ChaosError> {
        url(&self.links, member, Store::Redis, &self.stores.redis.url())
    }

    /// The proxies between these programs and a store.
    pub fn proxies(&self, members: &[Member], store: Store) -> impl Iterator<Item = &FaultProxy> {
        self.links
            .iter()
            .filter(move |link| link.store == store && members.contains(&link.member))
            .map(|link| &link.proxy)
    }

    /// All proxies in front of a store.
    pub fn all_proxies(&self, store: Store) -> impl Iterator<Item = &FaultProxy> {
        let links = self.links.iter().filter(move |link| link.store == store);
        links.map(|link| &link.proxy)
    }

    /// Makes every link as it was in the beginning.
    pub fn heal(&self) {
        for link in &self.links {
            link.proxy.heal();
            link.proxy.set_both(usual(link.member, link.store));
        }
    }

    /// The worker that drives the most lanes; where that cannot be told, the first.
    pub async fn busiest_worker(&self) -> usize {
        if self.namespace.is_some() {
            return 0;
        }
        let mut busiest = (0, 0.0);
        for (number, worker) in self.workers.iter().enumerate() {
            let metrics = worker.metrics().await.ok();
            let lanes =
                metrics.and_then(|text| metrics::sum(&text, "flashsale_worker_lanes_driven"));
            if let Some(lanes) = lanes.filter(|lanes| *lanes > busiest.1) {
                busiest = (number, lanes);
            }
        }
        busiest.0
    }

    /// The last resort for lanes that stand still for good: new workers, and all links well.
    pub async fn replace_workers(&mut self) -> Result<(), ChaosError> {
        self.heal();
        for worker in &mut self.workers {
            worker.restart().await?;
        }
        Ok(())
    }

    /// Has shoppers pay from now on, where orders have to be paid; `seed` draws what they do.
    pub(crate) fn open_payments(&mut self, seed: u64) {
        let gateways = self
            .gateways
            .iter()
            .map(|gateway| gateway.address)
            .collect();
        let ledger = self.stores.postgres.url();
        if let Some(payments) = &mut self.payments {
            payments.open(gateways, ledger, seed);
        }
    }

    /// Waits until all orders and payments have ended, and says by what law 8 is broken.
    pub(crate) async fn end_payments(&mut self) -> Result<Vec<String>, ChaosError> {
        let ledger = self.stores.postgres.url();
        match &mut self.payments {
            Some(payments) => payments.end(&ledger).await,
            None => Ok(Vec::new()),
        }
    }

    async fn until_in_force(&self) -> Result<(), ChaosError> {
        let mut queue = self.stores.queue().await?;
        let in_force = until("the sale is announced", sale::IN_FORCE, async || {
            if !self.control.process.is_running() {
                return Err(ChaosError::wrong("it ended"));
            }
            let mut is_known = redis::cmd("SISMEMBER");
            is_known.arg(&[flashsale_queue::keys::SALES, sale::NAME]);
            Ok(is_known.query_async(&mut queue).await?)
        });
        in_force.await.map_err(|error| {
            let log = self.control.process.log_tail();
            ChaosError::Wrong(format!(
                "the control loop did not announce the sale ({error}): {log}"
            ))
        })
    }
}

/// The control loop.
#[derive(Debug)]
pub(crate) struct Control {
    process: Process,
    launch: Launch,
}

impl Control {
    async fn start(launch: Launch) -> Result<Self, ChaosError> {
        let process = Process::start(launch.clone()).await?;
        Ok(Self { process, launch })
    }

    /// Kills it by SIGKILL.
    pub(crate) async fn kill(&self) -> Result<(), ChaosError> {
        self.process.kill()?;
        self.process.wait(END).await?;
        Ok(())
    }

    /// Starts it again.
    pub(crate) async fn restart(&mut self) -> Result<(), ChaosError> {
        self.process = Process::start(self.launch.clone()).await?;
        Ok(())
    }

    /// Stops its threads until [`resume`](Self::resume).
    pub(crate) fn pause(&self) -> Result<(), ChaosError> {
        Ok(self.process.signal(Signal::SIGSTOP)?)
    }

    pub(crate) fn resume(&self) -> Result<(), ChaosError> {
        Ok(self.process.signal(Signal::SIGCONT)?)
    }
}

/// What happens to the bytes of a link when nothing is wrong.
fn usual(member: Member, store: Store) -> Flow {
    match (member, store) {
        (Member::Worker(_), Store::Postgres) => Flow::Delayed(LEDGER_DISTANCE),
        _ => Flow::Pass,
    }
}

async fn links(stores: &Stores) -> Result<Vec<Link>, ChaosError> {
    let members = (0..GATEWAYS)
        .map(Member::Gateway)
        .chain((0..WORKERS).map(Member::Worker))
        .chain([Member::Control, Member::Load]);
    let mut links = Vec::new();
    for member in members {
        for store in Store::ALL {
            let target = match store {
                Store::Postgres => stores.postgres_address(),
                Store::Redis => stores.redis_address(),
            };
            let proxy = FaultProxy::start(target).await?;
            proxy.set_both(usual(member, store));
            links.push(Link {
                member,
                store,
                proxy,
            });
        }
    }
    Ok(links)
}

/// The address `url` of a store, by the link of a program.
fn url(links: &[Link], member: Member, store: Store, url: &str) -> Result<String, ChaosError> {
    let mut links = links.iter();
    let link = links.find(|link| (link.member, link.store) == (member, store));
    link.and_then(|link| link.proxy.url(url))
        .ok_or_else(|| ChaosError::Wrong(format!("{member:?} has no link to {store}")))
}

/// A program that reaches the stores by its links.
fn launch(
    stores: &Stores,
    links: &[Link],
    member: Member,
    directory: &Path,
) -> Result<Launch, ChaosError> {
    let (binary, name) = match member {
        Member::Gateway(number) => ("flashsale-gateway", format!("gateway-{}", number + 1)),
        Member::Worker(number) => ("flashsale-worker", format!("worker-{}", number + 1)),
        Member::Control => ("flashsale", "control".to_owned()),
        Member::Load => ("flashsale", "load".to_owned()),
    };
    let urls = StoreUrls {
        database: &url(links, member, Store::Postgres, &stores.postgres.url())?,
        redis: &url(links, member, Store::Redis, &stores.redis.url())?,
    };
    Ok(program::ours(binary, &name, urls, directory)?)
}
