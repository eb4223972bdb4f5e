//! What Redis knows of the stock: a copy of the ledger's figure for each product.
//!
//! Hash `fs:{sale}:stock`: field `PRODUCT` is the stock, `PRODUCT@` its version and `PRODUCT#`
//! how many jobs of the lane have ended (from which positions are counted). A figure is written
//! only over an older version, so late writers do no harm. Field `$` is the greatest order number
//! that was told to anybody.

use std::collections::HashMap;

use redis::{AsyncCommands, RedisResult, Script};

use crate::{connect::Queue, id::ProductId, keys::SaleKeys, ledger::StockLevel};

/// ARGV: product, stock, version, repeated. Writes what is newer; answers how many were.
const SET_NEWER: &str = r"
local written = 0
for i = 1, #ARGV, 3 do
  local version = tonumber(redis.call('HGET', KEYS[1], ARGV[i] .. '@') or -1)
  if tonumber(ARGV[i + 2]) > version then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1], ARGV[i] .. '@', ARGV[i + 2])
    written = written + 1
  end
end
return written";

/// Tells Redis the ledger's stock of some products; older figures are passed over. Answers how
/// many were news.
pub async fn publish(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    levels: &[StockLevel],
) -> RedisResult<u32> {
    if levels.is_empty() {
        return Ok(0);
    }
    let script = Script::new(SET_NEWER);
    let mut call = script.key(keys.stock());
    for level in levels {
        call.arg(level.product.as_str())
            .arg(level.stock)
            .arg(level.version);
    }
    call.invoke_async(connection).await
}

/// What Redis knows of one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownStock {
    /// Units left, as the ledger told last; none when it never did.
    pub stock: Option<i32>,
    /// Version of that figure.
    pub version: i64,
    /// Jobs of the lane that have ended.
    pub settled: u64,
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
