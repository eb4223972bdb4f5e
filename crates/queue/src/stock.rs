//! What Redis knows of the stock: a copy of the ledger's figure for each product.
//!
//! Hash `fs:{sale}:stock`: field `PRODUCT` is the stock, `PRODUCT@` its version and `PRODUCT#`
//! how many jobs of the lane have ended (from which positions are counted). A figure is written
//! only over an older version, so late writers do no harm. Field `$` is the greatest order number
//! that was told to anybody.

use std::collections::HashMap;

use flashsale_domain::{
    id::ProductId,
    stock::{KnownStock, StockLevel},
};
use redis::{AsyncCommands, RedisResult, Script};

use crate::{connect::Queue, keys::SaleKeys};

/// Field of the greatest order number that a shopper of the sale was told. No product has this name.
pub const LAST_ORDER: &str = "$";

/// KEYS: stock, the sale's record, then the lane of each product. ARGV: `1` to write only for a sale
/// that is in force, then product, stock, version, version of the last batch in it, repeated. Writes
/// what is newer; answers how many were.
///
/// A figure that contains a batch whose jobs are still in the lane is left to the acknowledgement
/// of that batch: the turnstile would count those jobs twice. A batch is acknowledged when Redis
/// knows its version or a later one, and in any case when the lane is empty.
const SET_NEWER: &str = r"
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local written = 0
for i = 1, (#ARGV - 1) / 4 do
  local product, stock, version, settled = unpack(ARGV, 4 * i - 2, 4 * i + 1)
  local known = redis.call('HMGET', KEYS[1], product, product .. '@')
  local before = tonumber(known[2] or -1)
  local is_settled = not known[1] or before >= tonumber(settled)
    or redis.call('XLEN', KEYS[2 + i]) == 0
  if tonumber(version) > before and is_settled then
    redis.call('HSET', KEYS[1], product, stock, product .. '@', version)
    written = written + 1
  end
end
return written";

/// Tells Redis the ledger's stock of some products, be the sale announced yet or not. Passed over
/// are figures older than what Redis knows, and figures that contain a batch which is not
/// acknowledged yet: its acknowledgement tells them. Answers how many were written.
pub async fn publish(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    levels: &[StockLevel],
) -> RedisResult<u32> {
    write_newer(connection, keys, levels, false).await
}

/// Like [`publish`], but writes nothing if the sale is not in force: nobody would remove the keys of a
/// sale that was withdrawn in the meantime.
pub async fn update(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    levels: &[StockLevel],
) -> RedisResult<u32> {
    write_newer(connection, keys, levels, true).await
}

async fn write_newer(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    levels: &[StockLevel],
    only_in_force: bool,
) -> RedisResult<u32> {
    if levels.is_empty() {
        return Ok(0);
    }
    let script = Script::new(SET_NEWER);
    let mut call = script.key(keys.stock());
    call.key(keys.record()).arg(i32::from(only_in_force));
    for level in levels {
        call.key(keys.lane(&level.product))
            .arg(level.product.as_str())
            .arg(level.stock)
            .arg(level.version)
            .arg(level.settled_version);
    }
    call.invoke_async(connection).await
}

/// Takes the stock of products away, so that the turnstile does not know them any more. Their lanes
/// stay.
pub async fn forget(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    products: &[ProductId],
) -> RedisResult<()> {
    if products.is_empty() {
        return Ok(());
    }
    let fields: Vec<String> = products
        .iter()
        .flat_map(|product| [product.to_string(), format!("{product}@")])
        .collect();
    connection.hdel(keys.stock(), fields).await
}

/// What Redis knows of all products of a sale.
pub async fn read(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<HashMap<ProductId, KnownStock>> {
    let fields: HashMap<String, i64> = connection.hgetall(keys.stock()).await?;
    Ok(parse(&fields))
}

/// Reads the fields of the hash.
pub(crate) fn parse(fields: &HashMap<String, i64>) -> HashMap<ProductId, KnownStock> {
    let mut known: HashMap<ProductId, KnownStock> = HashMap::new();
    for (field, value) in fields {
        let name = field.trim_end_matches(['@', '#']);
        let Ok(product) = ProductId::new(name) else {
            continue;
        };
        let entry = known.entry(product).or_default();
        match field.as_bytes().last() {
            Some(b'@') => entry.version = *value,
            Some(b'#') => entry.settled = u64::try_from(*value).unwrap_or(0),
            _ => entry.stock = i32::try_from(*value).ok(),
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_fields_of_a_product_are_told_apart() {
        let fields = [("p", 5), ("p@", 7), ("p#", 9), ("q#", 1)];
        let known = parse(
            &fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        );
        let p = known[&ProductId::new("p").unwrap()];
        assert_eq!(
            p,
            KnownStock {
                stock: Some(5),
                version: 7,
                settled: 9
            }
        );
        assert_eq!(known[&ProductId::new("q").unwrap()].stock, None);
    }
}
