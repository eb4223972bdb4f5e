//! Which of several operators works: leader election by a Lease of `coordination.k8s.io`, after the
//! rules of client-go.
//!
//! - A standby judges the lease by how long **it** has seen the record unchanged, on its own
//!   monotonic clock; the times in the record are for people. Clocks of machines are never compared.
//! - Every write carries the version that was read, so that of two who write one fails.
//! - A leader counts from the moment it *sent* its last renewal that succeeded. When that is
//!   `renew_deadline` ago it works no more ([`Fence`]) and the process ends; a standby waits
//!   `duration` from a moment that is never earlier. The difference between both is room for clocks
//!   that run at different speeds and for writes still on their way.
//!
//! What to do next is decided by a state machine that knows neither network nor clock
//! (`lease/election.rs`); `lease/simulation.rs` runs many of them against each other.

mod election;
mod elector;
mod fence;
mod leadership;
mod record;
#[cfg(test)]
mod simulation;
mod store;

pub(crate) use self::record::Record;
pub use self::{election::Loss, elector::Elector, fence::Fence, leadership::Leadership};
