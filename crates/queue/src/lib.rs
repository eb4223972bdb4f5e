//! The Redis side of a sale: its record, the turnstile, lanes with their leases and retries, stock and
//! outcomes as shoppers are told them, and connections.
//!
//! All that must happen at once in Redis is one script here. This crate knows neither PostgreSQL nor
//! HTTP nor Kubernetes.

pub mod answers;
pub mod catalogue;
pub mod connect;
pub mod dead_letter;
pub mod durability;
pub mod figures;
pub mod keys;
pub mod lane;
pub mod lease;
pub mod observation;
pub mod orders;
pub mod retry;
pub mod scan;
pub mod stock;
pub mod turnstile;
