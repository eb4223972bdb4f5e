//! The words that every plane of flashsale shares, and the rules about them.
//!
//! A **sale** offers a few **products** between two instants. Shoppers' **buys** pass the
//! **turnstile** (one Redis script), wait as **jobs** in the **lane** of their product (a Redis
//! stream) and are settled in batches by the **ledger** (one locked PostgreSQL transaction).
//!
//! Everything here is pure: no Redis, no SQL, no clock, no I/O. Rules take what was read as values and
//! answer what to do: [`lifecycle`] (what state is a sale in at an instant), [`scaling`] (how many
//! workers), [`control`] (what is to be done about a sale from second to second),
//! [`durability`] (what stores keep through a crash) and [`sale::validation`].

pub mod control;
pub mod durability;
pub mod event;
pub mod id;
pub mod job;
pub mod lifecycle;
pub mod observation;
pub mod order;
pub mod outcome;
mod reasons;
pub mod sale;
pub mod scaling;
pub mod stock;
mod words;
