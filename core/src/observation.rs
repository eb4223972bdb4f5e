//! One look at the lanes of many sales, in a few pipelines, which the control loop scales by and the
//! gateway's metrics show.

use std::collections::{HashMap, HashSet};

use redis::{FromRedisValue, Pipeline, RedisResult, Value, streams::StreamRangeReply};

use crate::{
    connect::Queue,
    id::{ProductId, SaleId},
    keys::{SALES, SaleKeys},
    lane, lease, recovery,
    sale::Sale,
    scaling::Demand,
    stock::{self, KnownStock},
};

/// Commands of one pipeline: under a millisecond of Redis's time.
const PIPELINE: usize = 1_000;

/// A sale's lanes as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleObservation {
    /// The sale.
    pub sale: SaleId,
    /// Whether `fs:sales` lists it, without which nobody finds its record.
    pub is_listed: bool,
    /// Its lanes, in the order of [`Sale::lanes`].
    pub lanes: Vec<LaneObservation>,
    /// Dead letters.
    pub dead: u64,
    /// The greatest order number that a shopper of the sale was told; none before the first order.
    pub last_order: Option<i64>,
    /// Products that Redis has a stock of, so that they could be bought, and that the sale does not
    /// offer.
    pub strays: Vec<ProductId>,
    /// When the ledger was seen to have gone back, in milliseconds since the Unix epoch; none once
    /// `flashsale repair` has settled what it lost.
    pub went_back_ms: Option<i64>,
    /// The Redis server that was given every outcome of the ledger ([`crate::connect::server_id`]); none
    /// in a sale that was just announced, or that Redis has lost.
    pub outcomes_of: Option<String>,
}

/// A lane as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneObservation {
    /// Its product.
    pub product: ProductId,
    /// Whether the product was taken out of the sale.
    pub is_retired: bool,
    /// Jobs in it, waiting or being settled.
    pub depth: u64,
    /// When its oldest job was appended, in milliseconds since the Unix epoch.
    pub oldest_ms: Option<i64>,
    /// The worker that drives it.
    pub driver: Option<String>,
    /// What Redis knows of its stock.
    pub stock: KnownStock,
}

impl SaleObservation {
    /// Jobs over all lanes.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.depth).sum()
    }

    /// The lane of `product`, if it is one of the sale's.
    #[must_use]
    pub fn lane(&self, product: &ProductId) -> Option<&LaneObservation> {
        self.lanes.iter().find(|lane| lane.product == *product)
    }

    /// The lanes by their products, for whoever looks many of them up.
    #[must_use]
    pub fn by_product(&self) -> HashMap<&ProductId, &LaneObservation> {
        let lanes = self.lanes.iter();
        lanes.map(|lane| (&lane.product, lane)).collect()
    }

    /// Units left over all products on offer; none as long as one product's stock is not known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        let offered = self.lanes.iter().filter(|lane| !lane.is_retired);
        offered
            .map(|lane| u64::try_from(lane.stock.stock?).ok())
            .sum()
    }

    /// What the lanes ask of the scaling rules.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let busy = self.lanes.iter().filter(|lane| lane.depth > 0).count();
        Demand {
            depth: self.depth(),
            busy_lanes: u32::try_from(busy).unwrap_or(u32::MAX),
        }
    }
}

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
            .arg(recovery::WENT_BACK)
            .arg(recovery::OUTCOMES_OF);
        pipes.pipe.cmd("SISMEMBER").arg(SALES).arg(sale.id.as_str());
        pipes.pipe.cmd("XLEN").arg(keys.dead());
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
    Ok(T::from_redis_value(values.next().unwrap_or(Value::Nil))?)
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
        last_order: fields.get(stock::LAST_ORDER).copied(),
        went_back_ms,
        outcomes_of,
    })
}
