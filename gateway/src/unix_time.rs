//! The time that tokens and passes end by.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch. By a clock before it, which is wrong, every token and every pass has ended:
/// nobody is let in by what cannot be judged.
pub(crate) fn unix_seconds() -> u64 {
    since_epoch().unwrap_or(u64::MAX)
}

/// The same; none by a clock before the epoch.
pub(crate) fn since_epoch() -> Option<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}
