//! How many connections there may be, and how long each may take.

use std::{num::NonZeroU32, time::Duration};

use clap::Args;
use flashsale_telemetry::memory;

/// What connections of shoppers may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionConfig {
    /// Connections that may be open at a time; a further one is answered 503 and closed. Default:
    /// the limit of open files less a reserve of 256, at most one for each 32 KiB of the memory
    /// limit.
    #[arg(long, env = "FLASHSALE_MAX_CONNECTIONS", value_name = "CONNECTIONS")]
    pub max_connections: Option<NonZeroU32>,

    /// Connections that may be open from one address at a time (IPv6: from one /64); a further one
    /// is answered 503 and closed. Not limited are --trusted-proxies, `127.0.0.1`, `::1` and, where no
    /// proxies are named, private addresses. Default: a quarter of --max-connections.
    #[arg(
        long,
        env = "FLASHSALE_CONNECTIONS_PER_ADDRESS",
        value_name = "CONNECTIONS"
    )]
    pub connections_per_address: Option<NonZeroU32>,

    /// Memory in bytes that the gateway may have: above 80 % of it no further connections are taken.
    /// Default: the limit of its control group, which is a container's memory limit.
    #[arg(
        long,
        env = "FLASHSALE_MEMORY_LIMIT_BYTES",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub memory_limit_bytes: Option<u64>,

    /// Seconds that the head of a request may take from its first byte to its last; later it is
    /// answered 408.
    #[arg(
        long,
        env = "FLASHSALE_HEAD_TIMEOUT_SECONDS",
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub head_timeout_seconds: u64,

    /// Seconds after which a connection is cut off whose client takes none of what is sent to it,
    /// sockets included.
    #[arg(
        long,
        env = "FLASHSALE_WRITE_TIMEOUT_SECONDS",
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub write_timeout_seconds: u64,
}

impl ConnectionConfig {
    /// How much memory there may be in use, in bytes; none where there is no limit.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory_limit_bytes.or_else(memory::limit_bytes)
    }

    /// How long a head may take.
    #[must_use]
    pub fn head_timeout(&self) -> Duration {
        Duration::from_secs(self.head_timeout_seconds)
    }

    /// How long a write may make no progress.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.write_timeout_seconds)
    }
}
