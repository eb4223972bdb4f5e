//! Do the laws hold on what a load sent and heard? `flashsale check`.
//!
//! [`facts`] folds histories into what they say of each job, key and product, [`snapshot`] reads
//! both stores into [`stores`], and [`judge`] compares the two. Judging is a pure function of those
//! and of the [`circumstances`] that the caller tells, and is tested on generated sales: planted
//! violations are found, and there is no false alarm. [`report`] puts a [`verdict`] into words.

pub mod circumstances;
mod clock;
pub mod facts;
pub mod judge;
pub mod report;
pub mod snapshot;
pub mod stores;
pub mod verdict;
