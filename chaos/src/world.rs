//! One whole system: stores, proxies, gateways, workers, control loop.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flashsale_testbed::{
    binaries,
    data_dir::DataDir,
    fault_proxy::{FaultProxy, Flow},
    http,
    launch::Launch,
    ports::free_port,
    process::Process,
    program::{self, Program, StoreUrls},
};

use crate::{
    error::ChaosError,
    faults::{Kind, Store},
    namespace::Namespace,
    sale,
    stores::{Stores, clock},
};

/// How many gateways there are.
pub const GATEWAYS: usize = 2;

/// How many workers there are.
pub const WORKERS: usize = 2;

/// How long the sale may take to be in force.
const IN_FORCE: Duration = Duration::from_mins(1);

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
    control: Process,
    control_launch: Launch,
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
        let file = sale::write(&directory, kinds.len())?;
        let control_launch = control(&stores, &links, &file, &directory)?;
        let control = Process::start(control_launch.clone()).await?;
        let mut world = Self {
            gateways: Vec::new(),
            workers: Vec::new(),
            control,
            control_launch,
            links,
            namespace,
            stores,
            directory,
            _data_dir: data_dir,
        };
        world.until_in_force().await?;
        world.start_programs(kinds).await?;
        world.until_open().await?;
        Ok(world)
    }

    async fn start_programs(&mut self, kinds: &[Kind]) -> Result<(), ChaosError> {
        for number in 0..GATEWAYS {
            let (database, redis) = self.urls(Member::Gateway(number))?;
            let stores = StoreUrls {
                database: &database,
                redis: &redis,
            };
            let name = format!("gateway-{}", number + 1);
            let gateway = Program::gateway(&name, stores, &self.directory, &[]).await?;
            self.gateways.push(gateway);
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
        let (database, redis) = self.urls(Member::Worker(number))?;
        let stores = StoreUrls {
            database: &database,
            redis: &redis,
        };
        let name = format!("worker-{}", number + 1);
        let probes = program::loopback()?;
        let mut launch = program::ours("flashsale-worker", &name, stores, &self.directory)?
            .args(["--probes-listen", &probes.to_string()]);
        // A faked clock costs some time at each question: only where it is to be stepped.
        if kinds
            .iter()
            .any(|kind| matches!(kind, Kind::WorkerClock(_)))
        {
            launch = launch.envs(clock::environment(&self.directory, &name));
        }
        Ok(Program::start(launch, probes, probes, "/readyz").await?)
    }

    /// The first worker inside a namespace, past all proxies.
    async fn worker_inside(&self, namespace: &Namespace) -> Result<Program, ChaosError> {
        let outside = namespace.outside();
        let at = |url: &str| url.replacen("127.0.0.1", &outside.to_string(), 1);
        let probes: SocketAddr = (namespace.inside(), free_port()?).into();
        let binary = binaries::find("flashsale-worker")?;
        let missing = || ChaosError::Wrong("`ip` is missing".to_owned());
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
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The addresses by which a program reaches PostgreSQL and Redis.
    pub fn urls(&self, member: Member) -> Result<(String, String), ChaosError> {
        let wrong = || ChaosError::Wrong(format!("{member:?} has no link to a store"));
        let url = |store, url: String| {
            let proxy = self.proxies(&[member], store).next()?;
            proxy.url(&url)
        };
        Ok((
            url(Store::Postgres, self.stores.postgres.url()).ok_or_else(wrong)?,
            url(Store::Redis, self.stores.redis.url()).ok_or_else(wrong)?,
        ))
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
            let metrics = worker.metrics().await.unwrap_or_default();
            let lanes = metrics
                .lines()
                .find_map(|line| line.strip_prefix("flashsale_worker_lanes_driven "))
                .and_then(|value| value.parse::<f64>().ok())
                .unwrap_or_default();
            if lanes > busiest.1 {
                busiest = (number, lanes);
            }
        }
        busiest.0
    }

    /// The control loop.
    #[must_use]
    pub fn control(&self) -> &Process {
        &self.control
    }

    /// Kills the control loop by SIGKILL.
    pub async fn kill_control(&self) -> Result<(), ChaosError> {
        self.control.kill()?;
        self.control.wait(END).await?;
        Ok(())
    }

    /// Starts the control loop again that was killed.
    pub async fn start_control(&mut self) -> Result<(), ChaosError> {
        self.control = Process::start(self.control_launch.clone()).await?;
        Ok(())
    }

    /// The last resort for lanes that stand still for good: new workers, and all links well.
    pub async fn replace_workers(&mut self) -> Result<(), ChaosError> {
        self.heal();
        for worker in &mut self.workers {
            worker.restart().await?;
        }
        Ok(())
    }

    async fn until_in_force(&self) -> Result<(), ChaosError> {
        let mut queue = self.stores.queue().await?;
        let deadline = Instant::now() + IN_FORCE;
        loop {
            let is_known: bool = redis::cmd("SISMEMBER")
                .arg(&[flashsale_queue::keys::SALES, sale::NAME])
                .query_async(&mut queue)
                .await?;
            if is_known {
                return Ok(());
            }
            if !self.control.is_running() || Instant::now() > deadline {
                return Err(ChaosError::Wrong(format!(
                    "the control loop did not announce the sale: {}",
                    self.control.log_tail()
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn until_open(&self) -> Result<(), ChaosError> {
        let deadline = Instant::now() + IN_FORCE;
        for gateway in &self.gateways {
            loop {
                let answer = http::get(gateway.address, "/sales").await;
                if answer.is_ok_and(|answer| answer.body.contains(sale::PRODUCTS[0].0)) {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(ChaosError::TooLate {
                        what: "the gateways offer the sale".to_owned(),
                        seconds: IN_FORCE.as_secs(),
                    });
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
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
        for store in [Store::Postgres, Store::Redis] {
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

/// `flashsale up` as the control loop alone.
fn control(
    stores: &Stores,
    links: &[Link],
    file: &Path,
    directory: &Path,
) -> Result<Launch, ChaosError> {
    let url = |store, url: String| {
        let link = links
            .iter()
            .find(|link| link.member == Member::Control && link.store == store);
        link.and_then(|link| link.proxy.url(&url))
            .unwrap_or_default()
    };
    let (database, redis) = (
        url(Store::Postgres, stores.postgres.url()),
        url(Store::Redis, stores.redis.url()),
    );
    let urls = StoreUrls {
        database: &database,
        redis: &redis,
    };
    Ok(program::ours("flashsale", "control", urls, directory)?
        .arg("up")
        .arg(file)
        .args(["--gateways", "0", "--workers-max", "0"]))
}
