//! How many connections there may be, and how long each may take.

use std::time::Duration;

use clap::{Args, value_parser};
use flashsale_telemetry::memory;

use super::flags::{at_least_one, seconds};

/// What connections of shoppers may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionConfig {
    /// Connections that may be open at a time; a further one is answered 503 and closed. Default:
    /// the limit of open files less a reserve of 256, at most one for each 32 KiB of the memory
    /// limit.
    #[arg(long, value_name = "CONNECTIONS", value_parser = at_least_one)]
    pub max_connections: Option<usize>,

    /// Connections that may be open from one address at a time (IPv6: from one /64); a further one
    /// is answered 503 and closed. Not limited are --trusted-proxies, `127.0.0.1`, `::1` and, where no
    /// proxies are named, private addresses. Default: a quarter of --max-connections.
    #[arg(long, value_name = "CONNECTIONS", value_parser = at_least_one)]
    pub connections_per_address: Option<usize>,

    /// Memory in bytes that the gateway may have: above 80 % of it no further connections are taken.
    /// Default: the limit of its control group, which is a container's memory limit.
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..))]
    pub memory_limit_bytes: Option<u64>,

    /// Seconds that the head of a request may take from its first byte to its last; later it is
    /// answered 408.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=600))]
    pub head_timeout: Duration,

    /// Seconds after which a connection is cut off whose client takes none of what is sent to it,
    /// sockets included.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds(1..=600))]
    pub write_timeout: Duration,
}

impl ConnectionConfig {
    /// How much memory there may be in use, in bytes; none where there is no limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory_limit_bytes.or_else(memory::limit_bytes)
    }
}
