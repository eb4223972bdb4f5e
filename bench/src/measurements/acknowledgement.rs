//! Acknowledgements: `POST /buy` at a real gateway, in turn with a route that does nothing.
//!
//! In a closed loop each connection sends its next request when it has the answer to the last: the
//! most that is acknowledged, and latencies under that load. What a pause of the server would have
//! delayed is not sent meanwhile, so these latencies flatter. Those at fixed rates, whatever the
//! answers do, are the latencies that shoppers have.

use flashsale_testbed::{
    data_dir::DataDir,
    program::Program,
    redis::{AppendFsync, Redis},
};

use crate::{
    environment::{Used, programs, verification::all_taken},
    error::Result,
    limits::redis_benchmark,
    load::{
        open_loop::{self, Plan, Report, SingleBuys},
        wrk::{self, How, Load},
    },
    metrics::table::{CONNECTIONS, DEFAULT_BATCH, LOADS, PIPELINE, QUANTILES},
    session::Session,
};

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    // As many files for each server as for the load; children inherit the limit.
    programs::allow_sockets(*CONNECTIONS.iter().max().unwrap_or(&wrk::CONNECTIONS))?;
    let way = session.stores.way();
    let (empty_route, gateway) = (way.empty_route().await?, way.gateway().await?);
    let most = alone(session, &empty_route, &gateway).await?;
    others(session, &empty_route, &gateway).await?;
    at_fixed_rates(session, &empty_route, &gateway, most).await?;
    gateway.stop().await?;
    empty_route.stop().await?;
    for pipeline in [1, PIPELINE] {
        let (number, seconds) = (session.next_sale(), session.arguments.load_seconds());
        let rate = redis_benchmark::run(&session.stores, number, seconds, pipeline).await?;
        session.record(&format!("redis-benchmark pipeline={pipeline}"), rate)?;
    }
    Ok(())
}

/// Measures the gateway over 64 connections beside the empty route, and nothing else.
pub(crate) async fn gateway_alone(session: &mut Session) -> Result<()> {
    let way = session.stores.way();
    let (empty_route, gateway) = (way.empty_route().await?, way.gateway().await?);
    alone(session, &empty_route, &gateway).await?;
    gateway.stop().await?;
    Ok(empty_route.stop().await?)
}

/// The same; answers the buys per second that the gateway acknowledged.
async fn alone(session: &mut Session, limit: &Program, gateway: &Program) -> Result<f64> {
    let before = programs::processor_seconds(limit)?;
    let load = empty_route(session, "server=empty-route", limit, session.usual()).await?;
    let used = programs::processor_seconds(limit)? - before;
    session.record_each([("processor-time of=empty-route", used)], load.requests)?;
    let (load, used) = buys(session, "server=buy", gateway).await?;
    let used = used.of_buys(|id| format!("processor-time of={id}"));
    session.record_each(used, load.requests)?;
    Ok(load.rate())
}

/// Measures the gateway while Redis syncs before each answer, beside a replica that answers do not
/// wait for and with one that they do, while a worker settles, and, unless the run is a quick one,
/// over other numbers of connections.
async fn others(session: &mut Session, limit: &Program, gateway: &Program) -> Result<()> {
    session.stores.set_append_fsync(AppendFsync::Always).await?;
    buys(session, "server=buy-syncing", gateway).await?;
    let usual = AppendFsync::EverySecond;
    session.stores.set_append_fsync(usual).await?;
    let data_dir = DataDir::temporary()?;
    let mut replica = Redis::start_replica(&data_dir, &session.stores.redis).await?;
    session.stores.wait_for_replica().await?;
    buys(session, "server=buy-followed", gateway).await?;
    let (load, _) = session.buy_replicated(gateway, 1, session.usual()).await?;
    record_load(session, "server=buy-replicated", &load)?;
    replica.stop().await?;
    let way = session.stores.way();
    let worker = way.worker("worker", 1, DEFAULT_BATCH).await?;
    buys(session, "server=buy-with-worker", gateway).await?;
    worker.stop().await?;
    if session.arguments.quick {
        return Ok(());
    }
    for connections in CONNECTIONS {
        let how = How {
            connections,
            ..session.usual()
        };
        let labels = format!("server=empty-route connections={connections}");
        empty_route(session, &labels, limit, how).await?;
        let (load, _) = session.buy(gateway, how).await?;
        let labels = format!("server=buy connections={connections}");
        record_load(session, &labels, &load)?;
    }
    Ok(())
}

async fn empty_route(
    session: &mut Session,
    labels: &str,
    server: &Program,
    how: How<'_>,
) -> Result<Load> {
    let load = session.send(server, "none", how).await?;
    record_load(session, labels, &load)?;
    Ok(load)
}

/// Buys in the usual way.
async fn buys(session: &mut Session, labels: &str, gateway: &Program) -> Result<(Load, Used)> {
    let (load, used) = session.buy(gateway, session.usual()).await?;
    record_load(session, labels, &load)?;
    Ok((load, used))
}

fn record_load(session: &mut Session, labels: &str, load: &Load) -> Result<()> {
    session.record(&format!("requests {labels}"), load.rate())?;
    session.record_quantiles(&format!("latency {labels}"), &load.quantiles_ms())
}

/// Measures all loads, as shares of `most`: buys per second that were acknowledged before.
async fn at_fixed_rates(
    session: &mut Session,
    limit: &Program,
    gateway: &Program,
    most: f64,
) -> Result<()> {
    let [quarter, half, three_quarters] = LOADS;
    let at_half = rate(most, half.1);
    let report = send(session, limit, "none", at_half).await?;
    record(session, "server=empty-route load=half", at_half, &report)?;
    // The promised one first, next to what it is held against.
    for (load, share) in [half, quarter, three_quarters] {
        let sale = session.open_sale(gateway, 0).await?;
        let (product, rate) = (sale.products[0].id.as_str(), rate(most, share));
        let report = send(session, gateway, product, rate).await?;
        all_taken(&session.stores, &sale, report.succeeded, report.unanswered).await?;
        record(session, &format!("server=buy load={load}"), rate, &report)?;
    }
    Ok(())
}

async fn send(session: &mut Session, server: &Program, product: &str, rate: u32) -> Result<Report> {
    let plan = Plan {
        address: server.address,
        rate,
        count: rate * session.arguments.load_seconds(),
        connections: open_loop::CONNECTIONS,
    };
    let buys = SingleBuys::new(server.address, product, session.next_sale());
    let (report, _) = open_loop::run(plan, buys).await?;
    report.check()?;
    Ok(report)
}

fn record(session: &mut Session, labels: &str, rate: u32, report: &Report) -> Result<()> {
    session.record(&format!("due {labels}"), f64::from(rate))?;
    let series = format!("due-latency {labels}");
    session.record_latencies(&series, &report.latencies, QUANTILES.len())?;
    let lost = report.unanswered + report.unsent;
    session.record(&format!("late {labels}"), f64::from(report.late))?;
    session.record(&format!("lost {labels}"), f64::from(lost))?;
    let generator = (format!("generator {labels}"), report.processor_seconds);
    session.record_each([generator], report.due)
}

/// Requests per second; a load of none would measure nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the least is 1"
)]
fn rate(most: f64, share: f64) -> u32 {
    ((most * share) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shares_of_the_most() {
        let rates = LOADS.map(|(_, share)| rate(10_001.0, share));
        assert_eq!(rates, [2_500, 5_000, 7_500]);
        assert_eq!(rate(0.5, 0.25), 1);
    }
}
