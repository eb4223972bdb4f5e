//! Calls of the turnstile that are acknowledged only when replicas have their writes.

use std::{
    io,
    num::NonZeroU8,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use flashsale_queue::{
    connect::{self, SharedConnection, WaitingPool},
    keys::SaleKeys,
    turnstile::{Admission, Buy, ReplicatedCall, Replication, Turnstile, TurnstileError},
};
use prometheus::IntCounter;
use redis::RedisError;

/// Connections of a gateway for these calls, over all sales. A call keeps its connection until the
/// replicas have answered, a few milliseconds in one data centre; twice as many as one sale uses, so
/// that a sale of another primary of a cluster gets some while the replicas of one are away.
const CONNECTIONS: u32 = 8;

/// The connections for calls that wait for replicas.
#[derive(Debug)]
pub(super) struct Replicas {
    pool: WaitingPool,
    limit: Duration,
    /// True from the first call with too few replicas until the next with enough, for one log line
    /// each.
    is_short: AtomicBool,
    shortfalls: IntCounter,
}

/// What the turnstile decided about the buys of a call.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) admissions: Vec<Admission>,
    /// Whether acknowledgements are as safe as the sale asks for.
    pub(super) is_replicated: bool,
}

impl Replicas {
    /// Replicas are waited for up to `limit`; calls that too few have in time are counted in
    /// `shortfalls`.
    pub(super) fn new(
        connection: &SharedConnection,
        limit: Duration,
        shortfalls: IntCounter,
    ) -> Self {
        Self {
            pool: connect::waiting_pool(connection, CONNECTIONS, limit),
            limit,
            is_short: AtomicBool::new(false),
            shortfalls,
        }
    }

    /// Decides `buys` and waits for `replicas`.
    pub(super) async fn admit(
        &self,
        turnstile: &Turnstile,
        keys: &SaleKeys,
        buys: &[Buy],
        replicas: NonZeroU8,
    ) -> Result<Decided, TurnstileError> {
        let mut connection = self.pool.get().await.map_err(no_connection)?;
        let replication = Replication {
            replicas,
            limit: self.limit,
        };
        let call = turnstile
            .admit_replicated(&mut *connection, keys, buys, replication)
            .await?;
        let is_replicated = call.is_replicated();
        if is_replicated {
            self.enough();
        } else {
            self.shortfalls.inc();
            self.too_few(&call, replicas);
        }
        Ok(Decided {
            admissions: call.admissions,
            is_replicated,
        })
    }

    fn enough(&self) {
        if self.is_short.load(Ordering::Relaxed) && self.is_short.swap(false, Ordering::Relaxed) {
            tracing::info!("enough replicas of Redis answer again");
        }
    }

    fn too_few(&self, call: &ReplicatedCall, wanted: NonZeroU8) {
        if self.is_short.swap(true, Ordering::Relaxed) {
            return;
        }
        let limit = self.limit;
        match &call.replicas {
            Ok(replicas) => tracing::warn!(
                replicas,
                wanted,
                "{replicas} of {wanted} replicas of Redis answer within {limit:?}, buys are answered 503"
            ),
            Err(error) => tracing::warn!(
                %error,
                "Redis does not wait for replicas, buys are answered 503: {error}"
            ),
        }
    }
}

fn no_connection(error: impl std::error::Error) -> TurnstileError {
    let text = format!("no connection to Redis: {error}");
    RedisError::from(io::Error::other(text)).into()
}
