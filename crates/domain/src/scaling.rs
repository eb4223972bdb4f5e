//! How many workers? Pure rules over the readings of a sale's lanes, used by the operator and by
//! `flashsale up`. Time is a monotonic [`Duration`] that the caller passes in.
//!
//! 1. **Need** ([`need`]): `ceil(depth / targetQueueDepth)`, at most as many as busy lanes can use,
//!    within min and max; one more, a spare, while a lane has had no driver for about ten seconds.
//! 2. **Behavior**: how fast the number may follow the need, by the rules of a
//!    `HorizontalPodAutoscaler` (v2): tolerance, stabilization windows, policies. By default up at
//!    once and straight to the need; down only to the highest need of the stabilization window, so
//!    that a lull between two waves keeps its workers.
//! 3. **Outage**: a depth that could not be read is never 0 and never lowers anything; after some
//!    failures in a row a fallback may raise the number.
//!
//! Each answer says why ([`Reason`]).

mod autoscaler;
mod behavior;
mod fallback;
mod history;
mod need;
mod reason;

pub use autoscaler::{Autoscaler, Decision};
pub use need::{Ask, Demand, Need, need};
pub use reason::Reason;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
