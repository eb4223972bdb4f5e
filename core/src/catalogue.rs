//! The sales in force, as Redis holds them: the whole schedule and every limit, so that opening
//! and closing need nobody at that moment.
//!
//! Hash `fs:{sale}`: `sale` is the checked [`Sale`] as JSON for gateways and workers; the other
//! fields are what the turnstile's script compares, in its units (microseconds).

use redis::{AsyncCommands, AsyncIter, Pipeline, RedisResult, ScanOptions};

use crate::{
    connect::Queue,
    id::SaleId,
    keys::{CHANGED, SALES, SaleKeys},
    lifecycle::Switches,
    sale::{Sale, Turnstile},
};

/// How many keys one round trip looks at, and how many one frees: few enough to hold up no buy of
/// another sale by more than a millisecond.
const FREE_CHUNK: usize = 1000;

/// A sale in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The sale.
    pub sale: Sale,
    /// Closed for good before its time.
    pub closing: bool,
}

impl Announced {
    /// What people decided about it.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            suspended: self.sale.suspended,
            closing: self.closing,
        }
    }
}

/// Why the catalogue could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Redis failed.
    #[error("the catalogue could not be reached in Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// The record is not one that this version writes.
    #[error("the record of a sale is not readable ({0}); announce the sale again")]
    Json(#[from] serde_json::Error),
}

/// Puts `sale` in force, or changes it. The products' stock must be told to Redis
/// ([`crate::stock::publish`]) before a buy can pass: a product without stock is unknown.
pub async fn announce(
    connection: &mut impl Queue,
    sale: &Sale,
    closing: bool,
) -> Result<(), CatalogueError> {
    let keys = SaleKeys::new(&sale.id);
    let mut pipe = redis::pipe();
    write_record(&mut pipe, &keys, sale, closing)?;
    pipe.cmd("SADD").arg(SALES).arg(sale.id.as_str()).ignore();
    pipe.cmd("PUBLISH")
        .arg(CHANGED)
        .arg(sale.id.as_str())
        .ignore();
    Ok(pipe.exec_async(connection).await?)
}

fn write_record(
    pipe: &mut Pipeline,
    keys: &SaleKeys,
    sale: &Sale,
    closing: bool,
) -> Result<(), CatalogueError> {
    let microseconds = |at: Option<jiff::Timestamp>| {
        at.map(|at| at.as_microsecond().to_string())
            .unwrap_or_default()
    };
    let (interval, tolerance) = rate_in_microseconds(&sale.turnstile);
    pipe.cmd("HSET")
        .arg(keys.record())
        .arg(&[("sale", serde_json::to_string(sale)?)])
        .arg(&[
            ("opensAt", microseconds(sale.schedule.opens_at)),
            ("closesAt", microseconds(sale.schedule.closes_at)),
            ("suspended", u8::from(sale.suspended).to_string()),
            ("closing", u8::from(closing).to_string()),
            ("interval", format!("{interval:.3}")),
            ("tolerance", format!("{tolerance:.3}")),
            ("maxDepth", sale.turnstile.max_queue_depth.to_string()),
        ])
        .ignore();
    Ok(())
}

/// Time that one request costs, and how much may be owed at once.
#[expect(
    clippy::cast_precision_loss,
    reason = "a window of a day is 2^37 microseconds"
)]
fn rate_in_microseconds(turnstile: &Turnstile) -> (f64, f64) {
    let rate = turnstile.rate_limit;
    let interval = rate.window.as_micros() as f64 / f64::from(rate.requests);
    (interval, interval * f64::from(rate.burst))
}

/// Closes intake for good, whatever the schedule says. False when the sale is not in force.
pub async fn close(connection: &mut impl Queue, sale: &SaleId) -> RedisResult<bool> {
    let keys = SaleKeys::new(sale);
    let known: bool = connection.exists(keys.record()).await?;
    if known {
        redis::pipe()
            .cmd("HSET")
            .arg(keys.record())
            .arg("closing")
            .arg(1)
            .ignore()
            .cmd("PUBLISH")
            .arg(CHANGED)
            .arg(sale.as_str())
            .ignore()
            .exec_async(connection)
            .await?;
    }
    Ok(known)
}

/// One sale in force.
pub async fn read(
    connection: &mut impl Queue,
    sale: &SaleId,
) -> Result<Option<Announced>, CatalogueError> {
    let fields: RecordFields = connection
        .hmget(SaleKeys::new(sale).record(), &["sale", "closing"])
        .await?;
    parse(fields)
}

/// Some sales in force, each in its place, in one round trip; none where a sale is not in force. A
/// record that this version cannot read is as good as none, since whoever keeps the sale writes it
/// anew; it is logged.
pub async fn read_many(
    connection: &mut impl Queue,
    sales: &[&SaleId],
) -> Result<Vec<Option<Announced>>, CatalogueError> {
    if sales.is_empty() {
        return Ok(Vec::new());
    }
    let records = fetch(connection, sales).await?;
    let read = sales.iter().zip(records);
    Ok(read
        .map(|(sale, fields)| parse_or_log(sale, fields))
        .collect())
}

async fn fetch(
    connection: &mut impl Queue,
    sales: &[&SaleId],
) -> Result<Vec<RecordFields>, CatalogueError> {
    let mut pipe = redis::pipe();
    for sale in sales {
        pipe.cmd("HMGET")
            .arg(SaleKeys::new(sale).record())
            .arg("sale")
            .arg("closing");
    }
    Ok(pipe.query_async(connection).await?)
}

/// The two fields of a record that are read back: the sale's JSON, and whether it is closing.
type RecordFields = (Option<String>, Option<u8>);

fn parse((json, closing): RecordFields) -> Result<Option<Announced>, CatalogueError> {
    json.map(|json| {
        Ok(Announced {
            sale: serde_json::from_str(&json)?,
            closing: closing == Some(1),
        })
    })
    .transpose()
}

/// All sales in force, by name, in two round trips. A record that this version cannot read is
/// logged and left out, so that one such sale does not stop the others.
pub async fn read_all(connection: &mut impl Queue) -> Result<Vec<Announced>, CatalogueError> {
    let mut names: Vec<String> = connection.smembers(SALES).await?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    names.sort_unstable();
    let ids: Vec<SaleId> = names
        .into_iter()
        .filter_map(|name| SaleId::new(name).ok())
        .collect();
    let sales = read_many(connection, &ids.iter().collect::<Vec<_>>()).await?;
    Ok(sales.into_iter().flatten().collect())
}

fn parse_or_log(sale: &SaleId, fields: RecordFields) -> Option<Announced> {
    parse(fields).unwrap_or_else(|error| {
        tracing::error!(%sale, %error, "cannot read sale {sale}: {error}");
        None
    })
}

/// Frees everything that the sale holds in Redis. The caller has drained its lanes.
pub async fn withdraw(connection: &mut (impl Queue + Clone), sale: &SaleId) -> RedisResult<()> {
    let keys = SaleKeys::new(sale);
    // The record goes first: from then on no buy can pass and leave a key behind.
    redis::pipe()
        .cmd("UNLINK")
        .arg(keys.record())
        .ignore()
        .cmd("SREM")
        .arg(SALES)
        .arg(sale.as_str())
        .ignore()
        .cmd("PUBLISH")
        .arg(CHANGED)
        .arg(sale.as_str())
        .ignore()
        .exec_async(connection)
        .await?;
    let mut writer = connection.clone();
    let all = ScanOptions::default()
        .with_pattern(keys.pattern())
        .with_count(FREE_CHUNK);
    let mut found: AsyncIter<'_, String> = connection.scan_options(all).await?;
    let mut chunk = Vec::with_capacity(FREE_CHUNK);
    while let Some(key) = found.next_item().await {
        chunk.push(key?);
        if chunk.len() == FREE_CHUNK {
            let () = writer.unlink(std::mem::take(&mut chunk)).await?;
        }
    }
    if !chunk.is_empty() {
        let () = writer.unlink(chunk).await?;
    }
    Ok(())
}

/// Redis's clock, in microseconds since the Unix epoch: the clock of every sale.
pub async fn clock(connection: &mut impl Queue) -> RedisResult<i64> {
    let (seconds, microseconds): (i64, i64) = redis::cmd("TIME").query_async(connection).await?;
    Ok(seconds * 1_000_000 + microseconds)
}
