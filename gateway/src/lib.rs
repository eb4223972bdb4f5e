//! The gateway: HTTP and Socket.io in front of the turnstile.
//!
//! A buy passes `buy` (what the shopper asked), `catalogue` (which sale offers it), `intake` (one
//! call of the turnstile for many) and is answered at once. What becomes of it arrives by
//! `events` and leaves by `sockets`, or is asked for at `orders`. No buy opens a database
//! transaction here.

mod body;
mod bounded;
pub mod buy;
pub mod catalogue;
mod client;
pub mod config;
mod cross_origin;
pub mod events;
pub mod front;
pub mod identity;
pub mod intake;
mod json;
pub mod lane_collector;
pub mod lane_ticker;
mod log_budget;
pub mod metrics;
pub mod openapi;
pub mod operations;
pub mod orders;
pub mod pass;
pub mod payments;
mod places;
pub mod problem;
pub mod process;
pub mod request_id;
pub mod routes;
pub mod sale_status;
pub mod sales;
mod schemas;
pub mod server;
pub mod session;
pub mod sockets;
pub mod state;
pub mod stock_ticker;
pub mod stocks;
pub mod storefront;
mod unix_time;
