//! One call of the ledger: a connection of the pool, and a time limit over all that is done with it.
//!
//! A link to PostgreSQL can fall silent without being closed: the host vanished, a firewall forgot
//! the connection. The driver would wait for ever, and so would the pool for the connection to come
//! back. So no call goes without a limit, and a connection whose call was given up, by the limit or
//! by a caller that lost interest, is closed: what its server is still doing, and what it is still
//! going to say, is unknown.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use flashsale_transport::{Relay, Renewal};
use sqlx::{
    Connection as _, PgConnection, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    certificates,
    config::LedgerConfig,
    connection::LedgerConnection,
    error::LedgerError,
    fault::{Fault, WaitReason},
    handle::Ledger,
    primary::{ATTEMPT_LIMIT, Primary, takes_writes},
    servers::Server,
    trust::Trust,
};

/// How long settling a batch may take, with getting a connection. A batch of the largest size takes
/// a tenth of it; a link that is silent stands still for this long, and then the batch is sent over
/// another one. Below the term of a lease, so that the lane's driver finds out before it loses it.
pub(super) const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// How long any other call may take, with getting a connection.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// How long asking whether the ledger can be written to may take, with getting a connection.
pub(super) const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// How long counting the orders of a sale may take.
pub(super) const COUNT_LIMIT: Duration = Duration::from_secs(30);

/// How long an audit may read: it counts every order of a sale.
const AUDIT_LIMIT: Duration = Duration::from_mins(30);

/// How long a connection may take to show that it is still good.
const PING_LIMIT: Duration = Duration::from_millis(500);

/// What each session is told, where no pooler shares it out by transactions: how long the server
/// keeps locks, and itself, busy for a client that is gone.
///
/// | setting | why |
/// |---|---|
/// | `lock_timeout` | below [`SETTLE_LIMIT`]: the server says that somebody holds the row, instead of being given up |
/// | `idle_in_transaction_session_timeout` | a client that vanishes in the middle of a declaration leaves locked rows behind |
/// | `client_connection_check_interval` | a statement whose client has hung up ends, rather than waiting on for a lock |
/// | `tcp_…` | the server notices a host that vanished within half a minute |
///
/// Settings that the server does not know (PostgreSQL 13 lacks one) or that the address gives
/// (`?options=-c…`) are left alone.
const SESSION_SETTINGS: &str = "\
    SELECT set_config(name, value, false) FROM (VALUES \
        ('lock_timeout', '1500ms'), \
        ('idle_in_transaction_session_timeout', '10s'), \
        ('client_connection_check_interval', '1s'), \
        ('tcp_user_timeout', '15s'), \
        ('tcp_keepalives_idle', '10'), \
        ('tcp_keepalives_interval', '5'), \
        ('tcp_keepalives_count', '3') \
    ) AS wanted(name, value) JOIN pg_catalog.pg_settings USING (name) WHERE source <> 'client'";

/// Begins a transaction that keeps its locks for no longer than the session's settings say, whoever
/// the session belongs to.
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '1s'; \
    SET LOCAL idle_in_transaction_session_timeout = '10s'";

/// Begins a transaction in which everything that is read is of one moment.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What migrations need: they wait for one another, and for readers.
const NO_LIMITS: &str = "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET statement_timeout = 0";

/// A connection that is closed unless it is given back.
struct Borrowed(Option<LedgerConnection>);

impl Borrowed {
    /// Gives the connection back, once it has shown that it is still good and has left the
    /// transaction of a call that failed. The pool would wait for that without a limit.
    fn give_back(mut self, in_transaction: bool) {
        let Some(connection) = self.0.take() else {
            return;
        };
        let mut connection = connection.into_inner();
        tokio::spawn(async move {
            if in_transaction {
                let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
                if !matches!(timeout(PING_LIMIT, rollback).await, Ok(Ok(_))) {
                    drop(connection.detach());
                    return;
                }
            }
            // Closed if it does not answer in time.
            let _ = timeout(PING_LIMIT, connection.return_to_pool()).await;
        });
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Detached it belongs to nobody and is closed, without a word to a server that may not
        // listen. Sent back to the pool it would block a place there until it answers.
        if let Some(connection) = self.0.take() {
            drop(connection.into_inner().detach());
        }
    }
}

/// Whether it says which server takes writes, or that none does: that is more than how one failed.
fn is_of_primary(error: &LedgerError) -> bool {
    matches!(error, LedgerError::ReadOnly | LedgerError::NoPrimary { .. })
}

impl Ledger {
    /// A ledger that connects when first used, to the `first` of `servers` if it takes writes.
    pub(crate) fn connect_lazily(
        config: &LedgerConfig,
        first: PgConnectOptions,
        servers: Vec<Server>,
        relay: Option<Relay>,
        renewal: Option<Arc<Renewal>>,
    ) -> Self {
        let (trust, ping_before_use) = (Trust::new(), config.ping_before_use);
        let names = servers.iter().map(|server| server.name.as_str());
        let address = names.collect::<Vec<_>>().join(", ").into();
        let primary = (servers.len() > 1).then(|| Primary::new(servers, relay.clone()));
        let mut pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(CALL_LIMIT)
            .test_before_acquire(false)
            .before_acquire({
                let (trust, primary) = (trust.clone(), primary.clone());
                move |connection, idle| {
                    let trusted = trust.covers(&idle);
                    let primary = primary.clone();
                    Box::pin(async move {
                        Ok(trusted
                            && (!ping_before_use || is_good(connection, primary.as_ref()).await))
                    })
                }
            });
        if !config.transaction_pooler {
            pool = pool.after_connect(|connection, _| Box::pin(set_up(connection)));
        }
        let ledger = Self {
            pool: pool.connect_lazy_with(first),
            trust,
            primary,
            transaction_pooler: config.transaction_pooler,
            relay,
            address,
            certificates: Arc::default(),
        };
        if let Some(renewal) = renewal {
            certificates::follow(&ledger, renewal);
        }
        ledger
    }

    /// Does `call` with a connection of the pool; getting one and all of `call` may take `limit`.
    ///
    /// Behind a pooler in transaction mode the whole call is one transaction, so that the pooler
    /// keeps it on one server connection.
    ///
    /// # Errors
    /// [`LedgerError::TimedOut`] when the time ran out while the ledger was at work: whether it did
    /// what was asked is unknown then.
    pub(crate) async fn call_within<T, E: Into<LedgerError>>(
        &self,
        limit: Duration,
        call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, E>,
    ) -> Result<T, LedgerError> {
        let begin = self.transaction_pooler.then_some(BEGIN);
        self.call_in(begin, limit, call).await
    }

    /// The same within [`CALL_LIMIT`].
    pub(crate) async fn call<T, E: Into<LedgerError>>(
        &self,
        call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, E>,
    ) -> Result<T, LedgerError> {
        self.call_within(CALL_LIMIT, call).await
    }

    /// The same in one transaction, which is rolled back when `call` fails.
    pub(super) async fn transact<T>(
        &self,
        limit: Duration,
        call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.call_in(Some(BEGIN), limit, call).await
    }

    /// Asks whether the server takes writes, which one that answers need not: it may be a standby,
    /// or set read-only. Whether this role may write is another question, see
    /// [`Ledger::check_rights`].
    ///
    /// # Errors
    /// When the ledger does not answer, or takes no writes.
    pub async fn check_writable(&self) -> Result<(), LedgerError> {
        self.call_within(CHECK_LIMIT, async |connection| {
            if takes_writes(connection).await? {
                Ok(())
            } else {
                Err(LedgerError::ReadOnly)
            }
        })
        .await
    }

    /// Lets `read` ask a question that may take long.
    ///
    /// # Errors
    /// When the ledger does not answer, or `read` fails.
    pub async fn read<T>(
        &self,
        read: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.call_within(AUDIT_LIMIT, read).await
    }

    /// Lets `read` ask several questions about one moment.
    ///
    /// # Errors
    /// When the ledger does not answer, or `read` fails.
    pub async fn snapshot<T>(
        &self,
        read: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.snapshot_within(AUDIT_LIMIT, read).await
    }

    /// The same within `limit`.
    pub(crate) async fn snapshot_within<T>(
        &self,
        limit: Duration,
        read: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.call_in(Some(BEGIN_SNAPSHOT), limit, read).await
    }

    async fn call_in<T, E: Into<LedgerError>>(
        &self,
        begin: Option<&'static str>,
        limit: Duration,
        call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, E>,
    ) -> Result<T, LedgerError> {
        let start = std::time::Instant::now();
        if let Some(excess) = self.relay.as_ref().and_then(Relay::excess) {
            return Err(LedgerError::Relay(excess));
        }
        let answer = self.try_call(begin, limit, call).await;
        answer.map_err(|error| self.explain(error, start))
    }

    /// `error` of a call that began at `start`, in the words of the relay: the driver only sees a
    /// connection that was closed.
    fn explain(&self, error: LedgerError, start: std::time::Instant) -> LedgerError {
        let relay = self
            .relay
            .as_ref()
            .filter(|_| error.is_outage() && !error.is_answer() && !is_of_primary(&error));
        match relay.and_then(|relay| relay.trouble_since(start)) {
            Some(trouble) => LedgerError::Relay(trouble),
            None => error,
        }
    }

    async fn try_call<T, E: Into<LedgerError>>(
        &self,
        begin: Option<&'static str>,
        limit: Duration,
        call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, E>,
    ) -> Result<T, LedgerError> {
        let deadline = Instant::now() + limit;
        let way = self.present_way();
        let acquired = timeout_at(deadline, self.acquire()).await;
        let connection = acquired.unwrap_or_else(|_| {
            self.doubt_primary();
            Err(sqlx::Error::PoolTimedOut.into())
        })?;
        let connection = LedgerConnection::new(connection, self.transaction_pooler);
        let mut borrowed = Borrowed(Some(connection));
        let Some(connection) = &mut borrowed.0 else {
            return Err(sqlx::Error::PoolClosed.into());
        };
        let answer = within(begin, connection, call);
        let Ok(answer) = timeout_at(deadline, answer).await else {
            self.trust.end();
            self.doubt_primary();
            return Err(LedgerError::TimedOut(limit));
        };
        if answer.as_ref().err().is_some_and(speaks_of_the_server) {
            self.trust.end();
            self.doubt_primary();
        } else if way == self.present_way() {
            borrowed.give_back(begin.is_some() && answer.is_err());
        }
        // Otherwise the primary or the certificates changed meanwhile, and the connection may be one
        // of the former ones.
        answer
    }

    /// A connection of the pool, to the primary.
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, LedgerError> {
        let Some(primary) = &self.primary else {
            return Ok(self.pool.acquire().await?);
        };
        loop {
            if primary.lead(&self.pool).await? {
                self.leave_former_connections();
            }
            // The pool would try a server that is gone for as long as it may.
            match timeout(ATTEMPT_LIMIT, self.pool.acquire()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => {
                    primary.doubt();
                    return Err(error.into());
                }
                Err(_) => primary.doubt(),
            }
        }
    }

    /// Closes what was connected before the server or the certificates changed: idle connections now,
    /// those in use at the end of their call.
    pub(super) fn leave_former_connections(&self) {
        self.trust.end_for_all_opened();
        for _ in 0..self.pool.num_idle() {
            drop(self.pool.try_acquire().map(PoolConnection::detach));
        }
    }

    /// Which of several servers the pool connects to, and how often the certificates changed.
    fn present_way(&self) -> (Option<usize>, u64) {
        let server = self.primary.as_ref().map(Primary::present);
        (server, self.certificates.load(Ordering::Acquire))
    }

    fn doubt_primary(&self) {
        if let Some(primary) = &self.primary {
            primary.doubt();
        }
    }

    /// Connects once, beside the pool, which only knows that no connection came in time.
    ///
    /// # Errors
    /// Why PostgreSQL lets nobody in, in its own words.
    pub async fn try_to_connect(&self) -> Result<(), LedgerError> {
        let start = std::time::Instant::now();
        let connected = self.connect_once().await;
        connected.map_err(|error| self.explain(error, start))
    }

    async fn connect_once(&self) -> Result<(), LedgerError> {
        if let Some(primary) = &self.primary {
            primary.lead(&self.pool).await?;
        }
        let options = self.pool.connect_options();
        let connection = PgConnection::connect_with(&options).await?;
        Ok(connection.close().await?)
    }

    /// Why PostgreSQL lets nobody in, with its address; none when it does, or does not say so within
    /// `limit`. For a message about a call that got no connection in time.
    pub async fn refusal(&self, limit: Duration) -> Option<String> {
        let refused = timeout(limit, self.try_to_connect()).await;
        match refused.ok()?.err()? {
            // That has what each server said.
            error @ LedgerError::NoPrimary { .. } => Some(error.to_string()),
            error => Some(format!("{error} ({})", self.address)),
        }
    }

    /// A connection without limits, for changes of the schema. It is not of the pool any more:
    /// dropping it closes it.
    ///
    /// # Errors
    /// [`LedgerError::DirectAddressNeeded`] behind a pooler: what is set for a session would be
    /// set for other clients, too, and an index cannot be built in a transaction.
    pub(super) async fn connection_without_limits(&self) -> Result<PgConnection, LedgerError> {
        if self.transaction_pooler {
            return Err(LedgerError::DirectAddressNeeded);
        }
        let mut connection = self.acquire().await?.detach();
        sqlx::raw_sql(NO_LIMITS).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// Does `call` in the transaction that `begin` begins, if any. One that failed is left open.
async fn within<T, E: Into<LedgerError>>(
    begin: Option<&'static str>,
    connection: &mut LedgerConnection,
    call: impl AsyncFnOnce(&mut LedgerConnection) -> Result<T, E>,
) -> Result<T, LedgerError> {
    let Some(begin) = begin else {
        return call(connection).await.map_err(Into::into);
    };
    sqlx::raw_sql(begin).execute(&mut *connection).await?;
    let answer = call(&mut *connection).await.map_err(Into::into)?;
    sqlx::raw_sql("COMMIT").execute(connection).await?;
    Ok(answer)
}

/// Whether the connection, or where it leads to, is bad. A server that takes no writes is a former
/// primary: another connection may lead to the new one.
fn speaks_of_the_server(error: &LedgerError) -> bool {
    matches!(
        error.fault(),
        Fault::Server(WaitReason::Unreachable | WaitReason::ReadOnly)
    )
}

/// Whether an idle connection may be used: its server answers, and is still the primary. A query
/// that only reads would never find out that it is not.
async fn is_good(connection: &mut PgConnection, primary: Option<&Primary>) -> bool {
    let Some(primary) = primary else {
        return answers(connection).await;
    };
    let is_good = matches!(
        timeout(PING_LIMIT, takes_writes(connection)).await,
        Ok(Ok(true))
    );
    if !is_good {
        primary.doubt();
    }
    is_good
}

async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(PING_LIMIT, connection.ping()).await, Ok(Ok(())))
}

async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // A server that refuses a setting is better than none.
    if let Err(error) = sqlx::raw_sql(SESSION_SETTINGS).execute(connection).await {
        tracing::debug!(%error, "PostgreSQL refuses the settings of a session: {error}");
    }
    Ok(())
}
