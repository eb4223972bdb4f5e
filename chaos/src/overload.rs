//! More than a gateway can take, from one attacker or from everybody at once.
//!
//! Each of the [`Part`]s starts systems of its own ([`system`]) and sends a crowd by `flashsale
//! load` ([`crowd`]):
//!
//! - [`attack`]: honest shoppers from several addresses beside an [`attacker`] from one, which a
//!   control group holds to a share of a core ([`processor`]), and again beside a process that only
//!   uses as much processor time. [`watch`] follows the gateway's memory and probes.
//! - [`slow_redis`]: a proxy lets Redis take so many buys per second, and several times as many are
//!   offered. [`buyer`] tells when a shopper gets through again afterwards.
//! - [`slow_gateway`]: the gateway's own processor time is limited, and more and more is offered.
//!
//! Everything stays on loopback.

pub mod attack;
pub mod attacker;
pub mod buyer;
pub mod crowd;
pub mod part;
pub mod processor;
pub mod report;
mod settings;
pub mod slow_gateway;
pub mod slow_redis;
pub mod system;
pub mod watch;
mod wire;

pub use part::Part;
pub use settings::{Auth, Settings};
