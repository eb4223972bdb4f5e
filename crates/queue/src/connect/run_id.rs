//! Tells one run of a Redis server from another.

use redis::RedisResult;

use super::Queue;

/// Tells one run of a Redis server from another.
///
/// # Errors
/// Redis does not answer. Where `INFO` is forbidden, all servers are called the same.
pub async fn server_id(connection: &mut impl Queue) -> RedisResult<String> {
    let info: RedisResult<String> = redis::cmd("INFO")
        .arg("server")
        .query_async(connection)
        .await;
    id_of(info)
}

/// What stands for the server where its `run_id` may not be read.
const UNNAMED: &str = "unnamed";

/// The name of the server whose answer to `INFO server` this is.
pub(crate) fn id_of(info: RedisResult<String>) -> RedisResult<String> {
    match info {
        Ok(info) => {
            let mut lines = info.lines();
            let id = lines.find_map(|line| line.strip_prefix("run_id:"));
            Ok(id.unwrap_or(UNNAMED).trim().to_owned())
        }
        Err(error) if error.is_io_error() || error.is_timeout() => Err(error),
        Err(_) => Ok(UNNAMED.to_owned()),
    }
}
