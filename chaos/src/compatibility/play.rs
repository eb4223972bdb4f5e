//! One combination: its servers, a sale, a crowd, a disturbance, a judgement.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flashsale_testbed::{process::Process, program::Program};
use serde_json::Value;

use super::{
    combinations::{Combination, Queue},
    disturbance,
    failovers::Disturbance,
    report::Row,
    servers,
    stores::Stores,
    without_certificate,
};
use crate::{
    error::ChaosError,
    judge::{self, Loss},
    load::{HISTORY, Load},
    sale,
    stores::until,
    timeline::Timeline,
};

/// The sale, and its id.
const SALE: &str = "compatibility";

/// Who comes, and what there is to buy.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Products and their units.
    products: [(&'static str, u32); 3],
    /// Shoppers per second.
    rate: u32,
    /// For so long, in seconds.
    seconds: u64,
}

/// Fewer units than shoppers, so that each product is sold out in the end. They come slowly enough for
/// two cores that run everything else as well, and for a failover to fall into the sale.
const ONCE: Plan = Plan {
    products: [("hot", 9_000), ("warm", 4_000), ("rare", 50)],
    rate: 1_000,
    seconds: 20,
};

/// More shoppers than can come until the last failover, and units for all of them.
const FAILOVERS: Plan = Plan {
    products: [("hot", 90_000), ("warm", 40_000), ("rare", 50)],
    rate: 200,
    seconds: 560,
};

/// Gateways and workers.
const PROGRAMS: usize = 2;

/// Orders after which servers are disturbed.
const MIDDLE: i64 = 2_500;

/// Buys that must be acknowledged after the disturbance, or nothing was tried.
const LEAST_AFTERWARDS: usize = 500;

/// Orders after the last of many failovers.
const AFTERWARDS: i64 = 1_000;

/// How long the sale may take to be in its middle.
const PATIENCE: Duration = Duration::from_secs(40);

/// How long the crowd may take: it settles for as long as outcomes come.
const CROWD: Duration = Duration::from_mins(2);

/// Plays the combination with logs and the history in `directory`. `tell` is told what is going on.
pub async fn play(
    combination: &Combination,
    directory: &Path,
    tell: &impl Fn(&str),
) -> Result<Row, ChaosError> {
    let began = Instant::now();
    tell("starting the servers");
    let mut stores = Stores::start(combination).await?;
    let versions = stores.versions().await?;
    servers::check(&combination.servers(), &versions)?;
    tell(&format!("{}: opening the sale", versions.join(", ")));
    let shop = Shop::open(combination, &stores, directory).await?;
    if let Some(certificates) = &stores.certificates {
        tell("waiting for the stores to refuse who has no certificate");
        without_certificate::are_wanted(certificates, &stores, directory).await?;
    }
    tell("selling");
    let plan = plan(combination);
    let (urls, environment) = (shop.urls(), stores.environment());
    let load = Load::start(plan.rate, &urls, &environment, plan.seconds, directory).await?;
    let disturbance = disturb(&mut stores, combination.queue, tell).await?;
    let ended = if combination.queue == Queue::Failovers {
        tell("selling after the last failover");
        stores.more_orders(AFTERWARDS).await?;
        load.end().await?
    } else {
        load.ended(CROWD).await?
    };
    tell("judging");
    let mut row = judged(combination, &stores, &directory.join(HISTORY), disturbance).await?;
    row.violations.extend(ended.problem);
    match came(plan, &ended.report) {
        Ok(shoppers) => row.shoppers = shoppers,
        Err(error) => row.violations.push(error.to_string()),
    }
    row.versions = versions;
    row.seconds = began.elapsed().as_secs_f64();
    Ok(row)
}

fn plan(combination: &Combination) -> Plan {
    match combination.queue {
        Queue::Failovers => FAILOVERS,
        Queue::Single | Queue::Sentinel | Queue::Cluster => ONCE,
    }
}

/// Shoppers of the plan who came before the crowd ended.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a crowd takes some seconds"
)]
fn came(plan: Plan, report: &Value) -> Result<u64, ChaosError> {
    let figures = report["shoppers"].as_u64().zip(report["seconds"].as_f64());
    let missing = || ChaosError::wrong("the report of `flashsale load` counts no shoppers");
    let (all, seconds) = figures.ok_or_else(missing)?;
    Ok(all.min((seconds * f64::from(plan.rate)) as u64))
}

/// The programs of ours.
struct Shop {
    gateways: Vec<Program>,
    _workers: Vec<Program>,
    _control: Process,
}

impl Shop {
    /// Starts them; comes back when the sale is open at every gateway.
    async fn open(
        combination: &Combination,
        stores: &Stores,
        logs: &Path,
    ) -> Result<Self, ChaosError> {
        let control = stores.launch("flashsale", "control", logs)?;
        let control = sale::control_loop(control, &sale_file(combination, logs)?);
        let control = Process::start(control).await?;
        let (mut gateways, mut workers) = (Vec::new(), Vec::new());
        for number in 1..=PROGRAMS {
            let gateway = stores.launch("flashsale-gateway", &format!("gateway-{number}"), logs)?;
            gateways.push(Program::gateway(gateway, &[]).await?);
            let worker = stores.launch("flashsale-worker", &format!("worker-{number}"), logs)?;
            workers.push(Program::worker(worker, &[]).await?);
        }
        let shop = Self {
            gateways,
            _workers: workers,
            _control: control,
        };
        sale::until_offered(&shop.gateways, "hot").await?;
        Ok(shop)
    }

    fn urls(&self) -> Vec<String> {
        self.gateways.iter().map(Program::url).collect()
    }
}

fn sale_file(combination: &Combination, directory: &Path) -> Result<PathBuf, ChaosError> {
    let mut spec = vec!["worker: {lanesPerWorker: 2}"];
    let durability = format!(
        "durability: {{redisReplicas: {}}}",
        combination.redis_replicas
    );
    if combination.redis_replicas > 0 {
        spec.push(&durability);
    }
    let products = plan(combination).products;
    sale::write_file(directory, SALE, &products, ", maxPerUser: 1", &spec)
}

/// Waits for the middle of the sale and disturbs the servers that can fail over.
async fn disturb(
    stores: &mut Stores,
    queue: Queue,
    tell: &impl Fn(&str),
) -> Result<Option<Disturbance>, ChaosError> {
    if !disturbance::is_due(stores) {
        return Ok(None);
    }
    until("the middle of the sale", PATIENCE, async || {
        Ok(stores.orders().await? >= MIDDLE)
    })
    .await?;
    let orders = stores.orders().await?;
    tell(&format!("{orders} orders: disturbing the servers"));
    let keys = sale::keys(SALE)?;
    let mut disturbance = disturbance::disturb(stores, queue, keys.record(), tell).await?;
    disturbance.what = format!("at {orders} orders: {}", disturbance.what);
    tell(&disturbance.what);
    Ok(Some(disturbance))
}

fn no_buys() -> ChaosError {
    ChaosError::wrong("no two buys were acknowledged")
}

async fn judged(
    combination: &Combination,
    stores: &Stores,
    history: &Path,
    disturbance: Option<Disturbance>,
) -> Result<Row, ChaosError> {
    let environment = stores.environment();
    let loss = disturbance
        .as_ref()
        .and_then(|disturbance| disturbance.loss);
    // A buy that a replica had before it was acknowledged may not be lost at all.
    let losses: Vec<Loss> = loss
        .into_iter()
        .filter(|_| combination.redis_replicas == 0)
        .collect();
    let mut judgement = judge::judge(&environment, history, &losses).await?;
    let arguments = ["audit", "--sale", SALE, "--json"].map(str::to_owned);
    let audit = judge::flashsale(&environment, &arguments).await?;
    if audit["holds"] != true {
        judgement.violations.push(format!("audit: {audit}"));
    }
    let timeline = Timeline::read(history)?;
    if let Some(disturbance) = &disturbance {
        let afterwards = timeline.after(disturbance.over);
        if afterwards < LEAST_AFTERWARDS {
            let what = format!("only {afterwards} buys were acknowledged after the disturbance");
            judgement.violations.push(what);
        }
    }
    Ok(Row {
        combination: combination.name.to_owned(),
        acknowledged: judgement.acknowledged,
        confirmed: judgement.confirmed,
        lost: judgement.lost_with_store.len(),
        pause_of_buys_ms: timeline.longest_pause_ms().ok_or_else(no_buys)?,
        pause_of_orders_ms: stores.longest_pause_of_orders().await?,
        disturbance: disturbance.map_or_else(String::new, |disturbance| disturbance.what),
        violations: judgement.violations,
        ..Row::default()
    })
}
