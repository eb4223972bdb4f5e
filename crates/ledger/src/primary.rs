//! Which of several servers takes writes.
//!
//! After a failover the writable server, the primary, is another one. Whatever speaks against the
//! present one has the next call ask all of them, and the pool connects to the one that answers
//! that it takes writes. With one server in the address there is nothing to choose, and nothing
//! of this is used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use flashsale_transport::Relay;
use futures_util::{StreamExt as _, stream::FuturesOrdered};
use sqlx::{
    Connection as _, Executor, PgConnection, PgPool, Postgres, Row as _, postgres::PgConnectOptions,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{error::LedgerError, fault::WaitReason, servers::Server};

/// How long one server may take to say whether it takes writes, with connecting. Well below the
/// time limit of every call, so that a host that is gone leaves time for another one.
pub(super) const ATTEMPT_LIMIT: Duration = Duration::from_secs(1);

/// The servers of an address, and which of them is the primary.
#[derive(Debug, Clone)]
pub(super) struct Primary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Replaced when the certificates change; always the same ones in the same order.
    servers: ArcSwap<Vec<Server>>,
    /// Index of the server that the pool connects to.
    present: AtomicUsize,
    /// Whether that server took writes when it was asked, and nothing spoke against it since.
    is_known: AtomicBool,
    /// The search that failed last: who waited for it need not search again.
    failed: Mutex<Option<Failure>>,
    /// What is between this process and the servers, if anything is.
    relay: Option<Relay>,
}

#[derive(Debug, Clone)]
struct Failure {
    at: Instant,
    reason: WaitReason,
    answers: String,
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        Self::NoPrimary {
            reason: failure.reason,
            answers: failure.answers,
        }
    }
}

/// What a server said for itself.
enum Answer {
    TakesWrites,
    ReadOnly,
    Failed(String),
}

impl Primary {
    /// `servers` in the order in which they are preferred; the first is taken for the primary
    /// until they are asked.
    pub(super) fn new(servers: Vec<Server>, relay: Option<Relay>) -> Self {
        Self(Arc::new(Inner {
            servers: ArcSwap::from_pointee(servers),
            present: AtomicUsize::new(0),
            is_known: AtomicBool::new(false),
            failed: Mutex::default(),
            relay,
        }))
    }

    /// Connects to the same servers with other certificates from now on.
    pub(super) fn renew(&self, servers: Vec<Server>) {
        self.0.servers.store(Arc::new(servers));
        // A search that is under way may lead the pool with the former ones.
        self.doubt();
    }

    /// Index of the server that the pool connects to.
    pub(super) fn present(&self) -> usize {
        self.0.present.load(Ordering::Acquire)
    }

    /// Something speaks against the present server: it is not used again before all were asked.
    pub(super) fn doubt(&self) {
        self.0.is_known.store(false, Ordering::Release);
    }

    /// Has `pool` connect to the primary from now on, and says whether that is another server
    /// than before. Does nothing while there is no reason to doubt the present one.
    ///
    /// # Errors
    /// [`LedgerError::NoPrimary`] when no server takes writes.
    pub(super) async fn lead(&self, pool: &PgPool) -> Result<bool, LedgerError> {
        if self.0.is_known.load(Ordering::Acquire) {
            return Ok(false);
        }
        let began = Instant::now();
        let mut failed = self.0.failed.lock().await;
        if self.0.is_known.load(Ordering::Acquire) {
            return Ok(false);
        }
        if let Some(failure) = failed.as_ref().filter(|failure| failure.at >= began) {
            return Err(failure.clone().into());
        }
        match self.search().await {
            Ok(index) => {
                let before = self.0.present.swap(index, Ordering::AcqRel);
                let server = &self.0.servers.load()[index];
                pool.set_connect_options(server.options.clone());
                self.0.is_known.store(true, Ordering::Release);
                if before != index {
                    tracing::info!(server = %server.name, "PostgreSQL's primary is {}", server.name);
                }
                Ok(before != index)
            }
            Err(failure) => {
                *failed = Some(failure.clone());
                Err(failure.into())
            }
        }
    }

    /// Asks all servers at once. The present one is preferred, then their order in the address: so
    /// processes that start at the same time choose the same one, as with libpq.
    async fn search(&self) -> Result<usize, Failure> {
        let present = self.present();
        let servers = self.0.servers.load_full();
        let others = (0..servers.len()).filter(|index| *index != present);
        let mut answers: FuturesOrdered<_> = std::iter::once(present)
            .chain(others)
            .map(async |index| (index, self.ask(&servers[index]).await))
            .collect();
        let (mut reason, mut words) = (WaitReason::Unreachable, Vec::new());
        while let Some((index, answer)) = answers.next().await {
            let said = match answer {
                Answer::TakesWrites => return Ok(index),
                Answer::ReadOnly => {
                    reason = WaitReason::ReadOnly;
                    "takes no writes".to_owned()
                }
                Answer::Failed(error) => error,
            };
            words.push(format!("{}: {said}", servers[index].name));
        }
        Err(Failure {
            at: Instant::now(),
            reason,
            answers: words.join("; "),
        })
    }

    /// Asks `server`. If it cannot be reached through a relay, the relay knows why, and the driver only sees
    /// a connection that was closed.
    async fn ask(&self, server: &Server) -> Answer {
        let start = std::time::Instant::now();
        match ask(&server.options).await {
            Answer::Failed(error) => {
                let relay = self.0.relay.as_ref();
                let trouble = relay.and_then(|relay| relay.trouble_of(&server.name, start));
                Answer::Failed(trouble.unwrap_or(error))
            }
            answer => answer,
        }
    }
}

async fn ask(options: &PgConnectOptions) -> Answer {
    let asking = async {
        let mut connection = PgConnection::connect_with(options).await?;
        let takes_writes = takes_writes(&mut connection).await?;
        // It has answered; how the connection ends does not matter.
        let _ = connection.close().await;
        Ok::<_, sqlx::Error>(takes_writes)
    };
    match timeout(ATTEMPT_LIMIT, asking).await {
        Ok(Ok(true)) => Answer::TakesWrites,
        Ok(Ok(false)) => Answer::ReadOnly,
        Ok(Err(error)) => Answer::Failed(LedgerError::from(error).to_string()),
        Err(_) => Answer::Failed(format!("no answer within {ATTEMPT_LIMIT:?}")),
    }
}

/// Whether the server of this connection takes writes: it is no standby, nor set read-only. Asked
/// without a prepared statement, so that a pooler may be in between.
pub(super) async fn takes_writes<'c>(
    connection: impl Executor<'c, Database = Postgres>,
) -> Result<bool, sqlx::Error> {
    let row = connection
        .fetch_one(sqlx::raw_sql("SHOW transaction_read_only"))
        .await?;
    Ok(row.try_get::<String, _>(0)? == "off")
}
