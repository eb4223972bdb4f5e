//! The hand tools: everything on one machine, load, audit, validation, dead letters.
//!
//! [`command`] is what people type; the rest is what the commands are made of: [`manifest`] reads
//! and judges FlashSale files, [`up`] drives sales on the services of one machine, [`load`] plays
//! the crowd and writes its [`history`], which [`check`] judges.

pub mod audit_report;
pub mod check;
pub mod command;
mod connection;
mod crowd;
pub mod display;
pub mod error;
pub mod history;
mod http_client;
mod laws;
pub mod load;
pub mod manifest;
pub mod progress;
mod reach;
pub mod up;
pub mod view;
