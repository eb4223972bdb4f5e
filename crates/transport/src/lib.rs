//! What connections to Redis and to PostgreSQL have in common: certificates, and relays that bound what
//! a store may send.

mod relay;
mod renewal;
mod store_url;
mod tcp;
pub mod tls;

pub use relay::{Relay, ReplyBounds};
pub use renewal::Renewal;
pub use store_url::StoreUrl;
pub use tcp::{CONNECT_TIMEOUT, apply_tcp_settings, tcp_settings};
pub use tls::{RELOAD_INTERVAL, TlsError, TlsSource};
