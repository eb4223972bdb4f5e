//! What Redis is given back after it lost its data.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::time::Duration;

use flashsale_core::{
    outcome::{
        JobState,
        Outcome::{Confirmed, SoldOut},
    },
    recovery,
};
use flashsale_testbed::fixtures::{
    patience::until,
    queue::{job, record},
    sales::{open, sale},
    services::Services,
};

const SOON: Duration = Duration::from_secs(10);

/// A batch was under way when Redis lost its data: its acknowledgement finds no entries, and the
/// shopper it turned away is told all the same.
#[tokio::test]
async fn a_rejection_that_commits_during_the_restoration_is_restored_too() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    open(&services, &sale).await;
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    let (first, late) = (job(&sale, "u", p, "k"), job(&sale, "v", p, "k"));
    ledger.settle_alone(&sale.id, p, &[&first]).await.unwrap();
    let restoring = tokio::spawn({
        let (ledger, mut queue, id) = (ledger.clone(), services.queue.clone(), sale.id.clone());
        async move { recovery::restore_outcomes(&ledger, &mut queue, &id, "server", |_| ()).await }
    });
    until("the first outcome is restored", SOON, async || {
        record(&services, &sale, first.job_id).await.is_some()
    })
    .await;
    ledger.settle_alone(&sale.id, p, &[&late]).await.unwrap();
    assert_eq!(restoring.await.unwrap().unwrap(), 1);
    for (job, expected) in [(&first, Confirmed), (&late, SoldOut)] {
        let record = record(&services, &sale, job.job_id).await.unwrap();
        let JobState::Final { outcome, .. } = record.state else {
            unreachable!("{record:?}")
        };
        assert_eq!(outcome, expected);
    }
}
