//! What the tests of the whole share: real servers, sales to sell, and shoppers.
//!
//! One PostgreSQL serves all tests of a test program, each with a database of its own; every test
//! has its own Redis. Nothing here is a stand-in for a real part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot set itself up has failed, and says where"
)]

pub mod cluster;
pub mod crowd;
pub mod definition;
pub mod javascript;
pub mod laws;
pub mod operator;
pub mod processes;
pub mod prometheus;
pub mod readiness;
pub mod schema;
pub mod shopping;

pub use flashsale_testbed::fixtures::{patience, poison, queue, sales, services};
