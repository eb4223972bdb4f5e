//! What an acknowledgement promises depends on how Redis keeps its data; this says which it is.

use std::collections::HashMap;

use flashsale_core::connect::Queue;
use redis::RedisResult;

use crate::display::Display;

/// The one eviction policy under which no job can vanish.
const SAFE_POLICY: &str = "noeviction";

/// Says which persistence is in force, and warns of what can lose buys. The error is a Redis that
/// cannot be asked at all.
pub(super) async fn report(connection: &mut impl Queue, display: &Display) -> RedisResult<()> {
    let () = redis::cmd("PING").query_async(connection).await?;
    match read(connection).await {
        Ok(settings) => {
            display.line(format!("durability  {}", sentence(&settings)));
            for warning in warnings(&settings) {
                display.warning(warning);
            }
        }
        // Managed services often forbid CONFIG. Not knowing is no reason not to sell.
        Err(error) => display.warning(format!(
            "Redis does not tell how it keeps its data ({error}); make sure of appendonly yes \
             and maxmemory-policy {SAFE_POLICY}"
        )),
    }
    Ok(())
}

async fn read(connection: &mut impl Queue) -> RedisResult<HashMap<String, String>> {
    redis::cmd("CONFIG")
        .arg("GET")
        .arg(&["appendonly", "appendfsync", "maxmemory-policy"])
        .query_async(connection)
        .await
}

fn setting<'a>(settings: &'a HashMap<String, String>, name: &str) -> &'a str {
    settings.get(name).map_or("unknown", String::as_str)
}

/// What "queued" promises.
fn sentence(settings: &HashMap<String, String>) -> String {
    if setting(settings, "appendonly") != "yes" {
        return "no append-only file: acknowledged buys that wait are lost when Redis ends".into();
    }
    match setting(settings, "appendfsync") {
        "always" => "appendfsync always: an acknowledged buy survives a crash of Redis".into(),
        "everysec" => "appendfsync everysec: a crash of Redis can lose up to 2 s of acknowledged \
                       buys; --appendfsync always loses none"
            .into(),
        other => format!(
            "appendfsync {other}: a crash of the machine can lose many seconds of acknowledged buys"
        ),
    }
}

fn warnings(settings: &HashMap<String, String>) -> Vec<String> {
    let mut warnings = Vec::new();
    let policy = setting(settings, "maxmemory-policy");
    if policy != SAFE_POLICY {
        warnings.push(format!(
            "Redis has maxmemory-policy {policy} and may throw acknowledged buys away when memory \
             runs out; set maxmemory-policy {SAFE_POLICY}"
        ));
    }
    if setting(settings, "appendonly") != "yes" {
        warnings.push("Redis keeps no append-only file; set appendonly yes".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(appendonly: &str, appendfsync: &str, policy: &str) -> HashMap<String, String> {
        [
            ("appendonly", appendonly),
            ("appendfsync", appendfsync),
            ("maxmemory-policy", policy),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn each_persistence_is_told_with_its_promise() {
        let always = settings("yes", "always", SAFE_POLICY);
        assert!(sentence(&always).contains("survives"));
        assert!(warnings(&always).is_empty());
        assert!(sentence(&settings("yes", "everysec", SAFE_POLICY)).contains("up to 2 s"));
        assert!(sentence(&settings("no", "everysec", SAFE_POLICY)).contains("lost"));
    }

    #[test]
    fn what_can_lose_buys_is_warned_of() {
        let evicting = settings("no", "everysec", "allkeys-lru");
        let warnings = warnings(&evicting);
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].contains("set maxmemory-policy noeviction"),
            "{warnings:?}"
        );
    }
}
