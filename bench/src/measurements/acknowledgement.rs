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
    error::Result,
    fixtures::{programs, stores::Stores, verification::all_taken},
    limits::redis_benchmark,
    load::{
        open_loop::{self, Plan, Report, SingleBuys},
        wrk::{self, Buys, Load},
    },
    metrics::table::{CONNECTIONS, DEFAULT_BATCH, LOADS, PIPELINE, QUANTILES},
    session::Session,
};

/// The two that are loaded in turn.
#[derive(Debug)]
struct Servers {
    empty_route: Program,
    gateway: Program,
}

/// What is loaded in the closed loop.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    /// Its labels in the table.
    labels: &'a str,
    connections: u32,
    /// Replicas of Redis that must have each buy.
    replicas: u8,
}

impl<'a> Target<'a> {
    const fn of(labels: &'a str) -> Self {
        Self {
            labels,
            connections: wrk::CONNECTIONS,
            replicas: 0,
        }
    }
}

/// The empty route, and the gateway, over the usual connections.
const EMPTY_ROUTE: Target<'_> = Target::of("server=empty-route");
const GATEWAY: Target<'_> = Target::of("server=buy");

pub(crate) async fn round(session: &mut Session) -> Result<()> {
    // As many files for each server as for the load; children inherit the limit.
    programs::allow_sockets(CONNECTIONS.into_iter().max().unwrap_or_default())?;
    let servers = Servers::start(&session.stores).await?;
    let most = alone(session, &servers).await?;
    others(session, &servers).await?;
    at_fixed_rates(session, &servers, most).await?;
    servers.stop().await?;
    for pipeline in [1, PIPELINE] {
        let (number, seconds) = (session.next_sale(), session.arguments.load_seconds());
        let rate = redis_benchmark::run(&session.stores, number, seconds, pipeline).await?;
        session.record(&format!("redis-benchmark pipeline={pipeline}"), rate)?;
    }
    Ok(())
}

/// Measures the gateway over 64 connections beside the empty route, and nothing else.
pub(crate) async fn gateway_alone(session: &mut Session) -> Result<()> {
    let servers = Servers::start(&session.stores).await?;
    alone(session, &servers).await?;
    servers.stop().await
}

impl Servers {
    async fn start(stores: &Stores) -> Result<Self> {
        let way = stores.way();
        Ok(Self {
            empty_route: way.empty_route().await?,
            gateway: way.gateway().await?,
        })
    }

    async fn stop(self) -> Result<()> {
        self.gateway.stop().await?;
        Ok(self.empty_route.stop().await?)
    }
}

/// Measures the gateway over 64 connections beside the empty route; answers the buys per second
/// that it acknowledged.
async fn alone(session: &mut Session, servers: &Servers) -> Result<f64> {
    let before = programs::processor_seconds(&servers.empty_route)?;
    let load = empty_route(session, EMPTY_ROUTE, &servers.empty_route).await?;
    let used = programs::processor_seconds(&servers.empty_route)? - before;
    session.record_each([("processor-time of=empty-route", used)], load.requests)?;
    let load = buys(session, GATEWAY, &servers.gateway).await?;
    Ok(load.rate())
}

/// Measures the gateway while Redis syncs before each answer, beside a replica that answers do not
/// wait for and with one that they do, while a worker settles, and, unless the run is a quick one,
/// over other numbers of connections.
async fn others(
    session: &mut Session,
    Servers {
        empty_route: limit,
        gateway,
    }: &Servers,
) -> Result<()> {
    session.stores.set_append_fsync(AppendFsync::Always).await?;
    buys(session, Target::of("server=buy-syncing"), gateway).await?;
    session
        .stores
        .set_append_fsync(AppendFsync::EverySecond)
        .await?;
    let data_dir = DataDir::temporary()?;
    let mut replica = Redis::start_replica(&data_dir, &session.stores.redis).await?;
    session.stores.wait_for_replica().await?;
    buys(session, Target::of("server=buy-followed"), gateway).await?;
    let replicated = Target {
        replicas: 1,
        ..Target::of("server=buy-replicated")
    };
    buys(session, replicated, gateway).await?;
    replica.stop().await?;
    let worker = session
        .stores
        .way()
        .worker("worker", 1, DEFAULT_BATCH)
        .await?;
    buys(session, Target::of("server=buy-with-worker"), gateway).await?;
    worker.stop().await?;
    if session.arguments.quick {
        return Ok(());
    }
    for connections in CONNECTIONS {
        let over = |labels| Target {
            connections,
            ..Target::of(labels)
        };
        let labels = format!("server=empty-route connections={connections}");
        empty_route(session, over(&labels), limit).await?;
        let labels = format!("server=buy connections={connections}");
        buys(session, over(&labels), gateway).await?;
    }
    Ok(())
}

async fn empty_route(session: &mut Session, target: Target<'_>, server: &Program) -> Result<Load> {
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    load(session, target, Buys::of(server, "none", run, seconds)).await
}

async fn buys(session: &mut Session, target: Target<'_>, gateway: &Program) -> Result<Load> {
    let sale = session.open_sale(gateway, target.replicas).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let before = session.stores.used([gateway])?;
    let buys = Buys::of(gateway, sale.products[0].id.as_str(), run, seconds);
    let load = load(session, target, buys).await?;
    let used = session.stores.used([gateway])?.since(before);
    all_taken(&session.stores, &sale, load.requests, target.connections).await?;
    if target.labels == GATEWAY.labels {
        let used = [
            ("processor-time of=gateway-for-buy", used.programs),
            ("processor-time of=redis-for-buy", used.redis),
        ];
        session.record_each(used, load.requests)?;
    }
    Ok(load)
}

async fn load(session: &mut Session, target: Target<'_>, buys: Buys<'_>) -> Result<Load> {
    let Target {
        labels,
        connections,
        ..
    } = target;
    let buys = Buys {
        connections,
        ..buys
    };
    let load = wrk::run(session.stores.data_dir.path(), buys).await?;
    session.record(&format!("requests {labels}"), load.rate())?;
    for (quantile, milliseconds) in load.quantiles_ms() {
        session.record(
            &format!("latency {labels} quantile={quantile}"),
            milliseconds,
        )?;
    }
    Ok(load)
}

/// Measures all loads, as shares of `most`: buys per second that were acknowledged before.
async fn at_fixed_rates(session: &mut Session, servers: &Servers, most: f64) -> Result<()> {
    let [quarter, half, three_quarters] = LOADS;
    let at_half = rate(most, half.1);
    let report = send(session, &servers.empty_route, "none", at_half).await?;
    record(session, "server=empty-route load=half", at_half, &report)?;
    // The promised one first, next to what it is held against.
    for (load, share) in [half, quarter, three_quarters] {
        let sale = session.open_sale(&servers.gateway, 0).await?;
        let (product, rate) = (sale.products[0].id.as_str(), rate(most, share));
        let report = send(session, &servers.gateway, product, rate).await?;
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
    for (quantile, share) in QUANTILES {
        let latency = report.latencies.quantile_ms(share);
        session.record(
            &format!("due-latency {labels} quantile={quantile}"),
            latency,
        )?;
    }
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
