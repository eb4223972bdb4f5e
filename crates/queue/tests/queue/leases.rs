//! Leases of lanes on a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_queue::lease::{self, TERM};
use flashsale_testbed::fixtures::services::Services;
use redis::AsyncCommands;

#[tokio::test]
async fn a_lease_is_taken_renewed_and_given_back_by_its_owner_alone() {
    let services = Services::start().await;
    let mut queue = services.queue.clone();
    assert!(lease::hold(&mut queue, "lease", "a").await.unwrap());
    assert!(!lease::hold(&mut queue, "lease", "b").await.unwrap());
    assert!(
        !lease::renew(&mut queue, "lease", "b", lease::TERM)
            .await
            .unwrap()
    );
    assert!(!lease::release(&mut queue, "lease", "b").await.unwrap());
    let owner: Option<String> = queue.get("lease").await.unwrap();
    assert_eq!(owner.as_deref(), Some("a"));
    assert!(lease::release(&mut queue, "lease", "a").await.unwrap());
    assert!(lease::hold(&mut queue, "lease", "b").await.unwrap());
}

/// However it came to be held: a worker that dies must not keep its lane.
#[tokio::test]
async fn a_lease_ends_by_itself_after_a_term() {
    let services = Services::start().await;
    let mut queue = services.queue.clone();
    let term = i64::try_from(TERM.as_millis()).unwrap();
    let left = async || -> i64 {
        let mut queue = services.queue.clone();
        queue.pttl("lease").await.unwrap()
    };
    assert!(lease::hold(&mut queue, "lease", "a").await.unwrap());
    assert!((1..=term).contains(&left().await), "{}", left().await);
    let _: bool = queue.persist("lease").await.unwrap();
    assert!(lease::hold(&mut queue, "lease", "a").await.unwrap());
    assert!((1..=term).contains(&left().await), "{}", left().await);
    let _: bool = queue.persist("lease").await.unwrap();
    assert!(
        lease::renew(&mut queue, "lease", "a", lease::TERM)
            .await
            .unwrap()
    );
    assert!((1..=term).contains(&left().await), "{}", left().await);
}
