//! Calls of the turnstile that are followed by `WAIT`: the buys of one are acknowledged only when
//! replicas have them, so that they survive a failover.
//!
//! `WAIT` waits until replicas have the last write of its own connection, and blocks that connection.
//! So each of these calls needs a connection that nobody else uses meanwhile, and goes over it in one
//! pipeline with its `WAIT`. A primary that was demoted in between refuses the `WAIT`, and one that is
//! cut off from its replicas counts none.

use std::{num::NonZeroU8, time::Duration};

use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use super::{Admission, Buy, Turnstile, TurnstileError, read_answers};
use crate::{connect::Queue, keys::SaleKeys};

/// How many replicas must have a write, and how long they are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replication {
    /// The replicas.
    pub replicas: NonZeroU8,
    /// Whole milliseconds; less than one counts as one, since Redis takes 0 for no limit.
    pub limit: Duration,
}

/// What became of a call that was followed by `WAIT`.
#[derive(Debug)]
pub struct ReplicatedCall {
    /// The decisions. Acknowledgements among them are to be told only if the call
    /// [is replicated](Self::is_replicated); all others hold without.
    pub admissions: Vec<Admission>,
    /// How many replicas have what the call wrote, or why that is not known.
    pub replicas: RedisResult<u64>,
    wanted: NonZeroU8,
}

impl ReplicatedCall {
    /// Whether as many replicas as wanted have everything that was acknowledged.
    pub fn is_replicated(&self) -> bool {
        matches!(self.replicas, Ok(replicas) if replicas >= u64::from(self.wanted.get()))
    }
}

impl Turnstile {
    /// Decides `buys` of one sale as [`admit`](Self::admit) does, and waits for replicas.
    ///
    /// # Errors
    /// When the script failed or was not answered. That replicas are missing is no error.
    pub async fn admit_replicated(
        &self,
        connection: &mut impl Queue,
        keys: &SaleKeys,
        buys: &[Buy],
        replication: Replication,
    ) -> Result<ReplicatedCall, TurnstileError> {
        let call = self.command(keys, buys, connection.get_db(), true);
        let mut answers = send(connection, None, &call, replication).await?;
        if answers.first().is_some_and(lacks_script) {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(super::SOURCE);
            answers = send(connection, Some(load), &call, replication).await?;
        }
        let [decided, waited] = <[Value; 2]>::try_from(answers).map_err(|_| too_few_answers())?;
        Ok(ReplicatedCall {
            admissions: read_answers(decided.extract_error()?, buys.len())?,
            replicas: count(waited),
            wanted: replication.replicas,
        })
    }
}

/// The answers to `call` and to the `WAIT` after it; errors of the server stand among them.
async fn send(
    connection: &mut impl Queue,
    before: Option<Cmd>,
    call: &Cmd,
    replication: Replication,
) -> RedisResult<Vec<Value>> {
    let mut pipeline = Pipeline::with_capacity(3);
    let skipped = usize::from(before.is_some());
    if let Some(before) = before {
        pipeline.add_command(before);
    }
    let limit = replication.limit.as_millis().max(1);
    pipeline.add_command(call.clone());
    pipeline.cmd("WAIT").arg(replication.replicas.get());
    pipeline.arg(u64::try_from(limit).unwrap_or(u64::MAX));
    let answers = connection.req_packed_commands(&pipeline, 0, skipped + 2);
    Ok(answers.await?.into_iter().skip(skipped).collect())
}

fn lacks_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(redis::ServerErrorKind::NoScript))
}

fn count(answer: Value) -> RedisResult<u64> {
    Ok(u64::from_redis_value(answer.extract_error()?)?)
}

fn too_few_answers() -> RedisError {
    let why = "a pipeline of two commands was answered once";
    (ErrorKind::UnexpectedReturnType, why).into()
}
