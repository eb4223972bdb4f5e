//! Measures how fast the system is beside the limits of the machine it runs on, in one run.
//!
//! A figure alone says more about the machine than about the system. So each is taken in turn with
//! a limit, what the same machine does when only the indispensable part of the work is left, and
//! shown as a share of it:
//!
//! | part | measures | its limit |
//! |---|---|---|
//! | [`settlement`] | workers settling a lane that was filled before | [`plain_batches`]: the same arrays by plain statements, also `COPY` and [`pgbench`] |
//! | [`settlement`] | the same with PostgreSQL away ([`distance`]) | the plain statements at the same distance |
//! | [`prefill`] | the turnstile's script in full calls | the same writes as plain pipelined commands |
//! | [`acknowledgement`] | `POST /buy` at a real gateway | [`empty_route`], an axum route that does nothing |
//! | [`acknowledgement`] | the same at fixed rates ([`open_loop`]) | the empty route at the same rate |
//! | [`redis_benchmark`] | the turnstile's script alone, one buy a call | itself a limit |
//! | [`confirmation`] | buy to `order_confirmed` on the shopper's socket | fixed targets |
//! | [`broadcast`] | 10,000 sockets: memory, a stock update to all, confirmations among them | fixed targets |
//! | [`memory`] | gateway, worker and Redis with 100,000 jobs queued | fixed targets |
//! | [`peer`] | gateway and worker of the usual stack, Express and BullMQ | ours in turn with them |
//! | [`growth`] | a sale ten and a hundred times as large | the same at its smallest |
//!
//! [`baseline`] is what was reached once: a short form of the same measurements is held against it.
//!
//! Servers are private ones with the settings that `flashsale up` gives them, everything durable.
//! What was settled is held against the ledger after each run: a fast figure of a wrong result is
//! an error.

pub mod acknowledgement;
pub mod arguments;
pub mod baseline;
pub mod broadcast;
pub mod children;
pub mod confirmation;
pub mod crowd;
pub mod distance;
pub mod empty_route;
pub mod error;
pub mod figures;
pub mod gate;
pub mod growth;
pub mod latencies;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod open_files;
pub mod open_loop;
pub mod outcomes;
pub mod peer;
pub mod pgbench;
pub mod plain_batches;
pub mod plain_writes;
pub mod prefill;
pub mod processor;
pub mod redis_benchmark;
pub mod report;
pub mod run;
pub mod session;
pub mod settlement;
pub mod shop;
pub mod stores;
pub mod targets;
pub mod tls;
pub mod tokens;
pub mod verification;
pub mod wrk;
