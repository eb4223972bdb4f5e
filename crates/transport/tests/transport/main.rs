//! TLS and relays, with both client libraries and real servers.

mod relay;
mod tls;
