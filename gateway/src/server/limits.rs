//! How many connections there may be, from what the process may use, and how long a client may
//! keep one waiting.

use std::time::Duration;

use crate::config::ConnectionConfig;

/// Files kept for everything else: probes, Redis, PostgreSQL, the event loop, connections that are
/// being refused.
const RESERVED_FILES: u64 = 256;

/// The least that is kept where the limit is so low that [`RESERVED_FILES`] would leave little.
const LEAST_RESERVED_FILES: u64 = 64;

/// Memory that a connection is reckoned with, in bytes. A shopper's with a socket takes 18 kB
/// (docs/performance.md), one in the middle of a large head some more.
const MEMORY_EACH: u64 = 32 * 1024;

/// The share of all connections that one address may have, as a divisor. Generous, since thousands
/// of shoppers share a carrier's address; and yet four such addresses are needed to take all.
const ADDRESSES: usize = 4;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one client's address.
    pub per_address: usize,
    /// Connections that may be refused at a time with an answer; further ones are closed without.
    pub refusals: usize,
}

/// How long a client may keep its connection waiting.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Without a request.
    pub idle: Duration,
    /// For the rest of a head.
    pub head: Duration,
    /// To take some of what is sent.
    pub write: Duration,
}

impl ConnectionLimits {
    /// The limits of `config`, or what the limit of open files and the memory limit in bytes, where
    /// there is one, allow.
    pub fn new(config: &ConnectionConfig, open_files: u64, memory: Option<u64>) -> Self {
        let reserved = (open_files / 4).clamp(LEAST_RESERVED_FILES, RESERVED_FILES);
        let by_files = open_files.saturating_sub(reserved);
        let by_memory = memory.map_or(u64::MAX, |bytes| bytes / MEMORY_EACH);
        let by_system = usize::try_from(by_files.min(by_memory)).unwrap_or(usize::MAX);
        let total = config.max_connections.unwrap_or(by_system).max(1);
        let per_address = config.connections_per_address;
        Self {
            total,
            per_address: per_address.unwrap_or(total / ADDRESSES).max(1),
            refusals: usize::try_from(reserved / 4).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        connections: ConnectionConfig,
    }

    fn limits(arguments: &[&str], open_files: u64, memory: Option<u64>) -> ConnectionLimits {
        let arguments = [&["gateway"], arguments].concat();
        let config = Arguments::parse_from(arguments).connections;
        ConnectionLimits::new(&config, open_files, memory)
    }

    #[test]
    fn files_and_memory_are_kept_for_the_rest() {
        for (open_files, memory, total) in [
            (1_024, None, 768),
            (100, None, 36),
            (10, None, 1),
            (524_288, Some(512 << 20), 16_384),
            (1_024, Some(512 << 20), 768),
        ] {
            let limits = limits(&[], open_files, memory);
            assert_eq!(limits.total, total, "{open_files} files, {memory:?} bytes");
            assert_eq!(limits.per_address, (total / 4).max(1));
        }
    }

    #[test]
    fn what_is_configured_goes_before() {
        let limits = limits(
            &["--max-connections=5000", "--connections-per-address=7"],
            1_024,
            None,
        );
        assert_eq!((limits.total, limits.per_address), (5_000, 7));
    }
}
