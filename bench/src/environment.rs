//! What measurements start from: servers, programs, sales, and what came of them.

pub(crate) mod lane_hold;
pub(crate) mod outcomes;
pub(crate) mod programs;
pub(crate) mod shop;
pub(crate) mod stores;
pub(crate) mod verification;
