//! How far the replicas of a Redis are.

use std::time::Duration;

use flashsale_testbed::redis::Redis;
use redis::{Cmd, FromRedisValue};

use crate::{
    error::ChaosError,
    stores::{connect_to, until},
};

/// How long replicas may take to have everything. One that comes back copies all the data first.
const IN_STEP: Duration = Duration::from_mins(1);

/// How long a server may take to answer, with connections that it closes.
const ANSWERS: Duration = Duration::from_secs(20);

/// What a primary has taken, and what its replicas have told that they have, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replication {
    /// What the primary has taken.
    pub(super) written: u64,
    /// What each connected replica has.
    pub(super) received: Vec<u64>,
}

impl Replication {
    /// As the primary tells.
    pub(super) async fn of(primary: &Redis) -> Result<Self, ChaosError> {
        let info: String = ask(primary, redis::cmd("INFO").arg("replication")).await?;
        Self::parse(&info)
            .ok_or_else(|| ChaosError::wrong("Redis does not tell how much it has taken"))
    }

    fn parse(info: &str) -> Option<Self> {
        let fields = || info.lines().filter_map(|line| line.trim().split_once(':'));
        let (_, written) = fields().find(|(name, _)| *name == "master_repl_offset")?;
        let received = fields().filter_map(|(name, replica)| {
            name.strip_prefix("slave")?.parse::<u8>().ok()?;
            let mut facts = replica.split(',');
            facts.clone().find(|fact| *fact == "state=online")?;
            facts.find_map(|fact| fact.strip_prefix("offset=")?.parse().ok())
        });
        Some(Self {
            written: written.parse().ok()?,
            received: received.collect(),
        })
    }
}

/// Waits until so many replicas have everything that their primary has taken so far.
pub(super) async fn in_step(primary: &Redis, replicas: u8) -> Result<(), ChaosError> {
    let mut last = Replication::of(primary).await?;
    let written = last.written;
    let waited = until("the replicas have everything", IN_STEP, async || {
        last = Replication::of(primary).await?;
        let in_step = last.received.iter().filter(|had| **had >= written);
        Ok(in_step.count() >= usize::from(replicas))
    });
    match waited.await {
        Err(ChaosError::TooLate { .. }) => Err(ChaosError::Wrong(format!(
            "the replicas of the Redis at {} do not have the {written} bytes that it had taken {} s \
             ago: {last:?}",
            primary.port(),
            IN_STEP.as_secs(),
        ))),
        waited => waited,
    }
}

/// Makes a server a replica of the one that listens on `port`.
pub(super) async fn follow(server: &Redis, port: u16) -> Result<(), ChaosError> {
    let mut command = redis::cmd("REPLICAOF");
    ask(server, command.arg("127.0.0.1").arg(port)).await
}

/// What a server answers. Asks again while it closes the connection: Sentinel has a server close them
/// all when it changes what the server is.
async fn ask<T: FromRedisValue>(server: &Redis, command: &Cmd) -> Result<T, ChaosError> {
    let mut answer = None;
    until("Redis answers the harness", ANSWERS, async || {
        let mut queue = connect_to(&server.url()).await?;
        match command.query_async(&mut queue).await {
            Err(error) if error.is_io_error() => Ok(false),
            result => {
                answer = Some(result?);
                Ok(true)
            }
        }
    })
    .await?;
    answer.ok_or_else(|| ChaosError::wrong("Redis did not answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replicas_that_follow_count() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
                    slave0:ip=127.0.0.1,port=7001,state=online,offset=900,lag=0\r\n\
                    slave1:ip=127.0.0.1,port=7002,state=wait_bgsave,offset=0,lag=0\r\n\
                    slave_read_only:1\r\nmaster_repl_offset:1000\r\n";
        let expected = Replication {
            written: 1_000,
            received: vec![900],
        };
        assert_eq!(Replication::parse(info), Some(expected));
        assert_eq!(Replication::parse("role:master\r\n"), None);
    }
}
