//! What measurements start from: servers, programs, sales, and what came of them.

mod lane_hold;
pub(crate) mod outcomes;
pub(crate) mod programs;
pub(crate) mod shop;
mod stores;
pub(crate) mod verification;

pub(crate) use lane_hold::{Drained, LaneHold};
pub(crate) use programs::Way;
pub(crate) use stores::{Stores, Used};
