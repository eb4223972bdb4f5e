//! Reading what the control loop decides by. Each part can fail by itself.

use std::time::Duration;

use flashsale_domain::{control::Look, id::SaleId, lifecycle::Announced, sale::Sale};
use flashsale_ledger::Ledger;
use flashsale_queue::{
    catalogue::{self, Unreadable},
    connect::{SharedConnection, check_writable},
    observation,
};
use jiff::Timestamp;
use tokio::time::timeout;

/// How long the ledger may take; the loop comes round every second.
const LEDGER_PATIENCE: Duration = Duration::from_millis(800);

/// One look at everything.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// One a sale, in their order.
    pub(super) sales: Vec<Look>,
    /// Redis's clock; none when it could not be read.
    pub(super) now: Option<Timestamp>,
    /// What could not be read, in words.
    pub(super) failures: Vec<String>,
}

/// Looks at `sales`.
pub(super) async fn look(ledger: &Ledger, queue: &mut SharedConnection, sales: &[&Sale]) -> Looks {
    let mut looks = Looks {
        sales: sales.iter().map(|_| Look::default()).collect(),
        ..Looks::default()
    };
    match look_at_redis(queue, sales).await {
        Ok((now, servers, announced, lanes)) => {
            looks.now = Timestamp::from_microsecond(now).ok();
            let read = servers.into_iter().zip(announced).zip(lanes);
            for (look, ((server, announced), lanes)) in looks.sales.iter_mut().zip(read) {
                look.announced = match announced {
                    Ok(announced) => Some(announced),
                    Err(error) => {
                        looks.failures.push(error.to_string());
                        None
                    }
                };
                look.server = Some(server);
                look.lanes = Some(lanes);
            }
        }
        Err(error) => looks.failures.push(error.to_string()),
    }
    let ids: Vec<SaleId> = sales.iter().map(|sale| sale.id.clone()).collect();
    match timeout(LEDGER_PATIENCE, ledger.stocks(&ids)).await {
        Ok(Ok(mut stocks)) => {
            for (look, id) in looks.sales.iter_mut().zip(&ids) {
                let stock = stocks.remove(id).unwrap_or_default();
                look.pending = u64::try_from(stock.pending).ok();
                look.changed = stock.changed;
                look.ledger = Some(stock.levels);
                let unlisted = stock.unlisted.into_iter();
                look.unlisted = Some(unlisted.map(|level| level.product).collect());
            }
        }
        Ok(Err(error)) => looks.failures.push(error.to_string()),
        Err(_) => looks.failures.push("the ledger does not answer".to_owned()),
    }
    looks
}

type FromRedis = (
    i64,
    Vec<String>,
    Vec<Result<Option<Announced>, Unreadable>>,
    Vec<flashsale_domain::observation::SaleObservation>,
);

async fn look_at_redis(
    queue: &mut SharedConnection,
    sales: &[&Sale],
) -> redis::RedisResult<FromRedis> {
    // A server that was demoted still answers reads; a write leads on to the new primary.
    check_writable(queue).await?;
    let now = catalogue::clock(queue).await?;
    let ids: Vec<&SaleId> = sales.iter().map(|sale| &sale.id).collect();
    let servers = queue.server_ids(&ids).await?;
    let announced = catalogue::read_many(queue, &ids).await?;
    Ok((
        now,
        servers,
        announced,
        observation::observe_busy(queue, sales).await?,
    ))
}
