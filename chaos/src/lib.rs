//! Breaks one thing after another under a running sale, and has the laws judged.
//!
//! A round is a whole system of its own ([`world`]): two gateways, two workers, the control loop
//! (`flashsale up` without gateways and workers of its own), PostgreSQL and Redis, and between any
//! program and any store a [`FaultProxy`](flashsale_testbed::fault_proxy::FaultProxy). A crowd buys
//! ([`load`]), one lane is kept deep, so that a worker has batches sent ahead at any instant. Then
//! one of the [`faults`] happens, and [`flow`] watches how long the lanes and the gateways stand
//! still. Where orders have to be paid, shoppers pay at a stand-in for the provider (`payments`). In the end `flashsale check` judges what the crowd was told, with both stores ([`judge`]).
//!
//! [`compatibility`] has another program, which runs a sale on each combination of stores, and
//! [`overload`] one that attacks a gateway and offers it more than it can take.
//!
//! It is a program of its own and not a test of `e2e`, because it runs for an hour, knows nothing
//! of Kubernetes, and its rounds add up over runs in a file; its short form is an ordinary test.

pub mod compatibility;
pub mod error;
pub mod faults;
pub mod files;
pub mod flow;
mod inject;
pub mod judge;
pub mod load;
mod metrics;
pub mod names;
pub mod namespace;
pub mod overload;
mod payments;
pub mod results;
pub mod round;
mod sale;
pub mod stores;
mod timeline;
pub mod world;
