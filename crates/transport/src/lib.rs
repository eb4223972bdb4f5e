//! What connections to Redis and to PostgreSQL have in common: certificates, and relays that bound what
//! a store may send.

mod relay;
mod renewal;
mod store_url;
mod tcp;
pub mod tls;

use std::time::Duration;

pub use relay::{Relay, ReplyBounds};
pub use renewal::Renewal;
pub use store_url::{StoreUrl, without_login};
pub use tcp::{apply_tcp_settings, tcp_settings};
pub use tls::{RELOAD_INTERVAL, TlsError, TlsSource};

/// How long connecting to Redis may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
