//! Named points at which a process can be made to die or to stop, for tests of what follows.
//!
//! Without the feature `fault-points`, which no release is built with, reaching a point does nothing.
//! With it, the variable `FLASHSALE_FAULT_POINT` arms one point of a process, as `POINT=ACTION` or,
//! for the third time that the point is reached, `POINT=ACTION@3`. The actions:
//!
//! - `abort` ends the process there by SIGKILL.
//! - `stop` stops the whole process there by SIGSTOP, until somebody sends SIGCONT.
//! - `hold` stops only the task that came there, until somebody sends SIGCONT.

#[cfg(feature = "fault-points")]
mod armed;
mod point;

#[cfg(feature = "fault-points")]
pub use armed::{arm, reach};
pub use point::{FaultPoint, FaultPointError};

/// Does nothing: this build has no fault points.
#[cfg(not(feature = "fault-points"))]
pub const fn arm() -> Result<(), FaultPointError> {
    Ok(())
}

/// Does nothing: this build has no fault points.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub fn reach(_: FaultPoint) -> std::future::Ready<()> {
    std::future::ready(())
}
