//! Acknowledgements: `POST /buy` at a real gateway, in turn with a route that does nothing; in a
//! closed loop as fast as answers come, and in an open one at fixed rates.

mod closed_loop;
mod fixed_rates;

use flashsale_core::{keys::SaleKeys, sale::Sale};

use crate::{
    children::Child,
    error::BenchError,
    measure::{Measure, http::CONNECTIONS},
    open_files, redis_benchmark,
    session::Session,
    shop::{self, HUGE_STOCK},
    stores::Stores,
    wrk,
};

/// The two that are loaded in turn.
#[derive(Debug)]
struct Servers {
    empty_route: Child,
    gateway: Child,
}

/// Measures one round.
pub async fn round(session: &mut Session) -> Result<(), BenchError> {
    // As many files for each server as for the load; children inherit the limit.
    open_files::allow(CONNECTIONS.into_iter().max().unwrap_or_default())?;
    let servers = Servers::start(&session.stores).await?;
    let most = closed_loop::alone(session, &servers).await?;
    closed_loop::others(session, &servers).await?;
    fixed_rates::measure(session, &servers, most).await?;
    servers.stop().await?;
    for pipeline in redis_benchmark::PIPELINES {
        let rate = redis_benchmark::run(session, pipeline).await?;
        session.record(Measure::RedisBenchmark { pipeline }, rate);
    }
    Ok(())
}

/// Measures the gateway over 64 connections beside the empty route, and nothing else.
pub async fn gateway_alone(session: &mut Session) -> Result<(), BenchError> {
    let servers = Servers::start(&session.stores).await?;
    closed_loop::alone(session, &servers).await?;
    servers.stop().await
}

impl Servers {
    async fn start(stores: &Stores) -> Result<Self, BenchError> {
        Ok(Self {
            empty_route: Child::empty_route(stores).await?,
            gateway: Child::gateway(stores).await?,
        })
    }

    async fn stop(self) -> Result<(), BenchError> {
        self.gateway.stop().await?;
        self.empty_route.stop().await
    }
}

/// Opens a new sale of one product that does not sell out, and waits until `gateway` knows it.
pub async fn open(session: &mut Session, gateway: &Child) -> Result<Sale, BenchError> {
    open_replicated(session, gateway, 0).await
}

/// The same for a sale whose buys `replicas` must have before they are answered.
async fn open_replicated(
    session: &mut Session,
    gateway: &Child,
    replicas: u8,
) -> Result<Sale, BenchError> {
    let mut sale = shop::sale(session.next_sale(), 1, HUGE_STOCK)?;
    sale.durability.redis_replicas = replicas;
    session.stores.empty().await?;
    shop::open(&session.stores, &sale).await?;
    gateway
        .wait_for(gateway.address, &format!("/sales/{}", sale.id))
        .await?;
    session.stores.settle_down().await?;
    Ok(sale)
}

/// How many buys of `sale`, which has one product, are in its lane or have left it.
pub async fn taken(stores: &Stores, sale: &Sale) -> Result<u64, BenchError> {
    let mut queue = stores.queue.clone();
    let (keys, product) = (SaleKeys::new(&sale.id), &sale.products[0].id);
    // In one transaction: a job that leaves its lane between two questions would be counted in
    // both places, or in neither. `PRODUCT#` counts those that left (`flashsale_core::stock`).
    let (waiting, left): (u64, Option<u64>) = redis::pipe()
        .atomic()
        .xlen(keys.lane(product))
        .hget(keys.stock(), format!("{product}#"))
        .query_async(&mut queue)
        .await?;
    Ok(waiting + left.unwrap_or(0))
}

/// Checks that every buy acknowledged to [`wrk::run`] was taken, and none twice.
pub(crate) async fn check_taken(
    stores: &Stores,
    sale: &Sale,
    acknowledged: u32,
) -> Result<(), BenchError> {
    // wrk gives up the answers that are on their way when its time is over, one a connection.
    check_taken_but(stores, sale, acknowledged, wrk::CONNECTIONS).await
}

/// The same when up to `unheard` more may have been taken whose answers nobody read.
async fn check_taken_but(
    stores: &Stores,
    sale: &Sale,
    acknowledged: u32,
    unheard: u32,
) -> Result<(), BenchError> {
    let taken = taken(stores, sale).await?;
    if is_plausible(taken, acknowledged, unheard) {
        return Ok(());
    }
    Err(BenchError::Wrong(format!(
        "{acknowledged} buys were acknowledged and {taken} taken"
    )))
}

fn is_plausible(taken: u64, acknowledged: u32, unheard: u32) -> bool {
    let least = u64::from(acknowledged);
    (least..=least + u64::from(unheard)).contains(&taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledged_buy_that_was_not_taken_and_one_taken_twice_are_noticed() {
        assert!(is_plausible(100, 100, 0));
        assert!(!is_plausible(99, 100, 0));
        assert!(!is_plausible(101, 100, 0));
        assert!(is_plausible(164, 100, 64));
        assert!(!is_plausible(165, 100, 64));
    }
}
