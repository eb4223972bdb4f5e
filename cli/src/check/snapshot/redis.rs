//! What Redis holds of a sale.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ::redis::{AsyncCommands, RedisResult};
use flashsale_domain::{
    id::{ProductId, SaleId},
    outcome::{JobRecord, JobState},
};
use flashsale_queue::{
    connect::Queue,
    dead_letter,
    keys::{SALES, SaleKeys},
    lane,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    check::stores::{KnownStock, Letter, Record, RedisSale},
    load::record::wide,
};

/// Keys or records that one call looks at: a few milliseconds in which Redis does nothing else.
const SCAN_COUNT: usize = 2_000;

/// Entries read in one call.
const READ_COUNT: usize = 1_000;

/// The one field of a job that matters here; the rest of it may be malformed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    job_id: Uuid,
}

pub(super) async fn read(
    connection: &mut impl Queue,
    sale: &SaleId,
    products: &[String],
) -> RedisResult<RedisSale> {
    let keys = SaleKeys::new(sale);
    let present = scan(connection, &keys.pattern()).await?;
    let lanes = lanes(connection, &keys, products, &present).await?;
    let (records, unreadable) = records(connection, &keys.jobs()).await?;
    let letters = letters(connection, &keys).await?;
    let stock = stock(connection, &keys.stock()).await?;
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
    let mut waiting = HashMap::new();
    for product in products {
        let Ok(id) = ProductId::new(product) else {
            continue;
        };
        let lane = keys.lane(&id);
        let mut after = lane::HEAD.to_owned();
        loop {
            let entries = lane::read(connection, &lane, &after, READ_COUNT).await?;
            let Some(last) = entries.last() else { break };
            after.clone_from(&last.id);
            for entry in &entries {
                let job = entry.job.as_deref().unwrap_or_default();
                if let Ok(named) = serde_json::from_slice::<Named>(job) {
                    waiting.insert(named.job_id, product.to_owned());
                }
            }
        }
    }
    Ok(waiting)
}

/// The records, and the fields that are none.
async fn records(
    connection: &mut impl Queue,
    jobs_key: &str,
) -> RedisResult<(HashMap<Uuid, Record>, Vec<String>)> {
    let mut records = HashMap::new();
    let mut unreadable = Vec::new();
    let mut cursor = 0_u64;
    loop {
        let (next, fields): (u64, Vec<(String, String)>) = ::redis::cmd("HSCAN")
            .arg(jobs_key)
            .arg(cursor)
            .arg("COUNT")
            .arg(SCAN_COUNT)
            .query_async(connection)
            .await?;
        for (job, text) in fields {
            match (Uuid::try_parse(&job), text.parse::<JobRecord>()) {
                (Ok(job), Ok(record)) => {
                    records.insert(job, plain(&record));
                }
                _ => unreadable.push(format!("{job} = {text:?}")),
            }
        }
        if next == 0 {
            return Ok((records, unreadable));
        }
        cursor = next;
    }
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

async fn letters(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<HashMap<Uuid, Letter>> {
    let jobs = dead_letter::jobs(connection, keys).await?.into_iter();
    let named = jobs.map(|(id, job)| {
        let letter = Letter {
            id,
            user: job.data.user_id.to_string(),
            key: job.data.idempotency_key.to_string(),
        };
        (job.job_id.0, letter)
    });
    Ok(named.collect())
}

/// Stock and version of each product: the fields `PRODUCT` and `PRODUCT@`.
async fn stock(
    connection: &mut impl Queue,
    stock_key: &str,
) -> RedisResult<BTreeMap<String, KnownStock>> {
    let fields: HashMap<String, String> = connection.hgetall(stock_key).await?;
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
