//! The flags by which hand tools find Redis and PostgreSQL, and the connections behind them.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use flashsale_ledger::{Ledger, LedgerConfig};
use flashsale_queue::connect::{self, DedicatedConnection};
use flashsale_transport::{StoreUrl, TlsSource};

use crate::{error::ToolError, reach};

/// Longest wait for one answer of Redis. Hand tools read long streams from servers that may be
/// busy or far away; nobody is kept from buying meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections to PostgreSQL that a hand tool may use at once.
const LEDGER_CONNECTIONS: u32 = 4;

/// Where Redis is.
#[derive(Debug, Clone, Args)]
pub(crate) struct RedisArgs {
    /// Redis: redis://[:PASSWORD@]HOST:PORT[/DB],
    /// redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB], or
    /// redis+cluster://[:PASSWORD@]HOST:PORT,…; rediss for TLS.
    #[arg(
        long,
        env = "FLASHSALE_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    redis_url: StoreUrl,

    #[command(flatten)]
    tls: RedisTlsArgs,
}

/// What is trusted of Redis and shown to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct RedisTlsArgs {
    /// Directory with private certificates for TLS with Redis and its Sentinels: ca.crt (the
    /// authority that signed theirs), tls.crt and tls.key (what is shown to them); each may be
    /// missing.
    #[arg(long, env = "FLASHSALE_REDIS_TLS", value_name = "DIR")]
    pub(crate) redis_tls: Option<PathBuf>,
}

/// What is trusted of PostgreSQL and shown to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct LedgerTlsArgs {
    /// Directory with private certificates for TLS with PostgreSQL: ca.crt (the authority that
    /// signed its certificate), tls.crt and tls.key (what is shown to it); each may be missing.
    #[arg(long, env = "FLASHSALE_DATABASE_TLS", value_name = "DIR")]
    pub(crate) database_tls: Option<PathBuf>,
}

/// Where PostgreSQL is.
#[derive(Debug, Clone, Args)]
pub(crate) struct LedgerArgs {
    /// PostgreSQL: postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE, with
    /// `?sslmode=verify-full` for TLS. Of several hosts the one that takes writes is used.
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: StoreUrl,

    #[command(flatten)]
    connection: LedgerConnectionArgs,
}

/// Where PostgreSQL is, for what can be done without it.
#[derive(Debug, Clone, Args)]
pub(crate) struct OptionalLedgerArgs {
    /// PostgreSQL: postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE, with
    /// `?sslmode=verify-full` for TLS.
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    database_url: Option<StoreUrl>,

    #[command(flatten)]
    connection: LedgerConnectionArgs,
}

/// How PostgreSQL is connected to, wherever it is.
#[derive(Debug, Clone, Args)]
pub(crate) struct LedgerConnectionArgs {
    #[command(flatten)]
    pub(crate) tls: LedgerTlsArgs,

    /// True behind a pooler in transaction mode (PgBouncer, Neon's -pooler hosts).
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_TRANSACTION_POOLER",
        value_name = "BOOL",
        default_value_t = false,
        num_args = 0..=1,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(crate) database_transaction_pooler: bool,
}

/// Where PostgreSQL itself is, if the other address leads to a pooler.
#[derive(Debug, Clone, Args)]
pub(crate) struct DirectArgs {
    /// PostgreSQL's own address, for changes of the schema when the other one leads to a pooler in
    /// transaction mode. Default: the other one.
    #[arg(
        long,
        env = "FLASHSALE_DATABASE_DIRECT_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) database_direct_url: Option<StoreUrl>,
}

/// Where both stores are.
#[derive(Debug, Clone, Args)]
pub(crate) struct StoresArgs {
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    redis: RedisArgs,
}

impl StoresArgs {
    /// Both, seen to answer before anything is done with either.
    pub(crate) async fn connect(&self) -> Result<(DedicatedConnection, Ledger), ToolError> {
        Ok((self.redis.connect().await?, self.ledger.connect().await?))
    }
}

impl RedisArgs {
    /// A connection; the error says when Redis does not answer.
    pub(crate) async fn connect(&self) -> Result<DedicatedConnection, ToolError> {
        let tls = TlsSource::directory(self.tls.redis_tls.as_deref());
        let client = connect::redis_client_with(&self.redis_url, &tls)?;
        Ok(connect::blocking(&client, PATIENCE)
            .await
            .map_err(connect::ConnectError::Redis)?)
    }
}

impl LedgerArgs {
    /// The ledger, seen to answer.
    pub(crate) async fn connect(&self) -> Result<Ledger, ToolError> {
        reached(&self.config()).await
    }

    /// The ledger at its own address, seen to answer: the schema can be changed there.
    pub(crate) async fn connect_directly(&self, direct: &DirectArgs) -> Result<Ledger, ToolError> {
        let direct = direct.database_direct_url.as_deref();
        reached(&self.config().direct(direct)).await
    }

    fn config(&self) -> LedgerConfig {
        self.connection.config(&self.database_url)
    }
}

impl OptionalLedgerArgs {
    /// The ledger, seen to answer; none where no address was given.
    pub(crate) async fn connect(&self) -> Result<Option<Ledger>, ToolError> {
        match &self.database_url {
            Some(url) => reached(&self.connection.config(url)).await.map(Some),
            None => Ok(None),
        }
    }
}

impl LedgerConnectionArgs {
    /// How PostgreSQL at `url` is used by a hand tool.
    pub(crate) fn config(&self, url: &str) -> LedgerConfig {
        LedgerConfig {
            url: url.into(),
            tls: TlsSource::directory(self.tls.database_tls.as_deref()),
            connections: LEDGER_CONNECTIONS,
            transaction_pooler: self.database_transaction_pooler,
            ping_before_use: true,
            bounds: None,
        }
    }
}

/// The ledger of `config`, seen to answer.
pub(crate) async fn reached(config: &LedgerConfig) -> Result<Ledger, ToolError> {
    let ledger = Ledger::open(config)?;
    reach::ledger(&ledger).await?;
    Ok(ledger)
}
