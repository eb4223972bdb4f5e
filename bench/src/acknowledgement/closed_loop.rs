//! Each connection sends its next request when it has the answer to the last: the most that is
//! acknowledged, and latencies under that load. What a pause of the server would have delayed is
//! not sent meanwhile, so these latencies flatter; [`super::fixed_rates`] does not.

use flashsale_testbed::{
    data_dir::DataDir,
    redis::{AppendFsync, Redis},
};

use super::{Servers, check_taken_but, open_replicated};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        Consumer, DEFAULT_BATCH, Measure,
        http::{Aspect, CONNECTIONS, Target},
    },
    session::Session,
    wrk::{self, Load},
};

/// Measures the gateway over 64 connections beside the empty route; answers the buys a second that
/// it acknowledged.
pub(super) async fn alone(session: &mut Session, servers: &Servers) -> Result<f64, BenchError> {
    empty_route(session, Target::EmptyRoute, &servers.empty_route).await?;
    let load = buys(session, Target::Gateway, &servers.gateway).await?;
    Ok(load.rate())
}

/// Measures the gateway while Redis syncs before each answer, while a worker settles, and, unless
/// the run is a quick one, over other numbers of connections.
pub(super) async fn others(session: &mut Session, servers: &Servers) -> Result<(), BenchError> {
    session.stores.set_append_fsync(AppendFsync::Always).await?;
    buys(session, Target::GatewaySyncing, &servers.gateway).await?;
    let usual = AppendFsync::EverySecond;
    session.stores.set_append_fsync(usual).await?;
    followed(session, servers).await?;
    let worker = Child::worker(&session.stores, "worker", 1, DEFAULT_BATCH).await?;
    buys(session, Target::GatewayAndWorker, &servers.gateway).await?;
    worker.stop().await?;
    if session.arguments.quick {
        return Ok(());
    }
    for connections in CONNECTIONS {
        let limit = Target::EmptyRouteOver(connections);
        empty_route(session, limit, &servers.empty_route).await?;
        let target = Target::GatewayOver(connections);
        buys(session, target, &servers.gateway).await?;
    }
    Ok(())
}

/// Measures the gateway beside a replica that acknowledgements do not wait for, and with one that
/// they do.
async fn followed(session: &mut Session, servers: &Servers) -> Result<(), BenchError> {
    let data_dir = DataDir::temporary()?;
    let mut replica = Redis::start_replica(&data_dir, &session.stores.redis).await?;
    session.stores.wait_for_replica().await?;
    for target in [Target::GatewayFollowed, Target::GatewayReplicated] {
        buys(session, target, &servers.gateway).await?;
    }
    replica.stop().await?;
    Ok(())
}

async fn empty_route(
    session: &mut Session,
    target: Target,
    server: &Child,
) -> Result<(), BenchError> {
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let before = server.processor_seconds()?;
    let connections = target.connections();
    let stores = &session.stores;
    let load = wrk::run_over(connections, stores, server.address, "none", run, seconds).await?;
    let used = server.processor_seconds()? - before;
    record(session, target, &load);
    if target == Target::EmptyRoute {
        session.record_processor_time(Consumer::EmptyRoute, used, load.requests);
    }
    Ok(())
}

async fn buys(session: &mut Session, target: Target, gateway: &Child) -> Result<Load, BenchError> {
    let replicas = u8::from(target == Target::GatewayReplicated);
    let sale = open_replicated(session, gateway, replicas).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let (product, connections) = (sale.products[0].id.as_str(), target.connections());
    let before = used(session, gateway)?;
    let stores = &session.stores;
    let load = wrk::run_over(connections, stores, gateway.address, product, run, seconds).await?;
    let after = used(session, gateway)?;
    check_taken_but(&session.stores, &sale, load.requests, connections).await?;
    record(session, target, &load);
    if target == Target::Gateway {
        let consumers = [Consumer::Gateway, Consumer::RedisForGateway];
        for (consumer, (before, after)) in consumers.into_iter().zip(before.into_iter().zip(after))
        {
            session.record_processor_time(consumer, after - before, load.requests);
        }
    }
    Ok(load)
}

/// Processor seconds of the gateway and of Redis.
fn used(session: &Session, gateway: &Child) -> Result<[f64; 2], BenchError> {
    Ok([
        gateway.processor_seconds()?,
        session.stores.redis_seconds()?,
    ])
}

fn record(session: &mut Session, target: Target, load: &Load) {
    for (aspect, measured) in [
        (Aspect::Rate, load.rate()),
        (Aspect::Median, load.median_ms()),
        (Aspect::Percentile99, load.percentile99_ms()),
        (Aspect::Percentile999, load.percentile999_ms()),
    ] {
        session.record(Measure::Http(target, aspect), measured);
    }
}
