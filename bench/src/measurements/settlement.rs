//! Settlement: real workers empty lanes that were filled before, in turn with the limits.
//!
//! One thing differs from the default at a time: the batch, the workers, the products, the way to
//! PostgreSQL.

mod scenario;

use std::{net::Ipv4Addr, time::Duration};

use flashsale_testbed::{
    fault_proxy::{FaultProxy, Flow},
    program::Program,
};

use self::scenario::{JUDGED, MANY_PRODUCTS, MANY_WORKERS, Scenario};
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

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    load_rows(session).await?;
    limit(session, JUDGED, true).await?;
    default_batch(session).await?;
    beside_limit(session, MANY_PRODUCTS).await?;
    let away = |away_ms, batch| Scenario {
        batch,
        away_ms,
        ..JUDGED
    };
    if session.arguments.quick {
        return beside_limit(session, away(DISTANCES_MS[0], DEFAULT_BATCH)).await;
    }
    for workers in COMPETING_WORKERS
        .into_iter()
        .filter(|workers| *workers != WORKERS)
    {
        settle(session, Scenario { workers, ..JUDGED }).await?;
    }
    let batches = BATCHES.into_iter().filter(|batch| *batch != DEFAULT_BATCH);
    let products = SEVERAL_PRODUCTS
        .into_iter()
        .filter(|products| *products != PRODUCTS);
    let far = DISTANCES_MS.into_iter();
    let far = far.flat_map(|away_ms| FAR_BATCHES.map(|batch| away(away_ms, batch)));
    let rest = batches
        .map(|batch| Scenario { batch, ..JUDGED })
        .chain(products.map(|products| Scenario { products, ..JUDGED }))
        .chain(far);
    for scenario in rest {
        beside_limit(session, scenario).await?;
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
    let run = pgbench::run(&session.stores, number, DEFAULT_BATCH, jobs).await?;
    session.record("pgbench", run.orders_per_second)?;
    let used = (
        "processor-time of=postgres-for-pgbench",
        run.postgres_seconds,
    );
    session.record_each([used], jobs)
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
    let series = if by_copy {
        "copy".to_owned()
    } else {
        scenario.limit_series()
    };
    session.record(&series, orders)
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
    let used = drained
        .used
        .of_orders(|id| format!("processor-time of={id}"));
    session.record_each(used, session.arguments.jobs())
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
    let sale = shop::sale(number, scenario.products, jobs);
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
