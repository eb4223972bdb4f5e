//! The words that every plane of flashsale shares.
//!
//! A **sale** offers a few **products** between two instants. Shoppers' **buys** pass the
//! **turnstile** (one Redis script), wait as **jobs** in the **lane** of their product (a Redis
//! stream) and are settled in batches by the **ledger** (one locked PostgreSQL transaction).
//!
//! This crate knows Redis and PostgreSQL, because scripts and transactions are part of the
//! domain's laws, but neither HTTP nor Kubernetes nor command lines. What can be pure is pure:
//! [`lifecycle`] (what state is a sale in at an instant), [`scaling`] (how many workers),
//! [`control`] (what is to be done about a sale from second to second) and [`sale::validation`].

pub mod audit;
pub mod catalogue;
pub mod connect;
pub mod control;
pub mod dead_letter;
pub mod durability;
pub mod event;
pub mod fault_point;
pub mod figures;
pub mod id;
pub mod job;
pub mod keys;
pub mod lane;
pub mod lease;
pub mod ledger;
pub mod lifecycle;
pub mod observation;
pub mod outcome;
mod reasons;
pub mod recovery;
pub mod retirement;
pub mod retry;
pub mod sale;
pub mod scaling;
pub mod stock;
pub mod turnstile;
