//! Acknowledging on a real Redis: what is told of entries that are still in their lane, and that
//! nothing is told of others, however an acknowledgement comes to be late.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{collections::BTreeMap, time::Duration};

use flashsale_domain::{
    event::Settled,
    outcome::{JobRecord, JobState, Outcome},
};
use flashsale_queue::{
    catalogue,
    keys::EVENTS,
    lane::{self, Acknowledgement, Dead, Entry, Run},
    lease,
    retry::{self, Retry},
};
use flashsale_testbed::fixtures::queue::{job, push};
use futures_util::StreamExt;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use redis::AsyncCommands;

use crate::scene::{Scene, parse, told};

#[tokio::test]
async fn late_acknowledgement_changes_nothing_and_tells_nobody() {
    let scene = Scene::open().await;
    for count in [3, 30] {
        for is_run in [true, false] {
            let entries = scene.queue(count).await;
            let late = Acknowledgement {
                run: Run::of(&entries).filter(|_| is_run),
                stock: Some((1, 900)),
                ..told(
                    &entries,
                    &scene.product,
                    &[Outcome::SoldOut, Outcome::Failed],
                )
            };
            // The successor had a unit for each.
            let first = told(&entries, &scene.product, &[Outcome::Confirmed]);
            scene.acknowledge(&first).await;
            let before = scene.contents().await;
            let client = scene.services.client();
            let mut pubsub = client.get_async_pubsub().await.unwrap();
            pubsub.subscribe(EVENTS).await.unwrap();
            let answer = scene.acknowledge(&late).await;
            assert!(!entries.iter().any(|entry| answer.has(&entry.id)));
            assert!(answer.is_in_force && !answer.is_whole());
            assert_eq!(scene.contents().await, before);
            let mut events = pubsub.on_message();
            let heard = tokio::time::timeout(Duration::from_millis(50), events.next());
            assert!(heard.await.is_err(), "an event was published");
            // Nor is a job buried twice whose acknowledgement is sent again.
            assert!(scene.letters().await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_repeated_acknowledgement_buries_a_job_once() {
    let scene = Scene::open().await;
    let entries = scene.queue(2).await;
    let failed = told(&entries, &scene.product, &[Outcome::Failed]);
    assert!(scene.acknowledge(&failed).await.is_whole());
    assert!(!scene.acknowledge(&failed).await.has(&entries[0].id));
    let letters = scene.letters().await;
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].reason, "the reason of u0");
    assert_eq!(
        (letters[1].attempts, &letters[1].job),
        (3, entries[1].job.as_ref().unwrap())
    );
}

#[tokio::test]
async fn an_acknowledgement_that_comes_half_late_tells_the_other_half() {
    let outcomes = [Outcome::Confirmed, Outcome::LimitReached, Outcome::Failed];
    for split in [1, 10, 23] {
        let scene = Scene::open().await;
        let entries = scene.queue(24).await;
        let whole = Acknowledgement {
            run: Run::of(&entries),
            ..told(&entries, &scene.product, &outcomes)
        };
        let sold_out = told(&entries[..split], &scene.product, &[Outcome::SoldOut]);
        scene.acknowledge(&sold_out).await;
        let mut pubsub = scene.services.client().get_async_pubsub().await.unwrap();
        pubsub.subscribe(EVENTS).await.unwrap();
        let answer = scene.acknowledge(&whole).await;
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!(answer.has(&entry.id), number >= split);
        }
        let message = pubsub.on_message().next().await.unwrap();
        let event = Settled::parse(message.get_payload_bytes()).unwrap();
        let mut expected = whole.clone();
        expected.ended.drain(..split);
        assert_eq!(event, expected.event(&scene.sale.id, &scene.product));
        let records = scene.records().await;
        for (number, job) in whole.ended.iter().enumerate() {
            let record: JobRecord = records[&job.job_id.to_string()].parse().unwrap();
            let expected = if number < split {
                Outcome::SoldOut
            } else {
                job.outcome
            };
            let JobState::Final { outcome, .. } = record.state else {
                panic!("{record} is not final");
            };
            assert_eq!(outcome, expected);
        }
        let buried = expected
            .ended
            .iter()
            .filter(|job| job.outcome == Outcome::Failed);
        assert_eq!(scene.letters().await.len(), buried.count());
        assert_eq!(scene.stock_field("p#").await, Some(24));
        assert!(scene.lane().await.is_empty());
    }
}

#[tokio::test]
async fn an_entry_that_is_no_job_is_buried_and_told_to_nobody() {
    let scene = Scene::open().await;
    let mut entries = scene.queue(11).await;
    push(&scene.services, &scene.sale, 0, b"{").await;
    let malformed = scene.lane().await.remove(11);
    let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
    acknowledgement.dead.push(Dead {
        entry_id: malformed.id.clone(),
        job: b"{".to_vec(),
        reason: "is no job".to_owned(),
        attempts: 0,
    });
    entries.push(malformed);
    acknowledgement.run = Run::of(&entries);
    assert!(scene.acknowledge(&acknowledgement).await.is_whole());
    assert_eq!(scene.records().await.len(), 11);
    assert_eq!(scene.letters().await[0].job, b"{");
    assert!(scene.lane().await.is_empty());
}

#[tokio::test]
async fn a_batch_of_thousands_is_acknowledged_at_once() {
    let scene = Scene::open().await;
    let entries = scene.queue(4_500).await;
    let acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
    assert!(scene.acknowledge(&acknowledgement).await.is_whole());
    assert_eq!(scene.records().await.len(), 4_500);
    assert_eq!(scene.stock_field("$").await, Some(4_500));
}

#[tokio::test]
async fn stock_goes_along_unless_newer_is_known_and_the_greatest_order_number_is_kept() {
    let scene = Scene::open().await;
    for (stock, first_order, expected) in [
        ((40, 7), 100, (40, 7, 112)),
        ((60, 6), 300, (40, 7, 312)),
        ((39, 8), 200, (39, 8, 312)),
    ] {
        let entries = scene.queue(12).await;
        let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
        acknowledgement.stock = Some(stock);
        for job in &mut acknowledgement.ended {
            job.order_id = job.order_id.map(|order| order + first_order);
        }
        scene.acknowledge(&acknowledgement).await;
        let (units, version, order) = expected;
        assert_eq!(scene.stock_field("p").await, Some(units));
        assert_eq!(scene.stock_field("p@").await, Some(version));
        assert_eq!(scene.stock_field("$").await, Some(order));
    }
}

#[tokio::test]
async fn the_note_of_a_refused_job_goes_with_its_entry() {
    for count in [2, 20] {
        for is_run in [true, false] {
            let scene = Scene::open().await;
            let entries = scene.queue(count + 1).await;
            let mut queue = scene.services.queue.clone();
            let note = Retry {
                attempts: 1,
                due_ms: 1,
            };
            for entry in [&entries[1], &entries[count]] {
                retry::write(&mut queue, &scene.keys, &scene.product, &entry.id, note)
                    .await
                    .unwrap();
            }
            let mut acknowledgement =
                told(&entries[..count], &scene.product, &[Outcome::Confirmed]);
            acknowledgement.run = Run::of(&entries[..count]).filter(|_| is_run);
            assert!(scene.acknowledge(&acknowledgement).await.is_whole());
            let notes = retry::read(&mut queue, &scene.keys, &scene.product)
                .await
                .unwrap();
            let left: Vec<&String> = notes.keys().collect();
            assert_eq!(left, [&entries[count].id]);
        }
    }
}

#[tokio::test]
async fn a_full_redis_lets_lanes_be_taken_and_acknowledged() {
    let scene = Scene::open().await;
    let entries = scene.queue(53).await;
    scene.fill_up().await;
    let mut queue = scene.services.queue.clone();
    let key = scene.keys.lease(&scene.product);
    assert!(lease::hold(&mut queue, &key, "w1").await.unwrap());
    assert!(lease::hold(&mut queue, &key, "w1").await.unwrap());
    assert!(
        lease::renew(&mut queue, &key, "w1", lease::TERM)
            .await
            .unwrap()
    );
    assert!(!lease::hold(&mut queue, &key, "w2").await.unwrap());
    assert!(lease::release(&mut queue, &key, "w1").await.unwrap());
    assert!(lease::hold(&mut queue, &key, "w2").await.unwrap());
    let outcomes = [Outcome::Confirmed, Outcome::Failed];
    for (from, upto, is_run) in [(0, 3, false), (3, 23, false), (23, 53, true)] {
        let part = &entries[from..upto];
        let mut acknowledgement = told(part, &scene.product, &outcomes);
        acknowledgement.run = Run::of(part).filter(|_| is_run);
        assert!(scene.acknowledge(&acknowledgement).await.is_whole());
    }
    assert_eq!(scene.records().await.len(), 53);
    assert!(scene.lane().await.is_empty());
}

/// The ledger does not know of a job that failed, so a successor settles it: only who holds the
/// lease may say that it failed.
#[tokio::test]
async fn only_the_holder_of_the_lease_tells_that_a_job_failed() {
    let scene = Scene::open().await;
    let entries = scene.queue(2).await;
    let mut queue = scene.services.queue.clone();
    let key = scene.keys.lease(&scene.product);
    let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Failed]);
    acknowledgement.holder = Some("w1".to_owned());
    for holder in [None, Some("w2")] {
        if let Some(other) = holder {
            assert!(lease::hold(&mut queue, &key, other).await.unwrap());
        }
        let before = scene.contents().await;
        let answer = lane::acknowledge(&mut queue, &scene.keys, &scene.product, &acknowledgement);
        let error = answer.await.unwrap_err();
        assert_eq!(error.kind(), redis::ErrorKind::Client, "{error}");
        assert_eq!(scene.contents().await, before);
    }
    assert!(lease::release(&mut queue, &key, "w2").await.unwrap());
    assert!(lease::hold(&mut queue, &key, "w1").await.unwrap());
    assert!(scene.acknowledge(&acknowledgement).await.is_whole());
    assert_eq!(scene.letters().await.len(), 2);
}

/// A connection to a server that became a replica is left for that error, not waited for.
#[tokio::test]
async fn a_replica_refuses_leases_and_acknowledgements_as_read_only() {
    let scene = Scene::open().await;
    let entries = scene.queue(2).await;
    let mut queue = scene.services.queue.clone();
    let _: () = redis::cmd("REPLICAOF")
        .arg(&["127.0.0.1", "1"])
        .query_async(&mut queue)
        .await
        .unwrap();
    let acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
    let answer = lane::acknowledge(&mut queue, &scene.keys, &scene.product, &acknowledgement);
    assert_eq!(answer.await.unwrap_err().code(), Some("READONLY"));
    let held = lease::hold(&mut queue, &scene.keys.lease(&scene.product), "w").await;
    assert_eq!(held.unwrap_err().code(), Some("READONLY"));
}

#[tokio::test]
async fn nothing_is_written_for_a_sale_that_is_freed() {
    for count in [2, 20] {
        let scene = Scene::open().await;
        let entries = scene.queue(count).await;
        let mut queue = scene.services.queue.clone();
        let outcomes = [Outcome::Confirmed, Outcome::Failed];
        let mut acknowledgement = told(&entries, &scene.product, &outcomes);
        acknowledgement.run = Run::of(&entries);
        // Its record goes first; then its other keys, one after another.
        let _: u32 = queue.unlink(scene.keys.record()).await.unwrap();
        let before = scene.contents().await;
        let answer = scene.acknowledge(&acknowledgement).await;
        assert!(!answer.is_in_force && !answer.has(&entries[0].id));
        assert_eq!(scene.contents().await, before);
        catalogue::withdraw(&mut queue, &scene.sale.id)
            .await
            .unwrap();
        scene.acknowledge(&acknowledgement).await;
        assert_eq!(scene.contents().await, BTreeMap::new());
    }
}

/// What the lane went through between the reading and the acknowledgement.
#[derive(Debug, Clone, Copy)]
enum Past {
    /// Nothing.
    Quiet,
    /// Another acknowledged some.
    Acknowledged,
    /// Somebody deleted some by hand.
    Deleted,
    /// Somebody cut off its head by hand.
    Trimmed,
    /// Redis went on from an older copy and more jobs came.
    WentBack,
    /// Redis was emptied and other jobs came at about the same time by its clock.
    BegunAnew,
}

const PASTS: [Past; 6] = [
    Past::Quiet,
    Past::Acknowledged,
    Past::Deleted,
    Past::Trimmed,
    Past::WentBack,
    Past::BegunAnew,
];

/// However the lane changed after a batch was read: of each entry that is still there the outcome is
/// told, of no other, and no other entry is touched. Seeds of a failing run are printed.
#[tokio::test]
async fn exactly_what_is_still_in_the_lane_is_told_whatever_happened_to_it() {
    let scene = Scene::open().await;
    for seed in 0..120 {
        let mut random = StdRng::seed_from_u64(seed);
        let past = PASTS[usize::try_from(seed).unwrap() % PASTS.len()];
        check_past(&scene, past, &mut random, &format!("seed {seed}, {past:?}")).await;
    }
}

async fn check_past(scene: &Scene, past: Past, random: &mut StdRng, case: &str) {
    let mut queue = scene.services.queue.clone();
    let lane = scene.keys.lane(&scene.product);
    let _: u32 = queue.unlink(&[&lane, &scene.keys.jobs()]).await.unwrap();
    let entries = scene.queue(random.random_range(12..40)).await;
    // A batch: a piece of the lane, of which some may be left out.
    let from = random.random_range(0..3);
    let upto = random.random_range(from + 2..=entries.len());
    let read = &entries[from..upto];
    let is_complete = random.random_bool(0.6);
    let batch: Vec<Entry> = read
        .iter()
        .filter(|_| is_complete || random.random_bool(0.8))
        .cloned()
        .collect();
    let mut acknowledgement = told(&batch, &scene.product, &[Outcome::Confirmed]);
    acknowledgement.run = Run::of(read);
    if random.random_bool(0.2) {
        acknowledgement.ended.shuffle(random);
    }
    happen(scene, past, &entries, random).await;
    let before = scene.lane().await;
    let there = |entry: &&Entry| before.contains(entry);
    let answer = scene.acknowledge(&acknowledgement).await;
    for entry in &batch {
        assert_eq!(answer.has(&entry.id), there(&entry), "{case}: {}", entry.id);
    }
    let mut expected: Vec<String> = batch
        .iter()
        .filter(there)
        .map(|entry| parse(entry, &scene.product).job_id.to_string())
        .collect();
    expected.sort();
    let records: Vec<String> = scene.records().await.into_keys().collect();
    assert_eq!(records, expected, "{case}");
    let mut left = before.clone();
    left.retain(|entry| !batch.contains(entry));
    assert_eq!(scene.lane().await, left, "{case}");
}

async fn happen(scene: &Scene, past: Past, entries: &[Entry], random: &mut StdRng) {
    let mut queue = scene.services.queue.clone();
    let lane = scene.keys.lane(&scene.product);
    let cut = random.random_range(0..=entries.len());
    match past {
        Past::Quiet => {}
        Past::Acknowledged => {
            let head = &entries[..cut];
            let mut earlier = told(head, &scene.product, &[Outcome::SoldOut]);
            earlier.run = Run::of(head);
            scene.acknowledge(&earlier).await;
            let _: u32 = queue.unlink(scene.keys.jobs()).await.unwrap();
        }
        Past::Deleted => {
            let from = random.random_range(0..=cut);
            for entry in &entries[from..cut.min(from + 3)] {
                let _: u32 = queue.xdel(&lane, &[&entry.id]).await.unwrap();
            }
        }
        Past::Trimmed => {
            let _: u32 = redis::cmd("XTRIM")
                .arg(&lane)
                .arg("MAXLEN")
                .arg(entries.len() - cut)
                .query_async(&mut queue)
                .await
                .unwrap();
        }
        Past::WentBack | Past::BegunAnew => {
            let _: u32 = queue.unlink(&lane).await.unwrap();
            // Going back takes longer than a millisecond, in which entries could have the ids of lost ones.
            let last = entries.last().and_then(Entry::appended_ms).unwrap();
            loop {
                let (seconds, micros): (i64, i64) =
                    redis::cmd("TIME").query_async(&mut queue).await.unwrap();
                if seconds * 1_000 + micros / 1_000 > last {
                    break;
                }
            }
            if matches!(past, Past::WentBack) {
                for entry in &entries[..cut] {
                    append(scene, &entry.id, entry.job.as_ref().unwrap()).await;
                }
            } else {
                let other = serde_json::to_vec(&job(&scene.sale, "other", &scene.product, "k"));
                for entry in &entries[cut..] {
                    append(scene, &format!("{}999", entry.id), other.as_ref().unwrap()).await;
                }
            }
            scene.queue(3).await;
        }
    }
}

/// A lane begun anew by a clock that was set back, in which another job has the id of the last entry.
#[tokio::test]
async fn jobs_of_a_lane_begun_anew_are_not_taken_for_those_read_before() {
    let scene = Scene::open().await;
    for id in 1..=20 {
        let job = job(&scene.sale, "first", &scene.product, "k");
        append(
            &scene,
            &format!("{id}-1"),
            &serde_json::to_vec(&job).unwrap(),
        )
        .await;
    }
    let entries = scene.lane().await;
    let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
    acknowledgement.run = Run::of(&entries);
    let mut queue = scene.services.queue.clone();
    let lane = scene.keys.lane(&scene.product);
    let _: u32 = queue.unlink(&lane).await.unwrap();
    for id in ["1-1", "7-7", "20-1"] {
        let other = job(&scene.sale, "other", &scene.product, "k");
        append(&scene, id, &serde_json::to_vec(&other).unwrap()).await;
    }
    let answer = scene.acknowledge(&acknowledgement).await;
    assert!(!answer.has(&entries[10].id));
    let left: Vec<String> = scene
        .lane()
        .await
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(left, ["7-7"]);
}

async fn append(scene: &Scene, id: &str, job: &[u8]) {
    let mut queue = scene.services.queue.clone();
    let lane = scene.keys.lane(&scene.product);
    let _: String = queue.xadd(lane, id, &[("job", job)]).await.unwrap();
}
