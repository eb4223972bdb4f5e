//! How Redis is set up, as far as it tells.

use std::collections::HashMap;

use flashsale_domain::durability::RedisSettings;
use redis::RedisResult;

use crate::{
    connect::{Queue, ask_server_of},
    keys::SaleKeys,
};

/// Asks the server that has a sale. Managed services often forbid `CONFIG`; then `INFO` has to do,
/// which does not tell when the file is synced, and whether replicas are needed for a write.
///
/// # Errors
/// When Redis does not answer.
pub async fn read_redis(
    connection: &mut impl Queue,
    keys: &SaleKeys,
) -> RedisResult<RedisSettings> {
    let ask = redis::cmd("INFO");
    let info: String = ask_server_of(connection, keys.record(), ask).await?;
    let mut get = redis::cmd("CONFIG");
    get.arg("GET")
        .arg(&["appendfsync", "min-replicas-to-write"]);
    let config: RedisResult<HashMap<String, String>> =
        ask_server_of(connection, keys.record(), get).await;
    match config {
        Err(error) if error.is_io_error() || error.is_timeout() => Err(error),
        config => Ok(RedisSettings::parse(&info, config.unwrap_or_default())),
    }
}
