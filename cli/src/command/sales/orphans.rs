//! What is held in the stores by sales whose FlashSale is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    path::Path,
};

use flashsale_domain::id::SaleId;
use flashsale_queue::catalogue;
use serde_json::Value;

use super::super::{Outcome, ToolError};
use crate::{
    connection::{OptionalLedgerArgs, RedisArgs},
    manifest,
};

/// What one sale holds.
#[derive(Debug, Default)]
struct Held {
    in_redis: bool,
    products: i64,
}

/// Lists them.
pub(super) async fn run(
    file: &Path,
    redis: &RedisArgs,
    ledger: &OptionalLedgerArgs,
) -> Result<Outcome, ToolError> {
    let owned = owned(&manifest::read_file(file)?)?;
    let mut held = BTreeMap::<String, Held>::new();
    let mut queue = redis.connect().await?;
    for sale in catalogue::names(&mut queue).await? {
        held.entry(sale.to_string()).or_default().in_redis = true;
    }
    if let Some(ledger) = ledger.connect().await? {
        for (sale, products) in ledger.holders().await? {
            held.entry(sale).or_default().products = products;
        }
    }
    held.retain(|sale, _| !owned.contains(sale));
    let mut out = io::stdout().lock();
    for (sale, Held { in_redis, products }) in &held {
        let in_redis = if *in_redis { "its record" } else { "nothing" };
        writeln!(
            out,
            "{sale}  Redis: {in_redis}  PostgreSQL: {products} products"
        )?;
    }
    if held.is_empty() {
        writeln!(out, "every sale has its FlashSale")?;
    }
    Ok(Outcome::holds_if(held.is_empty()))
}

/// The ids of the sales of the objects in a list as `kubectl` prints it.
fn owned(text: &[u8]) -> io::Result<BTreeSet<String>> {
    let no_list = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "this is no list of FlashSales; write what `kubectl get flashsales -A -o json` prints",
        )
    };
    let list: Value = serde_json::from_slice(text).map_err(|_| no_list())?;
    let items = list["items"].as_array().ok_or_else(no_list)?;
    let ids = items.iter().map(|item| {
        let metadata = &item["metadata"];
        let (namespace, name) = (metadata["namespace"].as_str()?, metadata["name"].as_str()?);
        Some(SaleId::new(format!("{namespace}.{name}")).ok()?.to_string())
    });
    ids.map(|id| id.ok_or_else(no_list)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_read_from_a_list_and_from_nothing_else() {
        let list = r#"{"items": [{"metadata": {"namespace": "shop", "name": "drop"}}]}"#;
        assert_eq!(
            owned(list.as_bytes()).unwrap(),
            BTreeSet::from(["shop.drop".to_owned()])
        );
        assert!(owned(br#"{"items": []}"#).unwrap().is_empty());
        // Taken for an empty list, these would make orphans of all sales.
        for text in [
            "",
            "{}",
            "[]",
            r#"{"items": [{"metadata": {"name": "drop"}}]}"#,
        ] {
            assert!(owned(text.as_bytes()).is_err(), "{text}");
        }
    }
}
