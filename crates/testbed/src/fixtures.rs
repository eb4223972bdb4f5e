//! What tests start from: stores with a fresh ledger, sales to sell, and buys of them.
//!
//! One PostgreSQL serves all tests of a test program, each with a database of its own; every test
//! has its own Redis. For tests alone: what cannot be set up panics, and says where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot set itself up has failed, and says where"
)]

pub mod patience;
pub mod poison;
pub mod queue;
pub mod roles;
pub mod sales;
pub mod services;
