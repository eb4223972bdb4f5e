//! docs/backup.md on real servers: each store restored in mid-sale, and both.
//!
//! A load goes on all the time and writes its history, by which `flashsale check` judges afterwards
//! what shoppers were told.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

mod command_line;
mod shop;
mod stores;
