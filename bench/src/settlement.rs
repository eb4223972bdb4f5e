//! Settlement: real workers empty lanes that were filled before, in turn with the limits.
//!
//! One thing differs from the default at a time: the batch, the workers, the products, the way to
//! PostgreSQL.

mod scenario;

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use flashsale_core::turnstile::Buy;
use url::Url;

use self::scenario::{JUDGED, Scenario};
use crate::{
    children::Child,
    distance::Distance,
    error::BenchError,
    gate::Gate,
    measure::{
        Consumer, DEFAULT_BATCH, Measure, PRODUCTS, WORKERS,
        settlement::{ASSORTMENTS, BATCHES, CROWDS, DISTANCES, FAR_BATCHES, Form},
    },
    outcomes, pgbench, plain_batches, plain_writes, prefill,
    session::Session,
    shop,
    stores::{Stores, Way},
    verification,
};

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    load_rows(session).await?;
    limit(session, JUDGED, Form::Copy).await?;
    default_batch(session).await?;
    beside_limit(session, Scenario::of_products(PRODUCTS)).await?;
    if session.arguments.quick {
        return beside_limit(session, Scenario::away(DISTANCES[0], DEFAULT_BATCH)).await;
    }
    for workers in CROWDS
        .into_iter()
        .filter(|workers| ![1, WORKERS].contains(workers))
    {
        settle(session, Scenario::of_workers(workers)).await?;
    }
    let batches = BATCHES.into_iter().filter(|batch| *batch != DEFAULT_BATCH);
    let assortments = ASSORTMENTS
        .into_iter()
        .filter(|products| ![1, PRODUCTS].contains(products));
    let away = DISTANCES
        .into_iter()
        .flat_map(|away_ms| FAR_BATCHES.map(|batch| Scenario::away(away_ms, batch)));
    let rest = batches
        .map(Scenario::of_batch)
        .chain(assortments.map(Scenario::of_products))
        .chain(away);
    for scenario in rest {
        beside_limit(session, scenario).await?;
    }
    Ok(())
}

/// The part that the baseline holds: one hot product at the default batch, by one worker and by
/// several, beside pgbench. Its rows must be loaded.
pub(crate) async fn default_batch(session: &mut Session) -> Result<(), BenchError> {
    run_pgbench(session).await?;
    // The filling for the settlement that comes next is what stands beside it.
    write_plainly(session).await?;
    beside_limit(session, JUDGED).await?;
    settle(session, Scenario::of_workers(WORKERS)).await
}

/// Makes the rows that [`run_pgbench`] inserts.
pub(crate) async fn load_rows(session: &Session) -> Result<(), BenchError> {
    let rows = shop::buys(&shop::sale(0, 1, 0)?, session.arguments.jobs())?;
    pgbench::load(&session.stores, &rows).await
}

async fn run_pgbench(session: &mut Session) -> Result<(), BenchError> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let (products, batch) = (1, DEFAULT_BATCH);
    let run = pgbench::run(&session.stores, number, products, batch, jobs).await?;
    session.record(Measure::Pgbench { products, batch }, run.orders_a_second);
    session.record_processor_time(Consumer::PostgresForPgbench, run.postgres_seconds, jobs);
    Ok(())
}

/// The limit of `scenario`, then the scenario.
async fn beside_limit(session: &mut Session, scenario: Scenario) -> Result<(), BenchError> {
    limit(session, scenario, Form::Arrays).await?;
    settle(session, scenario).await
}

async fn limit(session: &mut Session, scenario: Scenario, form: Form) -> Result<(), BenchError> {
    let number = session.next_sale();
    let route = Route::to_stores(&session.stores, scenario)?;
    let task = plain_batches::Task {
        url: &route.way.database,
        number,
        products: scenario.products,
        batch: scenario.batch,
        jobs: scenario.jobs(session.arguments.jobs()),
        form,
    };
    let orders_a_second = plain_batches::run(&session.stores, &task).await?;
    route.check_gone()?;
    session.record(Measure::PlainBatches(scenario.limit(form)), orders_a_second);
    Ok(())
}

/// The limit of the turnstile.
async fn write_plainly(session: &mut Session) -> Result<(), BenchError> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let sale = shop::sale(number, 1, 0)?;
    let buys: Arc<[Buy]> = shop::buys(&sale, jobs)?.into();
    let writes = plain_writes::write(stores, &sale, &buys).await?;
    session.record(Measure::PlainWrites, writes);
    Ok(())
}

/// Orders a second of one hot product with one worker and the default batch, for others who hold
/// something against it in turn.
pub async fn hot_product(session: &mut Session) -> Result<f64, BenchError> {
    let (_, drained) = fill_and_drain(session, JUDGED).await?;
    Ok(drained.orders_a_second)
}

async fn settle(session: &mut Session, scenario: Scenario) -> Result<(), BenchError> {
    let (admitted, drained) = fill_and_drain(session, scenario).await?;
    session.record(scenario.measure(), drained.orders_a_second);
    if scenario == JUDGED {
        session.record(Measure::Turnstile, admitted);
        let jobs = session.arguments.jobs();
        for (consumer, seconds) in drained.used {
            session.record_processor_time(consumer, seconds, jobs);
        }
    }
    Ok(())
}

/// Processor time of PostgreSQL, of one worker and of Redis for settling one hot product at the
/// default batch, all orders together in seconds, by another way to the stores.
pub(crate) async fn settle_by(
    session: &mut Session,
    way: Way,
) -> Result<[(Consumer, f64); 3], BenchError> {
    let distance = None;
    let (_, drained) = fill_and_drain_by(session, JUDGED, Route { way, distance }).await?;
    Ok(drained.used)
}

/// Fills the lanes, lets the workers empty them, and holds the result against the ledger. Answers
/// buys admitted a second, and what emptying came to.
async fn fill_and_drain(
    session: &mut Session,
    scenario: Scenario,
) -> Result<(f64, Drained), BenchError> {
    let route = Route::to_stores(&session.stores, scenario)?;
    fill_and_drain_by(session, scenario, route).await
}

async fn fill_and_drain_by(
    session: &mut Session,
    scenario: Scenario,
    route: Route,
) -> Result<(f64, Drained), BenchError> {
    let number = session.next_sale();
    let jobs = scenario.jobs(session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let stock = i32::try_from(jobs / scenario.products).unwrap_or(i32::MAX);
    let sale = shop::sale(number, scenario.products, stock)?;
    shop::open(stores, &sale).await?;
    let gate = Gate::close(stores, &sale).await?;
    let buys: Arc<[Buy]> = shop::buys(&sale, jobs)?.into();
    let admitted = prefill::admit(stores, &sale, &buys).await?;
    drop(buys);
    let workers = workers(stores, scenario, &route.way).await?;
    let drained = drain(stores, gate, &workers, jobs).await?;
    for worker in workers {
        worker.stop().await?;
    }
    route.check_gone()?;
    verification::settled(stores, &sale, jobs).await?;
    Ok((admitted, drained))
}

/// How the stores are reached, and what is put before PostgreSQL.
struct Route {
    way: Way,
    distance: Option<Distance>,
}

impl Route {
    fn to_stores(stores: &Stores, scenario: Scenario) -> Result<Self, BenchError> {
        let mut way = stores.way();
        let mut distance = None;
        if scenario.away_ms > 0 {
            let round_trip = Duration::from_millis(scenario.away_ms.into());
            let target = (Ipv4Addr::LOCALHOST, stores.postgres.port()).into();
            let between = Distance::put(round_trip, target).map_err(BenchError::Distance)?;
            way.database = at_port(&way.database, between.address.port())?;
            distance = Some(between);
        }
        Ok(Self { way, distance })
    }

    /// Fails when there is a distance that nobody went, since what was measured then was none.
    fn check_gone(&self) -> Result<(), BenchError> {
        match &self.distance {
            Some(distance) if distance.connections() == 0 => Err(BenchError::Wrong(
                "PostgreSQL was reached past the distance put before it".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

fn at_port(url: &str, port: u16) -> Result<String, BenchError> {
    Url::parse(url)
        .ok()
        .and_then(|mut url| url.set_port(Some(port)).ok().map(|()| url.to_string()))
        .ok_or_else(|| BenchError::Wrong("PostgreSQL's address is no URL".to_owned()))
}

/// What emptying the lanes came to.
#[derive(Debug)]
struct Drained {
    orders_a_second: f64,
    /// Seconds of processor time.
    used: [(Consumer, f64); 3],
}

async fn drain(
    stores: &Stores,
    gate: Gate,
    workers: &[Child],
    jobs: u32,
) -> Result<Drained, BenchError> {
    let processor_seconds = || {
        let by_workers = workers
            .iter()
            .map(Child::processor_seconds)
            .sum::<Result<f64, _>>()?;
        Ok::<_, BenchError>([
            (Consumer::PostgresForWorker, stores.postgres_seconds()?),
            (Consumer::Worker, by_workers),
            (Consumer::RedisForWorker, stores.redis_seconds()?),
        ])
    };
    stores.settle_down().await?;
    let outcomes = outcomes::listen(stores, jobs).await?;
    let before = processor_seconds()?;
    gate.open().await?;
    let orders_a_second = outcomes::finish(outcomes).await?.rate();
    let mut used = processor_seconds()?;
    for ((_, seconds), (_, seconds_before)) in used.iter_mut().zip(before) {
        *seconds -= seconds_before;
    }
    Ok(Drained {
        orders_a_second,
        used,
    })
}

async fn workers(stores: &Stores, scenario: Scenario, way: &Way) -> Result<Vec<Child>, BenchError> {
    let mut workers = Vec::new();
    for number in 1..=scenario.workers {
        let name = format!("worker-{number}");
        let (lanes, batch) = (scenario.lanes(), scenario.batch);
        workers.push(Child::worker_by(way, stores, &name, lanes, batch).await?);
    }
    Ok(workers)
}
