//! The gateway against real Redis and PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test takes for granted; clippy.toml allows it in tests, not in what they call"
)]
#![allow(
    unreachable_pub,
    reason = "the modules of a test binary are seen by nobody else"
)]

mod clients;
mod connections;
mod contract;
mod events;
mod http;
mod identity;
mod malformed;
mod open_files;
mod openapi;
mod operations;
mod orders;
mod outages;
mod overload;
mod passes;
mod paying;
mod payments;
mod probes;
mod replicas;
mod roles;
mod sales;
mod session;
mod sessions;
mod several_gateways;
mod shutdown;
mod socket_protocol;
mod socket_requests;
mod storefront;
mod support;
mod timing;
mod tls;
