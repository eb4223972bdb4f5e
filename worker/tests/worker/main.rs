//! Workers on real lanes and a real ledger.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

mod control_loop;
mod drivers;
mod lanes;
mod links;
mod payments;
mod probes;
mod roles;
mod running;
mod turns;
mod went_back;
