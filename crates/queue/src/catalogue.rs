//! The sales in force, as Redis holds them: the whole schedule and every limit, so that opening
//! and closing need nobody at that moment.
//!
//! Hash `fs:{sale}`: `sale` is the checked [`Sale`] as JSON for gateways and workers, with the number
//! of its [`FORMAT`]; the other fields are what the turnstile's script compares, in its units
//! (microseconds).

use std::{io, sync::LazyLock, time::Duration};

use flashsale_domain::{
    id::SaleId,
    lifecycle::Announced,
    sale::{Sale, Turnstile},
};
use redis::{AsyncCommands, AsyncIter, RedisResult, ScanOptions, Script};
use serde::{Deserialize, Serialize};

use crate::{
    connect::Queue,
    keys::{CHANGED, SALES, SaleKeys, channel},
};

/// How many keys one round trip looks at, and how many one frees: few enough to hold up no buy of
/// another sale by more than a millisecond.
const FREE_CHUNK: usize = 1000;

/// How long a withdrawal is remembered: longer than any process that keeps sales could be paused and
/// go on as if nothing had happened.
const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// Field of a sale's record: the Redis server (its `run_id`) that has every outcome the ledger had
/// decided when it began. A server that was restarted or replaced may have lost some.
pub const OUTCOMES_OF: &str = "outcomesOf";

/// Field of a sale's record: when its ledger was seen to have gone back, in milliseconds since the
/// Unix epoch. `flashsale repair` takes it away.
pub const WENT_BACK: &str = "wentBack";

/// The format of the records that this release writes, and the highest that it reads. It is raised when
/// a release that does not know the new form would misread it; docs/versions.md says how. Records
/// without a number have the first format, since the first release wrote none.
pub const FORMAT: u32 = 1;

/// Why the catalogue could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Redis failed.
    #[error("the catalogue could not be reached in Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// The record cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The record could not be made.
    #[error("the record of the sale could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why this release cannot read the record of a sale.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No release up to this one writes such a record, and a later one may. It stays as it is.
    #[error(
        "the record of the sale is not readable ({0}); unless a later release keeps this sale, remove \
         the field `sale` of its key in Redis (HDEL): it is written again then"
    )]
    Json(#[from] serde_json::Error),
    /// A later release wrote it, and may mean something else by the same fields. It stays as it is.
    #[error(
        "the record of the sale has format {0}, and this release reads formats up to {FORMAT}: a later \
         release keeps this sale; run that one, or the one before it"
    )]
    Newer(u32),
}

/// The field of a record's JSON that says how to read the others.
#[derive(Debug, Deserialize)]
struct Format {
    format: Option<u32>,
}

/// A record's JSON.
#[derive(Debug, Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    sale: &'a Sale,
}

impl<'a> Written<'a> {
    fn of(sale: &'a Sale) -> Self {
        Self {
            format: FORMAT,
            sale,
        }
    }
}

/// All records in Redis.
#[derive(Debug, Default)]
pub struct Records {
    /// Sales in force, by name.
    pub announced: Vec<Announced>,
    /// Sales whose records this release cannot read, by name. Whoever knows such a sale from an
    /// earlier look goes on with what it knew.
    pub unreadable: Vec<SaleId>,
}

/// Which sale of this name: it changes whenever one of the name is withdrawn. Whoever keeps a sale in
/// force asks for it before it is put in force for the first time, so that it cannot bring the sale
/// back after somebody else withdrew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(i64);

/// The present generation of the name `sale`.
pub async fn generation(connection: &mut impl Queue, sale: &SaleId) -> RedisResult<Generation> {
    let withdrawn: Option<i64> = connection.get(SaleKeys::new(sale).withdrawn()).await?;
    Ok(Generation(withdrawn.unwrap_or(0)))
}

/// KEYS: the record, the withdrawal, the stock. ARGV: id, channel, generation (empty: any), then fields
/// and values.
const ANNOUNCE: &str = r"
if ARGV[3] ~= '' then
  local withdrawn = redis.call('GET', KEYS[2])
  if withdrawn and tonumber(withdrawn) > tonumber(ARGV[3]) then
    -- The stock was told before the sale.
    if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('UNLINK', KEYS[3]) end
    return 0
  end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('PUBLISH', ARGV[2], ARGV[1])
return 1";

static ANNOUNCE_SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(ANNOUNCE));

/// Puts `sale` in force, or changes it, wholly or not at all. When it fails, the name may be listed
/// without a record, which readers skip. The products' stock must be told to Redis
/// ([`crate::stock::publish`]) before a buy can pass: a product without stock is unknown.
pub async fn announce(
    connection: &mut impl Queue,
    sale: &Sale,
    closing: bool,
) -> Result<(), CatalogueError> {
    write_record(connection, sale, closing, None).await?;
    Ok(())
}

/// Like [`announce`], unless a sale of this name was withdrawn since it was of `generation`: then
/// nothing is changed, and this answers false.
pub async fn announce_unless_withdrawn(
    connection: &mut impl Queue,
    sale: &Sale,
    closing: bool,
    generation: Generation,
) -> Result<bool, CatalogueError> {
    write_record(connection, sale, closing, Some(generation)).await
}

async fn write_record(
    connection: &mut impl Queue,
    sale: &Sale,
    closing: bool,
    generation: Option<Generation>,
) -> Result<bool, CatalogueError> {
    let keys = SaleKeys::new(&sale.id);
    let microseconds = |at: Option<jiff::Timestamp>| {
        at.map(|at| at.as_microsecond().to_string())
            .unwrap_or_default()
    };
    let (interval, tolerance) = rate_in_microseconds(&sale.turnstile);
    // The name is listed before the record is written: nobody would find a record that is not listed,
    // while readers skip a name without a record. A record that the script would refuse is not listed
    // either, unless the sale is withdrawn at this very moment.
    let is_outdated = match generation {
        Some(mine) => self::generation(connection, &sale.id).await?.0 > mine.0,
        None => false,
    };
    if !is_outdated {
        let () = connection.sadd(SALES, sale.id.as_str()).await?;
    }
    let generation = generation.map(|Generation(number)| number.to_string());
    let written = ANNOUNCE_SCRIPT
        .key(keys.record())
        .key(keys.withdrawn())
        .key(keys.stock())
        .arg(sale.id.as_str())
        .arg(channel(CHANGED, connection.get_db()).as_ref())
        .arg(generation.unwrap_or_default())
        .arg(&[("sale", record_json(sale)?)])
        .arg(&[
            ("opensAt", microseconds(sale.schedule.opens_at)),
            ("closesAt", microseconds(sale.schedule.closes_at)),
            ("suspended", u8::from(sale.suspended).to_string()),
            ("closing", u8::from(closing).to_string()),
            ("interval", format!("{interval:.3}")),
            ("tolerance", format!("{tolerance:.3}")),
            ("maxDepth", sale.turnstile.max_queue_depth.to_string()),
        ])
        .invoke_async(connection)
        .await?;
    Ok(written)
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

/// KEYS: the record. ARGV: id, channel.
const CLOSE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'closing', 1)
redis.call('PUBLISH', ARGV[2], ARGV[1])
return 1";

/// Closes intake for good, whatever the schedule says. False when the sale is not in force.
pub async fn close(connection: &mut impl Queue, sale: &SaleId) -> RedisResult<bool> {
    Script::new(CLOSE)
        .key(SaleKeys::new(sale).record())
        .arg(sale.as_str())
        .arg(channel(CHANGED, connection.get_db()).as_ref())
        .invoke_async(connection)
        .await
}

/// One sale in force.
pub async fn read(
    connection: &mut impl Queue,
    sale: &SaleId,
) -> Result<Option<Announced>, CatalogueError> {
    let fields: RecordFields = connection
        .hmget(SaleKeys::new(sale).record(), &["sale", "closing"])
        .await?;
    Ok(parse(fields)?)
}

/// Some sales in force, each in its place, in one round trip; none where a sale is not in force.
pub async fn read_many(
    connection: &mut impl Queue,
    sales: &[&SaleId],
) -> RedisResult<Vec<Result<Option<Announced>, Unreadable>>> {
    if sales.is_empty() {
        return Ok(Vec::new());
    }
    let records = fetch(connection, sales).await?;
    Ok(records.into_iter().map(parse).collect())
}

/// Like [`read_many`], where each sale is expected to be in force as in `expected`: a record that is
/// is compared as text and not parsed.
pub async fn read_expected(
    connection: &mut impl Queue,
    expected: &[&Announced],
) -> RedisResult<Vec<Result<Option<Announced>, Unreadable>>> {
    if expected.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&SaleId> = expected.iter().map(|record| &record.sale.id).collect();
    let records = fetch(connection, &ids).await?;
    let read = expected.iter().zip(records);
    Ok(read
        .map(|(expected, fields)| {
            if is_text_of(expected, &fields) {
                Ok(Some((*expected).clone()))
            } else {
                parse(fields)
            }
        })
        .collect())
}

/// Whether a record is the one that `announced` is written as.
fn is_text_of(announced: &Announced, (json, closing): &RecordFields) -> bool {
    let is_closing = *closing == Some(1);
    let is_text = |json: &String| {
        let mut rest = Expected(json.as_bytes());
        serde_json::to_writer(&mut rest, &Written::of(&announced.sale)).is_ok() && rest.0.is_empty()
    };
    is_closing == announced.closing && json.as_ref().is_some_and(is_text)
}

/// What is still to be written; a write of anything else fails.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let rest = self.0.strip_prefix(written);
        self.0 = rest.ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn fetch(connection: &mut impl Queue, sales: &[&SaleId]) -> RedisResult<Vec<RecordFields>> {
    let mut pipe = redis::pipe();
    for sale in sales {
        pipe.cmd("HMGET")
            .arg(SaleKeys::new(sale).record())
            .arg("sale")
            .arg("closing");
    }
    pipe.query_async(connection).await
}

/// The two fields of a record that are read back: the sale's JSON, and whether it is closing.
type RecordFields = (Option<String>, Option<u8>);

fn parse((json, closing): RecordFields) -> Result<Option<Announced>, Unreadable> {
    json.map(|json| {
        // By itself: what else a later format has may not even look like a sale.
        let written: Format = serde_json::from_str(&json)?;
        if let Some(format) = written.format.filter(|format| *format > FORMAT) {
            return Err(Unreadable::Newer(format));
        }
        Ok(Announced {
            sale: serde_json::from_str(&json)?,
            closing: closing == Some(1),
        })
    })
    .transpose()
}

fn record_json(sale: &Sale) -> serde_json::Result<String> {
    serde_json::to_string(&Written::of(sale))
}

/// All records, in two round trips. One that cannot be read is logged, and does not stop the others.
pub async fn read_all(connection: &mut impl Queue) -> RedisResult<Records> {
    let ids = names(connection).await?;
    let read = read_many(connection, &ids.iter().collect::<Vec<_>>()).await?;
    let mut records = Records::default();
    for (sale, record) in ids.into_iter().zip(read) {
        match record {
            Ok(announced) => records.announced.extend(announced),
            Err(error) => {
                tracing::error!(%sale, %error, "cannot read sale {sale}: {error}");
                records.unreadable.push(sale);
            }
        }
    }
    Ok(records)
}

/// The names of all sales that Redis knows, in alphabetical order, whether or not this version can
/// read their records.
pub async fn names(connection: &mut impl Queue) -> RedisResult<Vec<SaleId>> {
    let mut names: Vec<String> = connection.smembers(SALES).await?;
    names.sort_unstable();
    let ids = names.into_iter();
    Ok(ids.filter_map(|name| SaleId::new(name).ok()).collect())
}

/// KEYS: the record, the withdrawal. ARGV: id, channel, milliseconds that a withdrawal is remembered
/// for. Its number is its time in microseconds, and always greater than the previous one.
const WITHDRAW: &str = r"#!lua flags=allow-oom
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before = tonumber(redis.call('GET', KEYS[2]) or 0)
redis.call('UNLINK', KEYS[1])
redis.call('SET', KEYS[2], string.format('%.0f', math.max(now, before + 1)), 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[2], ARGV[1])";

/// Frees everything that the sale holds in Redis, but the number of the withdrawal, which goes by
/// itself. The caller has drained its lanes.
pub async fn withdraw(connection: &mut (impl Queue + Clone), sale: &SaleId) -> RedisResult<()> {
    let keys = SaleKeys::new(sale);
    // The record goes first: from then on no buy can pass and leave a key behind.
    let () = Script::new(WITHDRAW)
        .key(keys.record())
        .key(keys.withdrawn())
        .arg(sale.as_str())
        .arg(channel(CHANGED, connection.get_db()).as_ref())
        .arg(REMEMBERED_FOR.as_millis().to_string())
        .invoke_async(connection)
        .await?;
    let () = connection.srem(SALES, sale.as_str()).await?;
    let (mut writer, withdrawal) = (connection.clone(), keys.withdrawn());
    let all = ScanOptions::default()
        .with_pattern(keys.pattern())
        .with_count(FREE_CHUNK);
    let mut found: AsyncIter<'_, String> = connection.scan_options(all).await?;
    let mut chunk = Vec::with_capacity(FREE_CHUNK);
    while let Some(key) = found.next_item().await {
        let key = key?;
        if key == withdrawal {
            continue;
        }
        chunk.push(key);
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use flashsale_domain::sale::{spec::FlashSaleSpec, validation::check_spec};

    fn sale() -> Sale {
        let spec: FlashSaleSpec = serde_json::from_value(json!({
            "products": [{"id": "p", "name": "P", "price": 1, "stock": 5}],
        }))
        .unwrap();
        check_spec(SaleId::new("drop").unwrap(), &spec).unwrap()
    }

    fn read(record: &Value) -> Result<Option<Announced>, Unreadable> {
        parse((Some(record.to_string()), Some(0)))
    }

    #[test]
    fn a_record_has_a_format_and_one_without_has_the_first() {
        let mut record: Value = serde_json::from_str(&record_json(&sale()).unwrap()).unwrap();
        assert_eq!(record["format"], 1);
        assert_eq!(read(&record).unwrap().unwrap().sale, sale());
        record.as_object_mut().unwrap().remove("format");
        assert_eq!(read(&record).unwrap().unwrap().sale, sale());
    }

    #[test]
    fn a_record_of_a_later_format_is_not_guessed_at() {
        let mut record: Value = serde_json::from_str(&record_json(&sale()).unwrap()).unwrap();
        record["format"] = json!(FORMAT + 1);
        let error = read(&record).unwrap_err();
        assert!(matches!(error, Unreadable::Newer(2)), "{error}");
        let strange = json!({"format": 7, "id": 3});
        assert!(matches!(read(&strange), Err(Unreadable::Newer(7))));
        assert!(matches!(read(&json!({"id": 3})), Err(Unreadable::Json(_))));
    }
}
