//! Sales go on while operators come and go.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and says where"
)]

mod crashes;
mod handover;
mod opening;
