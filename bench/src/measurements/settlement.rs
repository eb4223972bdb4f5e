//! Settlement: real workers empty lanes that were filled before, in turn with the limits.
//!
//! One thing differs from the default at a time: the batch, the workers, the products, the way to
//! PostgreSQL.

use std::{net::Ipv4Addr, time::Duration};

use flashsale_domain::sale::{LatePolicy, PaymentWindow};
use flashsale_testbed::{
    fault_proxy::{FaultProxy, Flow},
    program::Program,
};

use crate::{
    environment::{Drained, LaneHold, Stores, Used, Way, shop, verification},
    error::{Result, check, wrong},
    limits::{pgbench, plain_batches, plain_writes},
    load::prefill,
    metrics::table::{
        BATCHES, COMPETING_WORKERS, DEFAULT_BATCH, DISTANCES_MS, FAR_BATCHES, PRODUCTS,
        SEVERAL_PRODUCTS, WORKERS,
    },
    session::Session,
};

/// Most jobs of a scenario that no promise is about.
const MOST_JOBS: u32 = 100_000;

/// Most batches of a scenario like that: small batches take so long each that fewer orders are
/// seconds of work.
const MOST_BATCHES: u32 = 3_000;

/// The same where PostgreSQL is away, and every batch waits for the way.
const MOST_FAR_BATCHES: u32 = 300;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Scenario {
    workers: u32,
    products: u32,
    batch: u32,
    /// Milliseconds of a round trip to PostgreSQL; 0 for one on this machine.
    away_ms: u32,
    /// Whether orders wait for their payment, longer than the measurement takes.
    pays: bool,
}

/// The scenario that targets are judged at.
const JUDGED: Scenario = Scenario {
    workers: 1,
    products: 1,
    batch: DEFAULT_BATCH,
    away_ms: 0,
    pays: false,
};

const PAID_FOR: Scenario = Scenario {
    pays: true,
    ..JUDGED
};

/// A window that ends no order during a measurement.
const PAYMENT: PaymentWindow = PaymentWindow {
    provider: None,
    on_late: LatePolicy::Reacquire,
    window_seconds: 86_400,
    grace_seconds: 0,
};

const MANY_WORKERS: Scenario = Scenario {
    workers: WORKERS,
    ..JUDGED
};

const MANY_PRODUCTS: Scenario = Scenario {
    products: PRODUCTS,
    ..JUDGED
};

impl Scenario {
    /// The same with batches of another size, and PostgreSQL so far away.
    fn at(self, batch: u32, away_ms: u32) -> Self {
        Self {
            batch,
            away_ms,
            ..self
        }
    }

    fn series(self) -> String {
        let (workers, products, batch) = (self.workers, self.products, self.batch);
        match self.away_ms {
            0 if self.pays => "settlement-with-payment".to_owned(),
            0 => format!("settlement workers={workers} products={products} batch={batch}"),
            away_ms => format!("far-settlement ms={away_ms} batch={batch}"),
        }
    }

    /// The limit that stands beside it, however many workers there are.
    fn limit_series(self) -> String {
        let (products, batch) = (self.products, self.batch);
        match self.away_ms {
            0 => format!("plain-batches products={products} batch={batch}"),
            away_ms => format!("far-plain-batches ms={away_ms} batch={batch}"),
        }
    }

    /// Lanes that one worker drives at once, so that together they drive all.
    fn lanes(self) -> u32 {
        self.products.div_ceil(self.workers)
    }

    /// How many jobs, of `chosen` for those that promises compare.
    fn jobs(self, chosen: u32) -> u32 {
        if [JUDGED, PAID_FOR, MANY_WORKERS, MANY_PRODUCTS].contains(&self) {
            return chosen;
        }
        let most = match self.away_ms {
            0 => MOST_BATCHES,
            _ => MOST_FAR_BATCHES,
        };
        chosen.min(MOST_JOBS).min(self.batch * most)
    }
}

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    load_rows(session).await?;
    limit(session, JUDGED, true).await?;
    default_batch(session).await?;
    settle(session, PAID_FOR).await?;
    beside_limit(session, MANY_PRODUCTS).await?;
    if session.arguments.quick {
        return beside_limit(session, JUDGED.at(DEFAULT_BATCH, DISTANCES_MS[0])).await;
    }
    for workers in COMPETING_WORKERS {
        if workers != WORKERS {
            settle(session, Scenario { workers, ..JUDGED }).await?;
        }
    }
    let batches = BATCHES.map(|batch| JUDGED.at(batch, 0));
    let products = SEVERAL_PRODUCTS.map(|products| Scenario { products, ..JUDGED });
    let far = DISTANCES_MS.map(|ms| FAR_BATCHES.map(|batch| JUDGED.at(batch, ms)));
    for scenario in batches.iter().chain(&products).chain(far.as_flattened()) {
        // These were measured first.
        if ![JUDGED, MANY_PRODUCTS].contains(scenario) {
            beside_limit(session, *scenario).await?;
        }
    }
    Ok(())
}

/// The part that the baseline holds: one hot product at the default batch, by one worker and by
/// several, beside pgbench. Its rows must be loaded.
pub(crate) async fn default_batch(session: &mut Session) -> Result<()> {
    run_pgbench(session).await?;
    // The filling for the settlement that comes next is what stands beside it.
    write_plainly(session).await?;
    beside_limit(session, JUDGED).await?;
    settle(session, MANY_WORKERS).await
}

/// Makes the rows that pgbench inserts.
pub(crate) async fn load_rows(session: &Session) -> Result<()> {
    let rows = shop::buys(&shop::sale(0, 1, 0), session.arguments.jobs());
    pgbench::load(&session.stores, &rows).await
}

async fn run_pgbench(session: &mut Session) -> Result<()> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let (orders, used) = pgbench::run(&session.stores, number, DEFAULT_BATCH, jobs).await?;
    session.record("pgbench", orders)?;
    session.record_each([("processor-time of=postgres-for-pgbench", used)], jobs)
}

/// The limit of `scenario`, then the scenario.
async fn beside_limit(session: &mut Session, scenario: Scenario) -> Result<()> {
    limit(session, scenario, false).await?;
    settle(session, scenario).await
}

async fn limit(session: &mut Session, scenario: Scenario, by_copy: bool) -> Result<()> {
    let number = session.next_sale();
    let route = Route::to_stores(&session.stores, scenario).await?;
    let task = plain_batches::Task {
        url: &route.way.database,
        number,
        products: scenario.products,
        batch: scenario.batch,
        jobs: scenario.jobs(session.arguments.jobs()),
        by_copy,
    };
    let orders = plain_batches::run(&session.stores, &task).await?;
    route.check_gone()?;
    let limit = scenario.limit_series();
    session.record(if by_copy { "copy" } else { &limit }, orders)
}

/// The limit of the turnstile.
async fn write_plainly(session: &mut Session) -> Result<()> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    session.stores.empty().await?;
    let sale = shop::sale(number, 1, 0);
    let writes = plain_writes::write(&session.stores, &sale, shop::buys(&sale, jobs)).await?;
    session.record("plain-writes", writes)
}

/// Orders per second of one hot product with one worker and the default batch, for others who hold
/// something against it in turn.
pub(crate) async fn hot_product(session: &mut Session) -> Result<f64> {
    let route = Route::to_stores(&session.stores, JUDGED).await?;
    let (_, drained) = fill_and_drain(session, JUDGED, route).await?;
    Ok(drained.outcomes.rate())
}

async fn settle(session: &mut Session, scenario: Scenario) -> Result<()> {
    let route = Route::to_stores(&session.stores, scenario).await?;
    let (admitted, drained) = fill_and_drain(session, scenario, route).await?;
    session.record(&scenario.series(), drained.outcomes.rate())?;
    if scenario != JUDGED {
        return Ok(());
    }
    session.record("turnstile", admitted)?;
    let series = |id| format!("processor-time of={id}");
    session.record_each(drained.used.of_orders(series), session.arguments.jobs())
}

/// Processor time for settling one hot product at the default batch, all orders together, by
/// another way to the stores.
pub(crate) async fn settle_by(session: &mut Session, way: Way) -> Result<Used> {
    let (_, drained) = fill_and_drain(session, JUDGED, Route { way, delay: None }).await?;
    Ok(drained.used)
}

/// Fills the lanes, lets the workers empty them, and holds the result against the ledger. Answers
/// buys admitted per second, and what emptying came to.
async fn fill_and_drain(
    session: &mut Session,
    scenario: Scenario,
    route: Route,
) -> Result<(f64, Drained)> {
    let number = session.next_sale();
    let jobs = scenario.jobs(session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let mut sale = shop::sale(number, scenario.products, jobs);
    sale.payment = scenario.pays.then_some(PAYMENT);
    shop::open(stores, &sale).await?;
    let hold = LaneHold::take(stores, &sale).await?;
    let admitted = prefill::admit(stores, &sale, shop::buys(&sale, jobs)).await?;
    let workers = workers(scenario, &route.way).await?;
    let drained = hold.drain(stores, &workers, jobs).await?;
    for worker in workers {
        worker.stop().await?;
    }
    route.check_gone()?;
    verification::settled(stores, &sale, jobs).await?;
    Ok((admitted, drained))
}

/// How the stores are reached, and what delays the way to PostgreSQL.
struct Route {
    way: Way,
    delay: Option<FaultProxy>,
}

impl Route {
    /// Each way takes half of the round trip.
    async fn to_stores(stores: &Stores, scenario: Scenario) -> Result<Self> {
        let mut way = stores.way();
        if scenario.away_ms == 0 {
            return Ok(Self { way, delay: None });
        }
        let postgres = (Ipv4Addr::LOCALHOST, stores.postgres.port()).into();
        let delay = FaultProxy::start(postgres).await.map_err(|error| {
            format!(
                "could not put PostgreSQL at a distance: {error}; check the limit of open files \
                 (ulimit -n)"
            )
        })?;
        let round_trip = Duration::from_millis(scenario.away_ms.into());
        delay.set_both(Flow::Delayed(round_trip / 2));
        let no_host = || wrong("PostgreSQL's address names no host");
        way.database = delay.url(&way.database).ok_or_else(no_host)?;
        let delay = Some(delay);
        Ok(Self { way, delay })
    }

    /// Fails when there is a distance that nobody went, since what was measured then was none.
    fn check_gone(&self) -> Result<()> {
        let gone = self.delay.as_ref().is_none_or(|delay| delay.accepted() > 0);
        check!(
            gone,
            "PostgreSQL was reached past the distance put before it"
        )
    }
}

async fn workers(scenario: Scenario, way: &Way) -> Result<Vec<Program>> {
    let mut workers = Vec::new();
    for number in 1..=scenario.workers {
        let name = format!("worker-{number}");
        workers.push(way.worker(&name, scenario.lanes(), scenario.batch).await?);
    }
    Ok(workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promises_compare_is_equally_much_work() {
        for scenario in [JUDGED, PAID_FOR, MANY_WORKERS, MANY_PRODUCTS] {
            assert_eq!(scenario.jobs(200_000), 200_000);
        }
    }

    #[test]
    fn small_batches_and_distant_ones_are_fewer() {
        let jobs = |batch, away_ms| JUDGED.at(batch, away_ms).jobs(200_000);
        assert_eq!(jobs(1, 0), 3_000);
        assert_eq!(jobs(2_000, 0), 100_000);
        assert_eq!(jobs(100, 5), 30_000);
        assert_eq!(jobs(DEFAULT_BATCH, 5), 100_000);
    }

    #[test]
    fn lanes_of_all_workers_hold_all_products() {
        let scenario = Scenario {
            workers: 8,
            ..MANY_PRODUCTS
        };
        assert_eq!(scenario.lanes(), 2);
    }
}
