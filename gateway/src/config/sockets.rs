//! How many sockets there may be.

use std::{num::NonZeroU32, time::Duration};

use clap::Args;

/// What sockets may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sockets")]
pub struct SocketConfig {
    /// Sockets that may be open at a time, over WebSocket and polling; a further one is answered
    /// 503. Default: as many as --max-connections.
    #[arg(long, env = "FLASHSALE_MAX_SOCKETS", value_name = "SOCKETS")]
    pub max_sockets: Option<NonZeroU32>,

    /// Sockets that may be open before they say whose they are; a further one is answered 503. One
    /// address may have a quarter of them. Default: a quarter of --max-sockets.
    #[arg(long, env = "FLASHSALE_MAX_PENDING_SOCKETS", value_name = "SOCKETS")]
    pub max_pending_sockets: Option<NonZeroU32>,

    /// Sockets that one shopper may have; a further one is refused.
    #[arg(
        long,
        env = "FLASHSALE_SOCKETS_PER_SHOPPER",
        value_name = "SOCKETS",
        default_value = "20"
    )]
    pub sockets_per_shopper: NonZeroU32,

    /// Seconds within which a socket has to say whose it is, after which it is closed.
    #[arg(
        long,
        env = "FLASHSALE_SOCKET_CONNECT_TIMEOUT_SECONDS",
        value_name = "SECONDS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub socket_connect_timeout_seconds: u64,

    /// True offers sockets over WebSocket only. Polling costs several requests for each event, and
    /// needs a load balancer that keeps a client at one gateway.
    #[arg(
        long,
        env = "FLASHSALE_WEBSOCKET_ONLY",
        value_name = "BOOL",
        default_value_t = false,
        num_args = 0..=1,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub websocket_only: bool,
}

impl SocketConfig {
    /// How long a socket may take to say whose it is.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.socket_connect_timeout_seconds)
    }
}
