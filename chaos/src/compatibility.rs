//! Sells to 20,000 shoppers on each combination of stores that is supported, and has the laws judged.
//!
//! A [`Combination`] names the servers and how they stand: alone, behind Sentinels or a pooler, as a
//! Redis Cluster, as a primary with a standby. Each is played by a process of its own ([`play`]), whose
//! environment names the programs of the servers, so that a combination that hangs can be ended with
//! all that it started ([`run`]). Where servers can fail over, they do so in mid-sale, once or many
//! times ([`disturbance`]).

pub mod combinations;
pub mod disturbance;
mod failovers;
pub mod play;
mod replication;
pub mod report;
pub mod run;
pub mod servers;
pub mod stores;
mod tls;
mod without_certificate;

pub use combinations::Combination;
