//! One look at the lanes of many sales, in a few pipelines, which the control loop scales by and the
//! gateway's metrics show.

use std::collections::{HashMap, HashSet};

use flashsale_domain::{
    id::ProductId,
    observation::{LaneObservation, SaleObservation},
    sale::Sale,
    stock::KnownStock,
};
use redis::{ErrorKind, FromRedisValue, Pipeline, RedisResult, Value, streams::StreamRangeReply};

use crate::{
    connect::Queue,
    keys::{SALES, SaleKeys},
    lane, lease, stock,
};

/// Commands of one pipeline: under a millisecond of Redis's time.
const PIPELINE: usize = 1_000;

/// Looks at the lanes of `sales`. An error is an error: no depth is made up.
pub async fn observe(
    connection: &mut impl Queue,
    sales: &[&Sale],
) -> RedisResult<Vec<SaleObservation>> {
    let mut seen = depths(connection, sales).await?;
    look_closer(connection, &mut seen, |_| true).await?;
    Ok(seen)
}

/// The same, but only lanes with jobs are asked for their heads and drivers: a third of the commands
/// while most lanes are empty. An empty lane has neither then.
pub async fn observe_busy(
    connection: &mut impl Queue,
    sales: &[&Sale],
) -> RedisResult<Vec<SaleObservation>> {
    let mut seen = depths(connection, sales).await?;
    look_closer(connection, &mut seen, |lane| lane.depth > 0).await?;
    Ok(seen)
}

/// The lanes without their heads and drivers.
async fn depths(connection: &mut impl Queue, sales: &[&Sale]) -> RedisResult<Vec<SaleObservation>> {
    let mut pipes = Pipelines::new(connection);
    for sale in sales {
        let keys = SaleKeys::new(&sale.id);
        pipes.pipe.cmd("HGETALL").arg(keys.stock());
        pipes
            .pipe
            .cmd("HMGET")
            .arg(keys.record())
            .arg(crate::catalogue::WENT_BACK)
            .arg(crate::catalogue::OUTCOMES_OF);
        pipes.pipe.cmd("SISMEMBER").arg(SALES).arg(sale.id.as_str());
        pipes.pipe.cmd("XLEN").arg(keys.dead());
        if sale.payment.is_some() {
            pipes.pipe.cmd("GET").arg(keys.pending());
        }
        for product in sale.lanes() {
            pipes.pipe.cmd("XLEN").arg(keys.lane(product));
            pipes.send_if_full().await?;
        }
    }
    let mut values = pipes.finish().await?.into_iter();
    sales
        .iter()
        .map(|sale| read_sale(sale, &mut values))
        .collect()
}

/// Asks for the heads and drivers of the lanes that `is_asked` picks.
async fn look_closer(
    connection: &mut impl Queue,
    seen: &mut [SaleObservation],
    is_asked: impl Fn(&LaneObservation) -> bool,
) -> RedisResult<()> {
    let mut pipes = Pipelines::new(connection);
    let mut asked = Vec::new();
    for sale in seen {
        let keys = SaleKeys::new(&sale.sale);
        for lane in sale.lanes.iter_mut().filter(|lane| is_asked(lane)) {
            pipes
                .pipe
                .cmd("XRANGE")
                .arg(keys.lane(&lane.product))
                .arg("-")
                .arg("+")
                .arg("COUNT")
                .arg(1);
            pipes.pipe.cmd("GET").arg(keys.lease(&lane.product));
            asked.push(lane);
            pipes.send_if_full().await?;
        }
    }
    let mut values = pipes.finish().await?.into_iter();
    for lane in asked {
        let head: StreamRangeReply = next(&mut values)?;
        let head = head.ids.first();
        lane.oldest_ms = head.and_then(|entry| lane::appended_ms(&entry.id));
        let owner = next::<Option<String>>(&mut values)?;
        lane.driver = owner.map(|owner| lease::worker(&owner).to_owned());
    }
    Ok(())
}

/// Many commands, sent as pipelines of a bounded length. One for all of them would keep the buys behind
/// it waiting, and would not be answered in time where there are tens of thousands.
struct Pipelines<'a, C> {
    connection: &'a mut C,
    /// What is not sent yet.
    pipe: Pipeline,
    answers: Vec<Value>,
}

impl<'a, C: Queue> Pipelines<'a, C> {
    fn new(connection: &'a mut C) -> Self {
        Self {
            connection,
            pipe: redis::pipe(),
            answers: Vec::new(),
        }
    }

    async fn send_if_full(&mut self) -> RedisResult<()> {
        if self.pipe.len() >= PIPELINE {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> RedisResult<()> {
        let pipe = std::mem::take(&mut self.pipe);
        let answers: Vec<Value> = pipe.query_async(self.connection).await?;
        self.answers.extend(answers);
        Ok(())
    }

    /// The answers to all commands, in their order.
    async fn finish(mut self) -> RedisResult<Vec<Value>> {
        if !self.pipe.is_empty() {
            self.send().await?;
        }
        Ok(self.answers)
    }
}

fn next<T: FromRedisValue>(values: &mut impl Iterator<Item = Value>) -> RedisResult<T> {
    let too_few = "a pipeline has fewer answers than commands";
    let value = values
        .next()
        .ok_or((ErrorKind::UnexpectedReturnType, too_few))?;
    Ok(T::from_redis_value(value)?)
}

fn strays(sale: &Sale, stock: &HashMap<ProductId, KnownStock>) -> Vec<ProductId> {
    let offered: HashSet<&ProductId> = sale.products.iter().map(|product| &product.id).collect();
    let buyable = stock.iter().filter(|(_, known)| known.stock.is_some());
    let mut strays: Vec<ProductId> = buyable
        .filter(|(id, _)| !offered.contains(id))
        .map(|(id, _)| id.clone())
        .collect();
    strays.sort_unstable();
    strays
}

fn read_sale(
    sale: &Sale,
    values: &mut impl Iterator<Item = Value>,
) -> RedisResult<SaleObservation> {
    let fields: HashMap<String, i64> = next(values)?;
    let stock = stock::parse(&fields);
    let (went_back_ms, outcomes_of) = next(values)?;
    let is_listed = next(values)?;
    let dead = next(values)?;
    let pending = match sale.payment {
        Some(_) => next(values)?,
        None => Some(0),
    };
    let mut lanes = Vec::with_capacity(sale.products.len() + sale.retired.len());
    for (position, product) in sale.lanes().enumerate() {
        lanes.push(LaneObservation {
            product: product.clone(),
            is_retired: position >= sale.products.len(),
            depth: next(values)?,
            oldest_ms: None,
            driver: None,
            stock: stock.get(product).copied().unwrap_or_default(),
        });
    }
    Ok(SaleObservation {
        sale: sale.id.clone(),
        is_listed,
        lanes,
        strays: strays(sale, &stock),
        dead,
        pending,
        last_order: fields.get(stock::LAST_ORDER).copied(),
        went_back_ms,
        outcomes_of,
    })
}
