//! Reading what the pulse decides by. Redis and PostgreSQL are asked at the same time, and each can
//! fail by itself; what could not be read is an error and never a zero.

use std::time::{Duration, Instant};

use flashsale_domain::{
    control::Look, id::SaleId, lifecycle::Announced, observation::SaleObservation, sale::Sale,
};
use flashsale_ledger::SaleStock;
use flashsale_queue::{
    catalogue::{self, Unreadable},
    connect::check_writable,
    observation,
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use crate::stores::Stores;

/// How long the ledger may take; the pulse comes round every second, and scaling must not wait.
const LEDGER_PATIENCE: Duration = Duration::from_millis(500);

/// How long a ledger that did not answer may take to say why, for the message: a refusal comes at once.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(100);

/// How long Redis may take over all its answers.
const QUEUE_PATIENCE: Duration = Duration::from_millis(1_500);

/// One look at all due sales of one pair of stores.
#[derive(Debug)]
pub(super) struct Looks {
    /// When it began.
    pub(super) started: Instant,
    /// What was read of each sale, in their order.
    pub(super) sales: Vec<Seen>,
    /// Why Redis could not be read, if it could not.
    pub(super) queue_error: Option<String>,
    /// Why PostgreSQL could not be read, if it could not.
    pub(super) ledger_error: Option<String>,
    /// By how much Redis's clock is ahead of ours.
    pub(super) clock_ahead: Option<SignedDuration>,
}

/// What was read of one sale.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) look: Look,
    /// What the ledger holds of it; none when that could not be read.
    pub(super) stock: Option<SaleStock>,
    /// Why its record could not be read although Redis answered.
    pub(super) unreadable: Option<String>,
}

/// Looks at the sales whose records shall be these.
pub(super) async fn look(stores: &Stores, records: &[Announced]) -> Looks {
    let started = Instant::now();
    let sales: Vec<&Sale> = records.iter().map(|record| &record.sale).collect();
    let ids: Vec<SaleId> = sales.iter().map(|sale| sale.id.clone()).collect();
    let (queue, ledger) = tokio::join!(
        timeout(QUEUE_PATIENCE, look_at_queue(stores, records, &sales)),
        timeout(LEDGER_PATIENCE, stores.ledger.stocks(&ids)),
    );
    let mut looks = Looks {
        started,
        sales: sales.iter().map(|_| Seen::default()).collect(),
        queue_error: None,
        ledger_error: None,
        clock_ahead: None,
    };
    match queue {
        Ok(Ok(read)) => looks.take_queue(read),
        Ok(Err(error)) => looks.queue_error = Some(error.to_string()),
        Err(_) => {
            looks.queue_error = Some(format!("Redis did not answer within {QUEUE_PATIENCE:?}"));
        }
    }
    match ledger {
        Ok(Ok(mut stocks)) => {
            for (seen, id) in looks.sales.iter_mut().zip(&ids) {
                let stock = stocks.remove(id).unwrap_or_default();
                seen.look.pending = u64::try_from(stock.pending).ok();
                seen.look.changed.clone_from(&stock.changed);
                seen.look.ledger = Some(stock.levels.clone());
                let unlisted = stock.unlisted.iter().map(|level| level.product.clone());
                seen.look.unlisted = Some(unlisted.collect());
                seen.stock = Some(stock);
            }
        }
        Ok(Err(error)) => looks.ledger_error = Some(error.to_string()),
        Err(_) => {
            let refusal = stores.ledger.refusal(REFUSAL_PATIENCE).await;
            looks.ledger_error = Some(refusal.unwrap_or_else(|| {
                format!("PostgreSQL did not answer within {LEDGER_PATIENCE:?}")
            }));
        }
    }
    looks
}

impl Looks {
    fn take_queue(&mut self, (clock, servers, announced, lanes): FromQueue) {
        let clock = Timestamp::from_microsecond(clock).ok();
        self.clock_ahead = clock.map(|clock| clock.duration_since(Timestamp::now()));
        let read = servers.into_iter().zip(announced).zip(lanes);
        for (seen, ((server, announced), lanes)) in self.sales.iter_mut().zip(read) {
            match announced {
                Ok(announced) => seen.look.announced = Some(announced),
                Err(error) => seen.unreadable = Some(error.to_string()),
            }
            seen.look.server = Some(server);
            seen.look.lanes = Some(lanes);
        }
    }
}

/// Redis's clock in microseconds, its servers, the records in force, and the lanes.
type FromQueue = (
    i64,
    Vec<String>,
    Vec<Result<Option<Announced>, Unreadable>>,
    Vec<SaleObservation>,
);

async fn look_at_queue(
    stores: &Stores,
    records: &[Announced],
    sales: &[&Sale],
) -> redis::RedisResult<FromQueue> {
    let records: Vec<&Announced> = records.iter().collect();
    let ids: Vec<&SaleId> = sales.iter().map(|sale| &sale.id).collect();
    let (mut one, mut two) = (stores.queue.clone(), stores.queue.clone());
    // A server that was demoted still answers reads; a write leads on to the new primary.
    check_writable(&mut one).await?;
    let (clock, servers, announced) = tokio::try_join!(
        catalogue::clock(&mut one),
        stores.queue.server_ids(&ids),
        catalogue::read_expected(&mut two, &records),
    )?;
    // Surely after the records: a lane that is empty once its sale was seen closed stays empty.
    let lanes = observation::observe_busy(&mut one, sales).await?;
    Ok((clock, servers, announced, lanes))
}
