//! A process dies or stops exactly between two steps that are not one, with another one beside it:
//! one module for each of `flashsale_fault_point`, by its name.
//!
//! The binaries have to be built with the same feature:
//! `cargo build --workspace --bins --features fault-points`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says where"
)]

mod after_acknowledgement_before_event;
mod after_claim_before_transaction;
mod after_commit_before_acknowledgement;
mod after_script_before_answer;
mod between_renewals;
mod hearing;
mod market;
