//! Acknowledgements: `POST /buy` at a real gateway, in turn with a route that does nothing.

use flashsale_cli::local::redis::AppendFsync;
use flashsale_core::{keys::SaleKeys, lane, sale::Sale, stock};

use crate::{
    children::Child,
    error::BenchError,
    measure::{Aspect, Consumer, DEFAULT_BATCH, Measure, Target},
    session::Session,
    shop::{self, HUGE_STOCK},
    stores::Stores,
    wrk::{self, CONNECTIONS, Load},
};

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    let empty_route = Child::empty_route(&session.stores).await?;
    let gateway = Child::gateway(&session.stores).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let before = empty_route.processor_seconds()?;
    let load = wrk::run(&session.stores, empty_route.address, "none", run, seconds).await?;
    let used = empty_route.processor_seconds()? - before;
    record(session, Target::EmptyRoute, &load);
    session.record_processor_time(Consumer::EmptyRoute, used, load.requests);
    buys(session, Target::Gateway, &gateway).await?;
    let worker = Child::worker(&session.stores, "worker", 1, DEFAULT_BATCH).await?;
    buys(session, Target::GatewayAndWorker, &gateway).await?;
    worker.stop().await?;
    session.stores.set_append_fsync(AppendFsync::Always).await?;
    buys(session, Target::GatewaySyncing, &gateway).await?;
    session
        .stores
        .set_append_fsync(AppendFsync::EverySecond)
        .await?;
    gateway.stop().await?;
    empty_route.stop().await
}

/// Opens a new sale of one product that does not sell out, and waits until `gateway` knows it.
pub async fn open(session: &mut Session, gateway: &Child) -> Result<Sale, BenchError> {
    let sale = shop::sale(session.next_sale(), 1, HUGE_STOCK)?;
    session.stores.empty().await?;
    shop::open(&session.stores, &sale).await?;
    gateway
        .wait_for(gateway.address, &format!("/sales/{}", sale.id))
        .await?;
    session.stores.settle_down().await?;
    Ok(sale)
}

async fn buys(session: &mut Session, target: Target, gateway: &Child) -> Result<(), BenchError> {
    let sale = open(session, gateway).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let product = sale.products[0].id.as_str();
    let before = (
        gateway.processor_seconds()?,
        session.stores.redis_seconds()?,
    );
    let load = wrk::run(&session.stores, gateway.address, product, run, seconds).await?;
    let after = (
        gateway.processor_seconds()?,
        session.stores.redis_seconds()?,
    );
    check_taken(&session.stores, &sale, load.requests).await?;
    record(session, target, &load);
    if target == Target::Gateway {
        session.record_processor_time(Consumer::Gateway, after.0 - before.0, load.requests);
        session.record_processor_time(Consumer::RedisForGateway, after.1 - before.1, load.requests);
    }
    Ok(())
}

fn record(session: &mut Session, target: Target, load: &Load) {
    session.record(Measure::Http(target, Aspect::Rate), load.rate());
    session.record(Measure::Http(target, Aspect::Median), load.median_ms());
    session.record(
        Measure::Http(target, Aspect::Percentile99),
        load.percentile99_ms(),
    );
}

/// How many buys of `sale` are in its lane or have left it.
pub async fn taken(stores: &Stores, sale: &Sale) -> Result<u64, BenchError> {
    let mut queue = stores.queue.clone();
    let (keys, product) = (SaleKeys::new(&sale.id), &sale.products[0].id);
    // Those that left are read first: a job that leaves in between is then counted in neither
    // place, and none in both.
    let settled = stock::read(&mut queue, &keys).await?;
    let waiting: u64 = lane::depths(&mut queue, &[keys.lane(product)])
        .await?
        .iter()
        .sum();
    Ok(waiting + settled.get(product).map_or(0, |known| known.settled))
}

/// Checks that every acknowledged buy was taken, and none twice: wrk gives up the answers that are
/// on their way when its time is over, one a connection at most.
async fn check_taken(stores: &Stores, sale: &Sale, answered: u32) -> Result<(), BenchError> {
    let taken = taken(stores, sale).await?;
    let (least, most) = (u64::from(answered), u64::from(answered + CONNECTIONS));
    if (least..=most).contains(&taken) {
        return Ok(());
    }
    Err(BenchError::Wrong(format!(
        "{answered} buys were acknowledged and {taken} taken"
    )))
}
