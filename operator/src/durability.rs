//! What an acknowledgement promises depends on how Redis keeps its data; this reads which it is.

use std::collections::HashMap;

use flashsale_core::{
    connect::{Queue, ask_server_of},
    keys::SaleKeys,
};
use redis::RedisResult;

use crate::crd::condition::State;

/// The one eviction policy under which no job can vanish.
const SAFE_POLICY: &str = "noeviction";

/// How Redis keeps what it acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    /// Whether acknowledged buys are kept.
    pub state: State,
    /// Why, in one word.
    pub reason: &'static str,
    /// What "queued" promises, and what to change.
    pub message: String,
}

/// Asks the Redis server that holds a sale. Managed services often forbid `CONFIG`; `INFO`, which is
/// asked as well, does not tell when the file is synced.
///
/// # Errors
/// When Redis does not answer.
pub async fn read(connection: &mut impl Queue, keys: &SaleKeys) -> RedisResult<Durability> {
    let info: String = ask_server_of(connection, keys.record(), redis::cmd("INFO")).await?;
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg("appendfsync");
    let settings: RedisResult<HashMap<String, String>> =
        ask_server_of(connection, keys.record(), get).await;
    let fsync = settings.ok().and_then(|mut all| all.remove("appendfsync"));
    Ok(judge(
        field(&info, "aof_enabled"),
        field(&info, "maxmemory_policy"),
        fsync.as_deref(),
    ))
}

/// The value of `name` in the answer to `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn judge(aof_enabled: Option<&str>, policy: Option<&str>, fsync: Option<&str>) -> Durability {
    let (state, reason, message) = match (aof_enabled, policy, fsync) {
        (Some("0"), ..) => (
            State::False,
            "NoAppendOnlyFile",
            "Redis keeps no append-only file, so buys that wait are lost when it ends; set appendonly yes".to_owned(),
        ),
        (_, Some(policy), _) if policy != SAFE_POLICY => (
            State::False,
            "Evicts",
            format!("Redis has maxmemory-policy {policy} and may throw buys away when memory runs out; set {SAFE_POLICY}"),
        ),
        (Some(_), Some(_), Some("always")) => (
            State::True,
            "AppendFsyncAlways",
            "an acknowledged buy survives a crash of Redis".to_owned(),
        ),
        (Some(_), Some(_), Some("everysec")) => (
            State::True,
            "AppendFsyncEverySecond",
            "a crash of Redis can lose up to 2 s of acknowledged buys; appendfsync always loses none".to_owned(),
        ),
        (Some(_), Some(_), Some(other)) => (
            State::False,
            "AppendFsyncNo",
            format!("appendfsync {other}: a crash of the machine can lose many seconds of acknowledged buys; set everysec or always"),
        ),
        (Some(_), Some(_), None) => (
            State::True,
            "AppendOnlyFile",
            "Redis keeps an append-only file, but does not tell how often it is synced".to_owned(),
        ),
        _ => (
            State::Unknown,
            "NotTold",
            "Redis does not tell how it keeps its data; make sure of appendonly yes and maxmemory-policy noeviction".to_owned(),
        ),
    };
    Durability {
        state,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_promise() {
        let cases = [
            (
                Some("1"),
                Some("noeviction"),
                Some("always"),
                State::True,
                "AppendFsyncAlways",
            ),
            (
                Some("1"),
                Some("noeviction"),
                Some("everysec"),
                State::True,
                "AppendFsyncEverySecond",
            ),
            (
                Some("1"),
                Some("noeviction"),
                Some("no"),
                State::False,
                "AppendFsyncNo",
            ),
            (
                Some("1"),
                Some("noeviction"),
                None,
                State::True,
                "AppendOnlyFile",
            ),
            (
                Some("1"),
                Some("allkeys-lru"),
                Some("always"),
                State::False,
                "Evicts",
            ),
            (
                Some("0"),
                Some("noeviction"),
                Some("always"),
                State::False,
                "NoAppendOnlyFile",
            ),
            (None, None, None, State::Unknown, "NotTold"),
        ];
        for (aof, policy, fsync, state, reason) in cases {
            let found = judge(aof, policy, fsync);
            assert_eq!(
                (found.state, found.reason),
                (state, reason),
                "{aof:?} {policy:?} {fsync:?}"
            );
        }
    }

    #[test]
    fn fields_of_info_are_found_whole() {
        let info = "# Persistence\r\naof_enabled:1\r\naof_enabled_since:9\r\n";
        assert_eq!(field(info, "aof_enabled"), Some("1"));
        assert_eq!(field(info, "maxmemory_policy"), None);
    }
}
