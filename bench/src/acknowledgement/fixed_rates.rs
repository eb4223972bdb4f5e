//! Requests at fixed rates, whatever the answers do: the latencies that shoppers have.

use super::{Servers, check_taken_but, open};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        Measure,
        http::Target,
        open_loop::{Figure, Load},
    },
    open_loop::{self, Buys, CONNECTIONS, Plan, Report},
    session::Session,
};

/// Measures all loads, as shares of `most`: buys a second that were acknowledged before.
pub(super) async fn measure(
    session: &mut Session,
    servers: &Servers,
    most: f64,
) -> Result<(), BenchError> {
    empty_route(session, &servers.empty_route, rate(most, Load::Half)).await?;
    // The promised one first, next to what it is held against.
    for load in [Load::Half, Load::Quarter, Load::ThreeQuarters] {
        buys(session, &servers.gateway, load, rate(most, load)).await?;
    }
    Ok(())
}

async fn empty_route(session: &mut Session, server: &Child, rate: u32) -> Result<(), BenchError> {
    let report = send(session, server, "none", rate).await?;
    record(session, (Target::EmptyRoute, Load::Half), rate, &report);
    Ok(())
}

async fn buys(
    session: &mut Session,
    gateway: &Child,
    load: Load,
    rate: u32,
) -> Result<(), BenchError> {
    let sale = open(session, gateway).await?;
    let report = send(session, gateway, sale.products[0].id.as_str(), rate).await?;
    check_taken_but(&session.stores, &sale, report.succeeded, report.unanswered).await?;
    record(session, (Target::Gateway, load), rate, &report);
    Ok(())
}

async fn send(
    session: &mut Session,
    server: &Child,
    product: &str,
    rate: u32,
) -> Result<Report, BenchError> {
    let plan = Plan {
        address: server.address,
        rate,
        count: rate * session.arguments.load_seconds(),
        connections: CONNECTIONS,
    };
    let buys = Buys::new(server.address, product, session.next_sale());
    let (report, _) = open_loop::run(plan, buys).await?;
    report.check()?;
    Ok(report)
}

fn record(session: &mut Session, (target, load): (Target, Load), rate: u32, report: &Report) {
    for figure in Figure::ALL {
        let measured = match figure {
            Figure::Rate => f64::from(rate),
            Figure::Latency(quantile) => report.latencies.quantile_ms(quantile.share()),
            Figure::Late => f64::from(report.late),
            Figure::Lost => f64::from(report.unanswered + report.unsent),
            Figure::Generator => report.processor_seconds * 1e6 / f64::from(report.due),
        };
        session.record(Measure::OpenLoop(target, load, figure), measured);
    }
}

/// Requests a second; a load of none would measure nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the least is 1"
)]
fn rate(most: f64, load: Load) -> u32 {
    ((most * load.share()) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shares_of_the_most() {
        let rates = Load::ALL.map(|load| rate(10_001.0, load));
        assert_eq!(rates, [2_500, 5_000, 7_500]);
        assert_eq!(rate(0.5, Load::Quarter), 1);
    }
}
