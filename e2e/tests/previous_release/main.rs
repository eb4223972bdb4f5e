//! Programs of the previous release beside those of this one, on the same stores: `make compat-schema`.
//!
//! The previous release is a commit that `scripts/previous-release` names and builds. The tests are
//! ignored where its programs are not built, and `scripts/test` includes them where they are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say by unwrapping what they take for granted"
)]

mod operators;
mod programs;
mod rolling;
mod size;
mod this_schema;
