//! What can be set about a worker.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use flashsale_domain::id::SaleId;
use flashsale_transport::StoreUrl;

/// Where the worker finds its queue and its ledger.
#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    /// Redis: `redis://[:PASSWORD@]HOST:PORT[/DB]`,
    /// `redis+sentinel://[:PASSWORD@]HOST:PORT,…/NAME[/DB]`, or
    /// `redis+cluster://[:PASSWORD@]HOST:PORT,…`; `rediss` for TLS.
    #[arg(long, env = "FLASHSALE_REDIS_URL", hide_env_values = true)]
    pub redis_url: StoreUrl,

    /// Directory with private certificates for TLS with Redis and its Sentinels: `ca.crt` (the
    /// authority that signed theirs), `tls.crt` and `tls.key` (what is shown to them); each may be
    /// missing. Changed files are used without a restart.
    #[arg(long, env = "FLASHSALE_REDIS_TLS", value_name = "DIR")]
    pub redis_tls: Option<PathBuf>,

    /// PostgreSQL: `postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/DATABASE[?sslmode=verify-full]`.
    /// Of several hosts the one that takes writes is used.
    #[arg(long, env = "FLASHSALE_DATABASE_URL", hide_env_values = true)]
    pub database_url: StoreUrl,

    /// Directory with private certificates for TLS with PostgreSQL: `ca.crt` (the authority that
    /// signed its certificate), `tls.crt` and `tls.key` (what is shown to it); each may be missing.
    /// Changed files are used without a restart.
    #[arg(long, env = "FLASHSALE_DATABASE_TLS", value_name = "DIR")]
    pub database_tls: Option<PathBuf>,

    /// Set behind a pooler in transaction mode (PgBouncer, Neon's -pooler hosts): each call is then
    /// one transaction, and no statement is kept prepared.
    #[arg(long, env = "FLASHSALE_DATABASE_TRANSACTION_POOLER")]
    pub database_transaction_pooler: bool,
}

/// Which lanes the worker drives, and how.
#[derive(Debug, Clone, Args)]
pub struct LaneArgs {
    /// Drive only the lanes of this sale; may be given several times. Without it: of all sales.
    #[arg(long = "sale", env = "FLASHSALE_SALE", value_delimiter = ',')]
    pub sales: Vec<SaleId>,

    /// Lanes (products) driven at once; each takes one database connection while it settles, and
    /// the worker two more.
    #[arg(long, env = "FLASHSALE_LANES", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub lanes: u32,

    /// Jobs in one transaction at most. Without it: what the sale says.
    #[arg(long, env = "FLASHSALE_BATCH_SIZE", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: Option<u32>,
}

/// Where the worker serves health and metrics.
#[derive(Debug, Clone, Args)]
pub struct ProbeArgs {
    /// Address of `/healthz`, `/readyz` and `/metrics`. `[::]` is every address of this host, over
    /// IPv6 and IPv4; 0.0.0.0 where the system has no IPv6.
    #[arg(long, env = "FLASHSALE_PROBES_LISTEN", default_value = "[::]:9091")]
    pub probes_listen: SocketAddr,
}
