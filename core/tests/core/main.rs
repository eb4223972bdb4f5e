//! The ledger, the turnstile, lanes and what a control loop reads, on a real PostgreSQL and a real
//! Redis.

mod acknowledgements;
mod audits;
mod catalogue;
mod channels;
mod cluster;
mod connections;
mod dead_letters;
mod deadlines;
mod durability;
mod failover;
mod leases;
mod ledger;
mod looks;
mod poolers;
mod recovery;
mod relay;
mod replication;
mod retirement;
mod retries;
mod rights;
mod scene;
mod sentinel;
mod tls;
mod turnstile;
