//! What must hold of a sale when nobody buys any more, whatever happened during it.

use std::time::Duration;

use flashsale_domain::{id::JobId, outcome::JobState, sale::Sale};

use crate::{
    patience::until,
    queue::{depth, record},
    services::Services,
};

/// How long what is queued may need to be settled.
const SETTLED: Duration = Duration::from_mins(1);

/// Waits until nothing is left in the lane of the sale's first product.
pub async fn empty_lane(services: &Services, sale: &Sale) {
    until("the lane is empty", SETTLED, || async {
        depth(services, sale, 0).await == 0
    })
    .await;
}

/// Asserts that every acknowledged buy has an outcome, and that the audit finds nothing.
///
/// # Panics
/// When a law is broken.
pub async fn assert_audit_holds(services: &Services, sale: &Sale, acknowledged: &[JobId]) {
    empty_lane(services, sale).await;
    for job in acknowledged {
        let record = record(services, sale, *job).await;
        let ended = record.is_some_and(|record| matches!(record.state, JobState::Final { .. }));
        assert!(ended, "job {job} was acknowledged and has no outcome");
    }
    let mut queue = services.queue.clone();
    let report = flashsale_audit::audit(&services.ledger, &mut queue, &sale.id)
        .await
        .unwrap();
    assert!(report.holds(), "{report:#?}");
}
