//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until `condition` holds and returns how long that took.
///
/// # Panics
/// When it does not hold within `longest`.
pub async fn until<F, Fut>(what: &str, longest: Duration, mut condition: F) -> Duration
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < longest, "not within {longest:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
    start.elapsed()
}
