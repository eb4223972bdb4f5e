//! What to do while the queue cannot be read, in KEDA's words and under the law that an outage
//! takes no worker away.

use crate::sale::behavior::{Fallback, FallbackBehavior};

/// Workers to have after `failures` looks in a row have failed, when there are `current` and there
/// may be `most`; none as long as the threshold is not reached. Never fewer than `current`.
pub(super) fn workers(fallback: &Fallback, failures: u32, current: u32, most: u32) -> Option<u32> {
    if failures < fallback.failure_threshold {
        return None;
    }
    Some(match fallback.behavior {
        FallbackBehavior::Static | FallbackBehavior::CurrentReplicasIfHigher => {
            current.max(fallback.replicas.min(most))
        }
        FallbackBehavior::CurrentReplicas | FallbackBehavior::CurrentReplicasIfLower => current,
    })
}
