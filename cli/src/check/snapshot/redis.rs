//! What Redis holds of a sale.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
};

use ::redis::{AsyncCommands, RedisResult};
use flashsale_audit::{letters, records::Walk, waiting};
use flashsale_domain::{
    id::{ProductId, SaleId},
    outcome::{JobRecord, JobState},
};
use flashsale_queue::{
    connect::Queue,
    keys::{SALES, SaleKeys},
};
use uuid::Uuid;

use crate::{
    check::stores::{KnownStock, Record, RedisSale},
    load::record::wide,
};

/// Keys that one call looks at: a few milliseconds in which Redis does nothing else.
const SCAN_COUNT: usize = 2_000;

pub(super) async fn read(
    connection: &mut impl Queue,
    sale: &SaleId,
    products: &[String],
) -> RedisResult<RedisSale> {
    let keys = SaleKeys::new(sale);
    let present = scan(connection, &keys.pattern()).await?;
    let lanes = lanes(connection, &keys, products, &present).await?;
    let (records, unreadable) = records(connection, &keys).await?;
    let letters = letters::read(connection, &keys).await?;
    let stock = stock(connection, &keys).await?;
    let in_force: bool = connection.exists(keys.record()).await?;
    let registered: bool = connection.sismember(SALES, sale.as_str()).await?;
    let left_over = if in_force {
        Vec::new()
    } else {
        lasting(connection, present).await?
    };
    Ok(RedisSale {
        in_force,
        registered,
        left_over,
        lanes,
        records,
        unreadable,
        letters,
        stock,
    })
}

/// The keys that match.
async fn scan(connection: &mut impl Queue, pattern: &str) -> RedisResult<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = ::redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(SCAN_COUNT)
            .query_async(connection)
            .await?;
        found.extend(keys);
        if next == 0 {
            return Ok(found);
        }
        cursor = next;
    }
}

/// Those of `keys` that are still there and do not go by themselves.
async fn lasting(connection: &mut impl Queue, keys: BTreeSet<String>) -> RedisResult<Vec<String>> {
    let mut lasting = Vec::new();
    for key in keys {
        // -2: not there; -1: no time to live.
        let left: i64 = connection.pttl(&key).await?;
        if left == -1 {
            lasting.push(key);
        }
    }
    Ok(lasting)
}

/// The jobs that wait, with their product: in the lanes of the products that are known, and in
/// every lane that there is.
async fn lanes(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    products: &[String],
    present: &BTreeSet<String>,
) -> RedisResult<HashMap<Uuid, String>> {
    let prefix = format!("{}:lane:", keys.record());
    let there = present.iter().filter_map(|key| key.strip_prefix(&prefix));
    let products: BTreeSet<&str> = products.iter().map(String::as_str).chain(there).collect();
    let mut found = HashMap::new();
    for product in products {
        let Ok(id) = ProductId::new(product) else {
            continue;
        };
        let meet = |job| {
            found.insert(job, product.to_owned());
            ControlFlow::Continue(())
        };
        waiting::walk(connection, &keys.lane(&id), meet).await?;
    }
    Ok(found)
}

/// The records, and the fields that are none.
async fn records(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<(HashMap<Uuid, Record>, Vec<String>)> {
    let (mut records, mut unreadable) = (HashMap::new(), Vec::new());
    let mut walk = Walk::of(keys);
    while let Some(chunk) = walk.next(connection).await? {
        let readable = chunk.records.iter();
        records.extend(readable.map(|(job, record)| (*job, plain(record))));
        unreadable.extend(chunk.unreadable);
    }
    Ok((records, unreadable))
}

fn plain(record: &JobRecord) -> Record {
    let (outcome, order) = match record.state {
        JobState::Queued { .. } => (None, None),
        JobState::Final { outcome, order_id } => (Some(outcome), order_id.map(wide)),
    };
    Record {
        outcome,
        order,
        product: record.product_id.to_string(),
        user: record.user_id.to_string(),
    }
}

/// Stock and version of each product whose stock was told, as they stand there: what the queue would not take
/// for a stock is for the judge to see.
async fn stock(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<BTreeMap<String, KnownStock>> {
    let fields: HashMap<String, String> = connection.hgetall(keys.stock()).await?;
    let number = |field: &str| fields.get(field)?.parse::<i64>().ok();
    let products = fields.keys().filter_map(|field| field.strip_suffix('@'));
    let known = products.filter_map(|product| {
        let known = KnownStock {
            stock: number(product)?,
            version: number(&format!("{product}@"))?,
        };
        Some((product.to_owned(), known))
    });
    Ok(known.collect())
}
