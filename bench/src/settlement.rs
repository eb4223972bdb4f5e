//! Settlement: real workers empty lanes that were filled before, in turn with pgbench.

use std::sync::Arc;

use flashsale_core::turnstile::Buy;

use crate::{
    children::Child,
    error::BenchError,
    gate::Gate,
    measure::{BATCHES, Consumer, DEFAULT_BATCH, Measure, PRODUCTS, WORKERS},
    outcomes, pgbench, plain_writes, prefill,
    session::Session,
    shop,
    stores::Stores,
    verification,
};

/// Who settles how much of what, how.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scenario {
    workers: u32,
    products: u32,
    batch: u32,
}

impl Scenario {
    fn measure(self) -> Measure {
        let Self {
            workers,
            products,
            batch,
        } = self;
        Measure::Settlement {
            workers,
            products,
            batch,
        }
    }

    /// Lanes that one worker drives at once, so that together they drive all.
    fn lanes(self) -> u32 {
        self.products.div_ceil(self.workers)
    }
}

/// The scenario whose filling stands beside the plain writes, since it comes right after them.
const PAIRED_WITH_PLAIN_WRITES: Scenario = Scenario {
    workers: 1,
    products: 1,
    batch: BATCHES[0],
};

/// The scenario that targets are judged at.
const JUDGED: Scenario = Scenario {
    workers: 1,
    products: 1,
    batch: DEFAULT_BATCH,
};

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    let rows = shop::buys(&shop::sale(0, 1, 0)?, session.arguments.jobs())?;
    pgbench::load(&session.stores, &rows).await?;
    drop(rows);
    for batch in BATCHES {
        let alone = Scenario {
            workers: 1,
            products: 1,
            batch,
        };
        limit(session, 1, batch).await?;
        if alone == PAIRED_WITH_PLAIN_WRITES {
            write_plainly(session).await?;
        }
        settle(session, alone).await?;
        if batch == DEFAULT_BATCH {
            let workers = WORKERS;
            settle(session, Scenario { workers, ..alone }).await?;
        }
    }
    limit(session, PRODUCTS, DEFAULT_BATCH).await?;
    let spread = Scenario {
        workers: 1,
        products: PRODUCTS,
        batch: DEFAULT_BATCH,
    };
    settle(session, spread).await
}

async fn limit(session: &mut Session, products: u32, batch: u32) -> Result<(), BenchError> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let run = pgbench::run(&session.stores, number, products, batch, jobs).await?;
    session.record(Measure::Pgbench { products, batch }, run.orders_a_second);
    if (products, batch) == (1, DEFAULT_BATCH) {
        session.record_processor_time(Consumer::PostgresForPgbench, run.postgres_seconds, jobs);
    }
    Ok(())
}

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

/// Fills the lanes, lets the workers empty them, and holds the result against the ledger.
async fn settle(session: &mut Session, scenario: Scenario) -> Result<(), BenchError> {
    let (number, jobs) = (session.next_sale(), session.arguments.jobs());
    let stores = &session.stores;
    stores.empty().await?;
    let stock = i32::try_from(jobs / scenario.products).unwrap_or(i32::MAX);
    let sale = shop::sale(number, scenario.products, stock)?;
    shop::open(stores, &sale).await?;
    let gate = Gate::close(stores, &sale).await?;
    let buys: Arc<[Buy]> = shop::buys(&sale, jobs)?.into();
    let admitted = prefill::admit(stores, &sale, &buys).await?;
    drop(buys);
    let workers = workers(stores, scenario).await?;
    let drained = drain(stores, gate, &workers, jobs).await?;
    for worker in workers {
        worker.stop().await?;
    }
    verification::settled(stores, &sale, jobs).await?;
    if scenario == PAIRED_WITH_PLAIN_WRITES {
        session.record(Measure::Turnstile, admitted);
    }
    session.record(scenario.measure(), drained.orders_a_second);
    if scenario == JUDGED {
        for (consumer, seconds) in drained.used {
            session.record_processor_time(consumer, seconds, jobs);
        }
    }
    Ok(())
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

async fn workers(stores: &Stores, scenario: Scenario) -> Result<Vec<Child>, BenchError> {
    let mut workers = Vec::new();
    for number in 1..=scenario.workers {
        let name = format!("worker-{number}");
        workers.push(Child::worker(stores, &name, scenario.lanes(), scenario.batch).await?);
    }
    Ok(workers)
}
