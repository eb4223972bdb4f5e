//! What is noted of refused jobs, and when their next attempt is due.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_domain::job::MAX_BACKOFF_MS;
use flashsale_queue::{
    catalogue,
    retry::{self, Retry},
};
use redis::AsyncCommands;

use crate::scene::Scene;

const NOTE: Retry = Retry {
    attempts: 2,
    due_ms: 1_715_423_000_000,
};

#[tokio::test]
async fn a_failed_attempt_is_noted_only_of_a_job_that_waits_in_a_sale_in_force() {
    let scene = Scene::open().await;
    let entries = scene.queue(2).await;
    let mut queue = scene.services.queue.clone();
    let (waiting, ended) = (&entries[0].id, &entries[1].id);
    let _: u32 = queue
        .xdel(scene.keys.lane(&scene.product), &[ended])
        .await
        .unwrap();
    for entry in [waiting, ended] {
        retry::write(&mut queue, &scene.keys, &scene.product, entry, NOTE)
            .await
            .unwrap();
    }
    let notes = retry::read(&mut queue, &scene.keys, &scene.product)
        .await
        .unwrap();
    assert_eq!(
        notes.into_iter().collect::<Vec<_>>(),
        [(waiting.clone(), NOTE)]
    );

    let _: u32 = queue.unlink(scene.keys.record()).await.unwrap();
    let before = scene.contents().await;
    let later = Retry {
        attempts: 3,
        ..NOTE
    };
    retry::write(&mut queue, &scene.keys, &scene.product, waiting, later)
        .await
        .unwrap();
    assert_eq!(scene.contents().await, before);
}

/// Whoever noted it had a clock a day ahead, or Redis's was set back by a day.
#[tokio::test]
async fn no_job_waits_longer_than_the_longest_backoff_whatever_clock_it_was_noted_by() {
    let scene = Scene::open().await;
    let entries = scene.queue(2).await;
    let mut queue = scene.services.queue.clone();
    let now_ms = catalogue::clock(&mut queue).await.unwrap() / 1000;
    for (entry, due_ms) in [
        (&entries[0], now_ms + 86_400_000),
        (&entries[1], now_ms + 5_000),
    ] {
        let note = Retry {
            attempts: 1,
            due_ms,
        };
        retry::write(&mut queue, &scene.keys, &scene.product, &entry.id, note)
            .await
            .unwrap();
    }
    let notes = retry::read(&mut queue, &scene.keys, &scene.product)
        .await
        .unwrap();
    let longest = i64::try_from(MAX_BACKOFF_MS).unwrap();
    let far = notes[&entries[0].id].due_ms;
    assert!(
        (now_ms + longest..=now_ms + longest + 10_000).contains(&far),
        "{far}"
    );
    assert_eq!(notes[&entries[1].id].due_ms, now_ms + 5_000);
    // The wait began with the first who read it, not anew with each who takes the lane over.
    let again = retry::read(&mut queue, &scene.keys, &scene.product)
        .await
        .unwrap();
    assert_eq!(again, notes);
}
