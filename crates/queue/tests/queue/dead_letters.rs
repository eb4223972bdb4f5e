//! Replaying dead letters on a real Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_domain::{
    id::UserId,
    job::Job,
    outcome::{JobState, Outcome},
};
use flashsale_queue::{
    dead_letter::{self, DeadLetter},
    lane::{Acknowledgement, Dead},
};
use flashsale_testbed::fixtures::queue::{job, push, record};
use redis::AsyncCommands;

use crate::scene::{Scene, parse, told};

async fn replay(scene: &Scene, letter: &DeadLetter) -> bool {
    let mut queue = scene.services.queue.clone();
    dead_letter::replay(&mut queue, &scene.keys, letter)
        .await
        .unwrap()
}

/// Ends the first of `entries` and buries the second; the others wait.
async fn end_two(scene: &Scene) -> Job {
    let entries = scene.queue(4).await;
    let confirmed = told(&entries[..1], &scene.product, &[Outcome::Confirmed]);
    scene.acknowledge(&confirmed).await;
    let failed = told(&entries[1..2], &scene.product, &[Outcome::Failed]);
    scene.acknowledge(&failed).await;
    parse(&entries[1], &scene.product)
}

#[tokio::test]
async fn a_replayed_job_is_the_last_of_its_lane_and_shown_as_queued_there() {
    let scene = Scene::open().await;
    let dead = end_two(&scene).await;
    let letter = scene.letters().await.remove(0);
    assert!(replay(&scene, &letter).await);
    assert!(!replay(&scene, &letter).await, "once");
    let lane = scene.lane().await;
    assert_eq!(lane.len(), 3);
    assert_eq!(parse(&lane[2], &scene.product).job_id, dead.job_id);
    // Two jobs have ended and this is the third that waits.
    let shown = record(&scene.services, &scene.sale, dead.job_id)
        .await
        .unwrap();
    assert_eq!(shown.state, JobState::Queued { ticket: 5 });
    assert_eq!(shown.user_id, dead.data.user_id);
}

/// Another producer used a job id again: its letter must not take the first buyer's outcome away.
#[tokio::test]
async fn a_replayed_letter_leaves_the_record_of_the_buy_whose_job_id_it_has() {
    let scene = Scene::open().await;
    let outcomes = [Outcome::Confirmed, Outcome::Failed];
    for outcome in outcomes {
        let entries = scene.queue(1).await;
        let first = parse(&entries[0], &scene.product);
        scene
            .acknowledge(&told(&entries, &scene.product, &[outcome]))
            .await;
        for letter in scene.letters().await {
            let mut queue = scene.services.queue.clone();
            dead_letter::discard(&mut queue, &scene.keys, &letter.id)
                .await
                .unwrap();
        }
        let before = record(&scene.services, &scene.sale, first.job_id)
            .await
            .unwrap();
        let mut borrowed = job(&scene.sale, "other", &scene.product, "k");
        borrowed.job_id = first.job_id;
        let json = serde_json::to_vec(&borrowed).unwrap();
        let entry_id = push(&scene.services, &scene.sale, 0, &json).await;
        let acknowledgement = Acknowledgement {
            dead: vec![Dead {
                entry_id,
                job: json,
                reason: "the job id is the one of another buy".to_owned(),
                attempts: 1,
            }],
            ..Acknowledgement::default()
        };
        scene.acknowledge(&acknowledgement).await;
        assert!(replay(&scene, &scene.letters().await[0]).await);
        let after = record(&scene.services, &scene.sale, first.job_id)
            .await
            .unwrap();
        assert_eq!(after, before);
        assert_ne!(after.user_id, UserId::new("other").unwrap());
        let mut queue = scene.services.queue.clone();
        let _: u32 = queue.unlink(scene.keys.lane(&scene.product)).await.unwrap();
    }
}

#[tokio::test]
async fn a_letter_whose_record_was_lost_gets_one_when_it_is_replayed() {
    let scene = Scene::open().await;
    let dead = end_two(&scene).await;
    let mut queue = scene.services.queue.clone();
    let _: u32 = queue.unlink(scene.keys.jobs()).await.unwrap();
    assert!(replay(&scene, &scene.letters().await[0]).await);
    assert!(
        record(&scene.services, &scene.sale, dead.job_id)
            .await
            .is_some()
    );
}

#[tokio::test]
async fn no_letter_is_replayed_into_a_sale_that_is_freed() {
    let scene = Scene::open().await;
    end_two(&scene).await;
    let letter = scene.letters().await.remove(0);
    let mut queue = scene.services.queue.clone();
    let _: u32 = queue.unlink(scene.keys.record()).await.unwrap();
    let before = scene.contents().await;
    assert!(!replay(&scene, &letter).await);
    assert_eq!(scene.contents().await, before);
}
