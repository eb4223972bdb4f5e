//! What an acknowledged buy survives.

use std::collections::HashMap;

use super::{Finding, Reason, found};

/// The one eviction policy under which no job can vanish.
const SAFE_POLICY: &str = "noeviction";

/// Seconds without a sign of life after which a replica does not count: the default of
/// `min-replicas-max-lag`. Replicas give one each second.
const MAX_LAG_SECONDS: u64 = 10;

/// How Redis is set up. What it does not tell is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisSettings {
    /// Whether it keeps an append-only file.
    pub append_only: Option<bool>,
    /// When it syncs that: `always`, `everysec` or `no`.
    pub append_fsync: Option<String>,
    /// What it throws away when memory runs out.
    pub maxmemory_policy: Option<String>,
    /// Whether it is a primary.
    pub is_primary: Option<bool>,
    /// Replicas that follow it at present.
    pub replicas: Option<usize>,
    /// Replicas without which it takes no writes.
    pub min_replicas_to_write: Option<usize>,
}

impl RedisSettings {
    /// Reads the answers to `INFO` and, where it is permitted, `CONFIG GET`.
    pub fn parse(info: &str, mut config: HashMap<String, String>) -> Self {
        let role = field(info, "role");
        let min_replicas = config.get("min-replicas-to-write");
        Self {
            append_only: field(info, "aof_enabled").map(|enabled| enabled == "1"),
            maxmemory_policy: field(info, "maxmemory_policy").map(str::to_owned),
            is_primary: role.map(|role| role == "master"),
            replicas: role.map(|_| info.lines().filter(|line| is_live_replica(line)).count()),
            min_replicas_to_write: min_replicas.and_then(|count| count.parse().ok()),
            append_fsync: config.remove("appendfsync"),
        }
    }
}

/// The value of `name` in the answer to `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// Whether a line of `INFO` is about a replica that follows, as
/// `slave0:ip=10.0.0.2,port=6379,state=online,offset=42,lag=1`.
fn is_live_replica(line: &str) -> bool {
    let Some((name, values)) = line.trim().split_once(':') else {
        return false;
    };
    let number = name.strip_prefix("slave").unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let value = |wanted: &str| {
        let mut pairs = values.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(name, value)| (name == wanted).then_some(value))
    };
    let lag = value("lag").and_then(|lag| lag.parse().ok());
    value("state") == Some("online") && lag.is_none_or(|lag: u64| lag <= MAX_LAG_SECONDS)
}

/// What an acknowledged buy survives at a Redis that is set up like this, in a sale that asks for
/// `wanted` replicas.
pub fn judge_redis(settings: &RedisSettings, wanted: u8) -> Finding {
    let wanted = usize::from(wanted);
    let (Some(append_only), Some(policy)) = (settings.append_only, &settings.maxmemory_policy)
    else {
        return found(
            None,
            Reason::NotTold,
            "Redis does not tell how it keeps its data; make sure of appendonly yes and maxmemory-policy noeviction",
        );
    };
    if policy != SAFE_POLICY {
        return found(
            false,
            Reason::Evicts,
            format!(
                "Redis has maxmemory-policy {policy} and may throw acknowledged buys away when memory runs out; set {SAFE_POLICY}"
            ),
        );
    }
    if !append_only {
        return found(false, Reason::NoAppendOnlyFile, without_file(wanted));
    }
    match (wanted, settings.is_primary, settings.replicas) {
        (_, Some(false), _) => found(
            None,
            Reason::NotPrimary,
            "the address leads to a replica, which takes no buys; name the primary",
        ),
        (0, _, None | Some(0)) => alone(settings),
        (0, _, Some(replicas)) => asynchronous(settings, replicas),
        (_, _, None) => found(
            None,
            Reason::NotTold,
            format!(
                "Redis does not tell how many replicas it has; {wanted} must answer, or buys are answered 503"
            ),
        ),
        (_, _, Some(replicas)) if replicas < wanted => found(
            false,
            Reason::TooFewReplicas,
            format!(
                "durability.redisReplicas asks for {wanted}, and {replicas} follow the primary: buys are answered 503 until there are enough; start replicas, or ask for fewer"
            ),
        ),
        (_, _, Some(replicas)) => replicated(settings, wanted, replicas),
    }
}

fn without_file(wanted: usize) -> String {
    let replicas = if wanted == 0 {
        ""
    } else {
        " Replicas have what was acknowledged, and keep it if one of them is promoted; but a primary that starts again by itself comes back empty, and its replicas copy that."
    };
    format!(
        "Redis keeps no append-only file, so buys that wait are lost when it ends; set appendonly yes.{replicas}"
    )
}

/// What a crash of the server itself can lose.
fn after_crash(settings: &RedisSettings) -> (Option<bool>, &'static str) {
    match settings.append_fsync.as_deref() {
        Some("always") => (Some(true), "loses no acknowledged buy (appendfsync always)"),
        Some("everysec") => (
            Some(true),
            "can lose up to 2 s of acknowledged buys; appendfsync always loses none",
        ),
        Some(_) => (
            Some(false),
            "can lose many seconds of acknowledged buys; set appendfsync everysec or always",
        ),
        None => (
            Some(true),
            "can lose some acknowledged buys: Redis keeps an append-only file, but does not tell how often it is synced",
        ),
    }
}

fn alone(settings: &RedisSettings) -> Finding {
    let (holds, lost) = after_crash(settings);
    let reason = match (holds, settings.replicas) {
        (Some(false), _) => Reason::AppendFsyncNo,
        (_, Some(_)) => Reason::SingleCopy,
        (_, None) => Reason::AppendOnlyFile,
    };
    let copies = match settings.replicas {
        Some(_) => "; there is no replica, so nothing survives the loss of its disk",
        None => "; whether there are replicas is not told",
    };
    found(holds, reason, format!("a crash of Redis {lost}{copies}"))
}

fn asynchronous(settings: &RedisSettings, replicas: usize) -> Finding {
    let (survives_crash, lost) = after_crash(settings);
    let (bounded, failover) = match settings.min_replicas_to_write {
        Some(0) => (
            Some(false),
            "all that a primary takes while it is cut off from them, for as long as that lasts (min-replicas-to-write is 0)",
        ),
        Some(_) => (
            Some(true),
            "what the promoted one did not have yet, up to min-replicas-max-lag seconds",
        ),
        None => (
            None,
            "what the promoted one did not have yet; without min-replicas-to-write, which Redis does not tell, that is all that a primary takes while it is cut off from them",
        ),
    };
    let holds = if survives_crash == Some(false) {
        Some(false)
    } else {
        bounded
    };
    let count = counted(replicas);
    found(
        holds,
        Reason::AsyncReplicas,
        format!(
            "{count} the primary, but acknowledgements do not wait for that: a failover loses {failover}; set spec.durability.redisReplicas. A crash without a failover {lost}"
        ),
    )
}

fn replicated(settings: &RedisSettings, wanted: usize, replicas: usize) -> Finding {
    let (_, lost) = after_crash(settings);
    let promoted = if wanted >= replicas {
        "a failover loses none, whichever is promoted".to_owned()
    } else {
        format!(
            "a failover loses none if one that has them is promoted; to be sure of it, set durability.redisReplicas to {replicas}"
        )
    };
    let cut_off = match settings.min_replicas_to_write {
        Some(0) => {
            "; a primary that is cut off from its replicas takes buys and answers 503 until it is demoted: set min-replicas-to-write to have it refuse them"
        }
        _ => "",
    };
    let count = counted(replicas);
    found(
        true,
        Reason::ReplicaAcknowledged,
        format!(
            "{count} the primary, and a buy is acknowledged when {wanted} of them have it: {promoted}. A crash of all of them together {lost}{cut_off}"
        ),
    )
}

fn counted(replicas: usize) -> String {
    if replicas == 1 {
        "1 replica follows".to_owned()
    } else {
        format!("{replicas} replicas follow")
    }
}

#[cfg(test)]
mod tests;
