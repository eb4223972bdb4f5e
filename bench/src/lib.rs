//! Measures how fast the system is beside the limits of the machine it runs on, in one run.
//!
//! A figure alone says more about the machine than about the system. So each is taken in turn with
//! a limit, what the same machine does when only the indispensable part of the work is left, and
//! shown as a share of it:
//!
//! | part | measures | its limit |
//! |---|---|---|
//! | [`settlement`] | workers settling a lane that was filled before | [`pgbench`] inserting the same rows |
//! | [`prefill`] | the turnstile's script in full calls | the same writes as plain pipelined commands |
//! | [`acknowledgement`] | `POST /buy` at a real gateway | [`empty_route`], an axum route that does nothing |
//! | [`memory`] | gateway, worker and Redis with 100,000 jobs queued | fixed targets |
//!
//! Servers are private ones with the settings that `flashsale up` gives them, everything durable.
//! What was settled is held against the ledger after each run: a fast figure of a wrong result is
//! an error.

pub mod acknowledgement;
pub mod arguments;
pub mod children;
pub mod empty_route;
pub mod error;
pub mod figures;
pub mod gate;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod outcomes;
pub mod pgbench;
pub mod plain_writes;
pub mod prefill;
pub mod probe;
pub mod processor;
pub mod report;
pub mod run;
pub mod session;
pub mod settlement;
pub mod shop;
pub mod stores;
pub mod targets;
pub mod verification;
pub mod wrk;
