//! Redis and PostgreSQL.

use std::path::PathBuf;

use clap::Args;
use flashsale_ledger::LedgerConfig;
use flashsale_transport::{StoreUrl, TlsSource};

use super::flags::number;

/// Where Redis and PostgreSQL are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Stores")]
pub struct StoresConfig {
    /// Redis: redis://[:PASSWORD@]HOST:PORT[/DB],
    /// redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB], or
    /// redis+cluster://[:PASSWORD@]HOST:PORT,…; rediss for TLS.
    #[arg(long, value_name = "URL", required = true, hide_env_values = true)]
    pub redis_url: Option<StoreUrl>,

    /// Directory with private certificates for TLS with Redis and its Sentinels: ca.crt (the
    /// authority that signed theirs), tls.crt and tls.key (what is shown to them); each may be
    /// missing. Changed files are used without a restart.
    #[arg(long, value_name = "DIR")]
    pub redis_tls: Option<PathBuf>,

    /// PostgreSQL: postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE, with
    /// `?sslmode=verify-full` for TLS. Of several hosts the one that takes writes is used. Only asked for orders that Redis no longer knows.
    #[arg(long, value_name = "URL", required = true, hide_env_values = true)]
    pub database_url: Option<StoreUrl>,

    /// Directory with private certificates for TLS with PostgreSQL: ca.crt (the authority that
    /// signed its certificate), tls.crt and tls.key (what is shown to it); each may be missing.
    /// Changed files are used without a restart.
    #[arg(long, value_name = "DIR")]
    pub database_tls: Option<PathBuf>,

    /// True behind a PostgreSQL pooler in transaction mode (`PgBouncer`, Neon's `-pooler` hosts).
    #[arg(long)]
    pub database_transaction_pooler: bool,

    /// Most connections to PostgreSQL.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = number(1..=100))]
    pub database_connections: u32,

    /// Most pooled connections to Redis for everything but buys, which share one of their own.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = number(1..=1000))]
    pub redis_connections: u32,
}

impl StoresConfig {
    /// The address of Redis; empty only where serving was not asked for.
    pub fn redis_url(&self) -> &str {
        self.redis_url.as_deref().unwrap_or_default()
    }

    /// Private certificates for Redis.
    pub fn redis_tls(&self) -> TlsSource {
        TlsSource::directory(self.redis_tls.as_deref())
    }

    /// How to reach the ledger.
    pub fn ledger(&self) -> LedgerConfig {
        LedgerConfig {
            url: self.database_url.clone().unwrap_or_else(|| "".into()),
            tls: TlsSource::directory(self.database_tls.as_deref()),
            connections: self.database_connections,
            transaction_pooler: self.database_transaction_pooler,
            ping_before_use: true,
            bounds: None,
        }
    }
}
