//! Connections, the catalogue, the turnstile, lanes and what a control loop reads, on a real Redis.

mod acknowledgements;
mod catalogue;
mod channels;
mod cluster;
mod connections;
mod dead_letters;
mod durability;
mod leases;
mod looks;
mod orders;
mod replication;
mod retries;
mod rights;
mod scene;
mod sentinel;
mod turnstile;
