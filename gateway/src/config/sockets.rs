//! How many sockets there may be.

use std::time::Duration;

use clap::Args;

use super::flags::{at_least_one, seconds};

/// What sockets may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sockets")]
pub struct SocketConfig {
    /// Sockets that may be open at a time, over WebSocket and polling; a further one is answered
    /// 503. Default: as many as --max-connections.
    #[arg(long, value_name = "SOCKETS", value_parser = at_least_one)]
    pub max_sockets: Option<usize>,

    /// Sockets that may be open before they say whose they are; a further one is answered 503. One
    /// address may have a quarter of them. Default: a quarter of --max-sockets.
    #[arg(long, value_name = "SOCKETS", value_parser = at_least_one)]
    pub max_pending_sockets: Option<usize>,

    /// Sockets that one shopper may have; a further one is refused.
    #[arg(long, value_name = "SOCKETS", default_value = "20", value_parser = at_least_one)]
    pub sockets_per_shopper: usize,

    /// Seconds within which a socket has to say whose it is, after which it is closed.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=600))]
    pub socket_connect_timeout: Duration,

    /// True offers sockets over WebSocket only. Polling costs several requests for each event, and
    /// needs a load balancer that keeps a client at one gateway.
    #[arg(long)]
    pub websocket_only: bool,
}
