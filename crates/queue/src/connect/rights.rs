//! Whether the user that connects to Redis has the rights that flashsale needs. Asked at start, so
//! that a right that is missing is not found out by the first buy.

use std::{fmt, time::Duration};

use redis::{
    ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value, aio::ConnectionLike as _,
};
use tokio::time::sleep;

use super::SharedConnection;
use crate::keys::{PREFIX, channel};

/// A key that no sale has. It is deleted at the end of the check.
const KEY: &str = "fs:{}:rights";

/// A channel that nobody else uses.
const CHANNEL: &str = "fs:rights";

/// How long until rights are checked again, while Redis is out of reach or some are missing.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

const NO_PERMISSION: ErrorKind = ErrorKind::Server(ServerErrorKind::NoPerm);

/// Every command that flashsale sends, directly or from a script, with harmless arguments; `{}` stands
/// for [`KEY`]. Redis checks rights before it looks at keys, so a command that fails for another
/// reason, such as the type of the key, is allowed.
const COMMANDS: &[&str] = &[
    "sadd {} member",
    "srem {} member",
    "smembers {}",
    "sismember {} member",
    "hsetnx {} field value",
    "hset {} field value",
    "hincrby {} count 1",
    "hget {} field",
    "hgetall {}",
    "hmget {} field",
    "hdel {} field",
    "hscan {} 0",
    "set {} value XX",
    "get {}",
    "exists {}",
    "pexpire {} 1000",
    "pttl {}",
    "xadd {} NOMKSTREAM * field value",
    "xdel {} 0-1",
    "xtrim {} MAXLEN 1",
    "xlen {}",
    "xrange {} - + COUNT 1",
    "xread COUNT 1 STREAMS {} 0",
    "xinfo|stream {}",
    "scan 0 MATCH {}:* COUNT 1",
    "evalsha 0000000000000000000000000000000000000000 1 {}",
    "script|load return",
    "publish {channel} ",
    "time",
    "info server",
    "wait 0 1",
    "ping",
    "unlink {}",
    "del {}",
];

/// Commands that are not in the pipeline of the check: `subscribe` is checked on a connection of its
/// own, `select`, `role` (with Sentinel) and those of a cluster fail when connecting, and without
/// `config|get` the condition `Durable` tells less.
const FURTHER: &[&str] = &[
    "subscribe",
    "select",
    "role",
    "cluster|slots",
    "cluster|info",
    "asking",
    "readonly",
    "config|get",
];

/// The arguments of `ACL SETUSER` that give a user the rights that flashsale needs, and no others.
pub fn acl_rules() -> String {
    let mut rules = format!("resetkeys ~{PREFIX}* resetchannels &{PREFIX}* -@all");
    for command in COMMANDS
        .iter()
        .map(|sample| name(sample))
        .chain(FURTHER.iter().copied())
    {
        rules.push_str(" +");
        rules.push_str(command);
    }
    rules
}

/// Why Redis cannot be used by this user.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// Rights are missing.
    #[error(
        "the Redis user lacks rights that flashsale needs; grant it {0} with ACL SETUSER, see docs/redis.md"
    )]
    Missing(Missing),
    /// Redis is out of reach.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// Rights that are missing, as `ACL SETUSER` takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing(Vec<String>);

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

/// Checks the rights of the user that connects.
///
/// # Errors
/// [`RightsError::Missing`] names all that are missing. Otherwise Redis is out of reach.
pub async fn check_rights(connection: &SharedConnection) -> Result<(), RightsError> {
    let mut sending = connection.clone();
    let answers: Vec<RedisResult<Value>> = samples(connection.get_db())
        .ignore_errors()
        .query_async(&mut sending)
        .await?;
    let mut missing = Missing::default();
    for (sample, answer) in COMMANDS.iter().zip(answers) {
        missing.note(name(sample), answer.err());
    }
    // Subscribing needs a connection of its own, and a channel that nobody publishes to.
    match connection.subscribe(&[CHANNEL]).await {
        Err(error) if error.kind() == NO_PERMISSION => missing.note("subscribe", Some(error)),
        answer => drop(answer?),
    }
    if missing.0.is_empty() {
        Ok(())
    } else {
        Err(RightsError::Missing(missing))
    }
}

/// Checks the rights of the user that connects until it has them all, and logs once which ones are
/// missing. `failed` is told of each check that fails, also while Redis is out of reach.
pub async fn wait_for_rights(connection: &SharedConnection, failed: impl Fn(&RightsError)) {
    let mut logged = None;
    while let Err(error) = check_rights(connection).await {
        if let RightsError::Missing(missing) = &error
            && logged.as_ref() != Some(missing)
        {
            tracing::error!("{error}");
            logged = Some(missing.clone());
        }
        failed(&error);
        sleep(CHECK_AGAIN).await;
    }
}

/// The commands, in one pipeline.
fn samples(database: i64) -> Pipeline {
    let mut samples = redis::pipe();
    let publish = channel(CHANNEL, database);
    for sample in COMMANDS {
        let mut words = sample.split([' ', '|']);
        let mut command = redis::cmd(words.next().unwrap_or_default());
        for word in words {
            command.arg(word.replace("{}", KEY).replace("{channel}", &publish));
        }
        samples.add_command(command);
    }
    samples
}

/// The name of the command in a sample, as ACL rules have it.
fn name(sample: &str) -> &str {
    sample.split(' ').next().unwrap_or_default()
}

impl Missing {
    /// Notes what `error` says is missing, if it is about rights.
    fn note(&mut self, command: &str, error: Option<RedisError>) {
        let Some(error) = error.filter(|error| error.kind() == NO_PERMISSION) else {
            return;
        };
        let text = error.to_string();
        let rule = if text.contains(" command") {
            format!("+{command}")
        } else if text.contains(" channel") {
            format!("&{PREFIX}*")
        } else {
            format!("~{PREFIX}*")
        };
        if !self.0.contains(&rule) {
            self.0.push(rule);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The words that follow `opening` in all sources of the workspace, up to `end`.
    fn words(opening: &str, end: char) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        for member in [
            "crates/audit",
            "crates/queue",
            "crates/recovery",
            "crates/transport",
            "gateway",
            "worker",
            "operator",
            "cli",
        ] {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../..")
                .join(member)
                .join("src");
            for entry in walkdir::WalkDir::new(sources) {
                let entry = entry.unwrap();
                if entry.file_type().is_file() {
                    let text = fs::read_to_string(entry.path()).unwrap();
                    let found = text
                        .split(opening)
                        .skip(1)
                        .filter_map(|rest| rest.split(end).next());
                    let found =
                        found.filter(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()));
                    words.extend(found.map(str::to_lowercase));
                }
            }
        }
        words
    }

    #[test]
    fn every_command_in_the_sources_is_listed() {
        let listed = |command: &str| {
            let mut all = COMMANDS
                .iter()
                .map(|sample| name(sample))
                .chain(FURTHER.iter().copied());
            all.any(|name| name.split('|').next() == Some(command))
        };
        let mut sent = words("call('", '\'');
        sent.extend(words("call_with('", '\''));
        sent.extend(words("cmd(\"", '"'));
        // It goes to Sentinels, which have users of their own.
        sent.remove("sentinel");
        assert!(sent.contains("xtrim") && sent.contains("scan"), "{sent:?}");
        let unlisted: Vec<_> = sent.iter().filter(|command| !listed(command)).collect();
        assert!(unlisted.is_empty(), "{unlisted:?}");
    }

    #[test]
    fn the_page_on_redis_has_the_rules() {
        let page = include_str!("../../../../docs/redis.md");
        let rules = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            rules.contains(&acl_rules()),
            "docs/redis.md needs: {}",
            acl_rules()
        );
    }
}
