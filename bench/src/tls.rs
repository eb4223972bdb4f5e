//! What TLS to the stores costs: the same buys and the same settlement with it and without, in turn,
//! at servers of their own that speak both.

use std::mem;

use crate::{
    acknowledgement::{check_taken, open},
    children::Child,
    error::BenchError,
    measure::{Consumer, Measure, tls::StoreLink},
    session::Session,
    settlement,
    stores::{Stores, Way},
    wrk,
};

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    let secured = Stores::start_secured().await?;
    let usual = mem::replace(&mut session.stores, secured);
    let measured = both(session).await;
    let secured = mem::replace(&mut session.stores, usual);
    secured.stop().await?;
    measured
}

async fn both(session: &mut Session) -> Result<(), BenchError> {
    for link in StoreLink::ALL {
        let way = way(session, link)?;
        let gateway = Child::gateway_by(&way, &session.stores).await?;
        let (used, requests) = buys(session, &gateway).await?;
        record(session, link, used, requests);
        gateway.stop().await?;
    }
    for link in StoreLink::ALL {
        let way = way(session, link)?;
        let used = settlement::settle_by(session, way).await?;
        let jobs = session.arguments.jobs();
        record(session, link, used, jobs);
    }
    Ok(())
}

fn way(session: &Session, link: StoreLink) -> Result<Way, BenchError> {
    let stores = &session.stores;
    match link {
        StoreLink::Plain => Ok(stores.way()),
        StoreLink::Tls => stores
            .secured_way()
            .ok_or_else(|| BenchError::Wrong("the stores do not speak TLS".to_owned())),
    }
}

/// Seconds of processor time that buys over 64 connections took, and how many there were.
async fn buys(
    session: &mut Session,
    gateway: &Child,
) -> Result<([(Consumer, f64); 2], u32), BenchError> {
    let sale = open(session, gateway).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let stores = &session.stores;
    let used = || {
        Ok::<_, BenchError>([
            (Consumer::Gateway, gateway.processor_seconds()?),
            (Consumer::RedisForGateway, stores.redis_seconds()?),
        ])
    };
    let before = used()?;
    let product = sale.products[0].id.as_str();
    let load = wrk::run(stores, gateway.address, product, run, seconds).await?;
    let mut after = used()?;
    for ((_, seconds), (_, seconds_before)) in after.iter_mut().zip(before) {
        *seconds -= seconds_before;
    }
    check_taken(stores, &sale, load.requests).await?;
    Ok((after, load.requests))
}

fn record(
    session: &mut Session,
    link: StoreLink,
    used: impl IntoIterator<Item = (Consumer, f64)>,
    count: u32,
) {
    for (consumer, seconds) in used {
        let microseconds = seconds * 1e6 / f64::from(count);
        session.record(Measure::Link(link, consumer), microseconds);
    }
}
