//! One look at the lanes of many sales: a single pipelined read, which the control loop scales
//! by and the gateway's metrics show.

use std::collections::HashMap;

use redis::{FromRedisValue, RedisResult, Value, streams::StreamRangeReply};

use crate::{
    connect::Queue,
    id::{ProductId, SaleId},
    keys::SaleKeys,
    lane,
    sale::Sale,
    scaling::Demand,
    stock::{self, KnownStock},
};

/// A sale's lanes as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleObservation {
    /// The sale.
    pub sale: SaleId,
    /// Its lanes, in the order of its products.
    pub lanes: Vec<LaneObservation>,
    /// Dead letters.
    pub dead: u64,
}

/// A lane as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneObservation {
    /// Its product.
    pub product: ProductId,
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

    /// Units left over all products; none as long as one product's stock is not known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.lanes
            .iter()
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

/// Looks at the lanes of `sales` in one round trip. An error is an error: no depth is made up.
pub async fn observe(
    connection: &mut impl Queue,
    sales: &[&Sale],
) -> RedisResult<Vec<SaleObservation>> {
    if sales.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = redis::pipe();
    for sale in sales {
        let keys = SaleKeys::new(&sale.id);
        pipe.cmd("HGETALL").arg(keys.stock());
        pipe.cmd("XLEN").arg(keys.dead());
        for product in &sale.products {
            let lane = keys.lane(&product.id);
            pipe.cmd("XLEN").arg(&lane);
            pipe.cmd("XRANGE")
                .arg(&lane)
                .arg("-")
                .arg("+")
                .arg("COUNT")
                .arg(1);
            pipe.cmd("GET").arg(keys.lease(&product.id));
        }
    }
    let mut values = pipe
        .query_async::<Vec<Value>>(connection)
        .await?
        .into_iter();
    sales
        .iter()
        .map(|sale| read_sale(sale, &mut values))
        .collect()
}

fn next<T: FromRedisValue>(values: &mut impl Iterator<Item = Value>) -> RedisResult<T> {
    Ok(T::from_redis_value(values.next().unwrap_or(Value::Nil))?)
}

fn read_sale(
    sale: &Sale,
    values: &mut impl Iterator<Item = Value>,
) -> RedisResult<SaleObservation> {
    let fields: HashMap<String, i64> = next(values)?;
    let stock = stock::parse(&fields);
    let dead = next(values)?;
    let mut lanes = Vec::with_capacity(sale.products.len());
    for product in &sale.products {
        let depth = next(values)?;
        let head: StreamRangeReply = next(values)?;
        lanes.push(LaneObservation {
            product: product.id.clone(),
            depth,
            oldest_ms: head
                .ids
                .first()
                .and_then(|entry| lane::appended_ms(&entry.id)),
            driver: next(values)?,
            stock: stock.get(&product.id).copied().unwrap_or_default(),
        });
    }
    Ok(SaleObservation {
        sale: sale.id.clone(),
        lanes,
        dead,
    })
}
