use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::id::ProductId;
use flashsale_ledger::{Fault, Settlement, Succession, Takeover, Verdict, WaitReason};
use flashsale_queue::{
    lane::{Acknowledgement, Entry},
    retry::Retry,
};
use uuid::Uuid;

use super::{Batch, Command, Event, IDLE_RELEASE, LOOK, Now, Pipeline, TURN};
use crate::{
    driver::{departure::Departure, known::Known, orders::Stand},
    settlement::Failure,
};

/// Jobs in a batch.
const SIZE: usize = 4;

/// A pipeline, the time, and the commands that are not answered.
struct Stage {
    pipeline: Pipeline,
    now: Now,
    running: Vec<Command>,
    entries: u64,
    takeovers: u128,
}

fn entry(number: u64, attempts: u32) -> Entry {
    let id = Uuid::from_u128(number.into());
    let job = format!(
        r#"{{"jobId":"{id}","data":{{"userId":"u{number}","productId":"p","timestamp":1,"idempotencyKey":"k"}},
            "name":"purchase-job","opts":{{"attempts":{attempts},"backoff":1000}}}}"#
    );
    Entry {
        id: format!("{number}-0"),
        job: Some(job.into_bytes()),
    }
}

fn failure(fault: Fault) -> Failure {
    Failure {
        fault,
        silent: false,
        certain: true,
        message: format!("{fault:?}"),
    }
}

fn unknown() -> Failure {
    Failure {
        certain: false,
        ..failure(Fault::Server(WaitReason::Unreachable))
    }
}

fn silent() -> Failure {
    Failure {
        silent: true,
        certain: false,
        ..failure(Fault::TooSlow)
    }
}

/// The users of a batch, by their numbers.
fn users(batch: &Batch) -> Vec<u64> {
    let jobs = batch.jobs.iter();
    jobs.map(|job| job.job.data.user_id.as_str()[1..].parse().unwrap())
        .collect()
}

fn confirmed(batch: &Batch) -> Settlement {
    let order_ids = (0_i64..).take(batch.jobs.len());
    Settlement {
        verdicts: order_ids
            .map(|order_id| Verdict::Confirmed { order_id })
            .collect(),
        stock: 1,
        version: batch.turn.batch,
        confirmed: 0,
        states: Vec::new(),
    }
}

impl Stage {
    /// A driver that was started and has answered what its predecessor left: `notes`.
    fn with_notes(notes: &[(&str, Retry)]) -> Self {
        let at = Instant::now();
        let product = ProductId::new("p").unwrap();
        let mut stage = Self {
            pipeline: Pipeline::new(product, Known::new(SIZE), at),
            now: Now {
                at,
                redis_ms: 1_000_000,
                crowded: false,
                stopping: false,
                connection_to_spare: true,
                orders: Stand::Quiet,
            },
            running: Vec::new(),
            entries: 0,
            takeovers: 0,
        };
        stage.go();
        let notes = notes.iter().map(|(id, retry)| ((*id).to_owned(), *retry));
        stage.answer(Event::Loaded(Ok(notes.collect::<HashMap<_, _>>())));
        stage
    }

    fn new() -> Self {
        Self::with_notes(&[])
    }

    /// A driver that has taken over and sent one full batch, and one ahead.
    fn with_two_sent() -> (Self, Batch, Batch) {
        let mut stage = Self::new();
        stage.take_over();
        stage.read(4);
        let first = stage.sent();
        stage.read(4);
        let second = stage.sent();
        (stage, first, second)
    }

    fn go(&mut self) {
        let commands = self.pipeline.next(&self.now);
        self.running.extend(commands);
    }

    fn answer(&mut self, event: Event) {
        self.pipeline.on(event, &self.now);
        self.go();
    }

    fn pass(&mut self, time: Duration) {
        self.now.at += time;
        self.now.redis_ms += i64::try_from(time.as_millis()).unwrap();
        self.go();
    }

    fn find(&mut self, is_it: impl Fn(&Command) -> bool) -> Option<Command> {
        let at = self.running.iter().position(is_it)?;
        Some(self.running.remove(at))
    }

    fn take_over(&mut self) -> Uuid {
        self.find(|command| matches!(command, Command::TakeOver { .. }))
            .expect("takes over");
        self.takeovers += 1;
        let driver = Uuid::from_u128(self.takeovers);
        let batch = 70;
        self.answer(Event::TakenOver(Ok(Succession::Done(Takeover {
            driver,
            batch,
        }))));
        driver
    }

    /// Answers the read that is on its way with the next `count` entries.
    fn read(&mut self, count: u64) {
        self.find(|command| matches!(command, Command::Read { .. }))
            .expect("reads");
        let entries = (self.entries..self.entries + count).map(|number| entry(number + 1, 2));
        self.entries += count;
        self.answer(Event::Read(Ok(entries.collect())));
    }

    fn maybe_sent(&mut self) -> Option<Batch> {
        match self.find(|command| matches!(command, Command::Settle(_)))? {
            Command::Settle(batch) => Some(batch),
            _ => None,
        }
    }

    fn sent(&mut self) -> Batch {
        self.maybe_sent().expect("sends a batch")
    }

    fn settle(&mut self, batch: &Batch, answer: Result<Settlement, Failure>) {
        self.answer(Event::Settled {
            turn: batch.turn.clone(),
            answer,
        });
    }

    fn confirm(&mut self, batch: &Batch) {
        self.settle(batch, Ok(confirmed(batch)));
    }

    fn acknowledgement(&mut self) -> Option<Arc<Acknowledgement>> {
        match self.find(|command| matches!(command, Command::Acknowledge(_)))? {
            Command::Acknowledge(acknowledgement) => Some(acknowledgement),
            _ => None,
        }
    }

    /// Entries of the acknowledgement that is on its way.
    fn told(&mut self) -> Vec<String> {
        let told = self.acknowledgement().expect("acknowledges");
        let ids = told.ended.iter().map(|job| job.entry_id.clone()).collect();
        self.answer(Event::Acknowledged(Ok(())));
        ids
    }
}

#[test]
fn a_job_of_a_later_release_is_left_to_it_once_those_before_it_are_settled() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.find(|command| matches!(command, Command::Read { .. }));
    let newer = Entry {
        job: Some(br#"{"format": 2, "jobId": 7}"#.to_vec()),
        ..entry(3, 2)
    };
    let entries = vec![entry(1, 2), entry(2, 2), newer, entry(4, 2)];
    stage.answer(Event::Read(Ok(entries)));
    let batch = stage.sent();
    assert_eq!(users(&batch), [1, 2]);
    stage.confirm(&batch);
    assert_eq!(stage.told(), ["1-0", "2-0"]);
    stage.pass(Duration::ZERO);
    let departure = stage.pipeline.departure();
    assert!(
        matches!(departure, Some(Departure::Newer(_))),
        "{departure:?}"
    );
    // Nothing of it was dead-lettered, and nothing behind it was settled.
    assert!(stage.maybe_sent().is_none() && stage.acknowledgement().is_none());
}

#[test]
fn full_batches_are_sent_one_ahead_of_the_other_and_numbered() {
    let (mut stage, first, second) = Stage::with_two_sent();
    assert_eq!((first.turn.batch, second.turn.batch), (71, 72));
    assert_eq!(users(&first), [1, 2, 3, 4]);
    assert_eq!(second.turn.appended_ms, 5..=8);
    stage.read(4);
    assert!(
        stage.maybe_sent().is_none(),
        "two are in the ledger's hands"
    );
    stage.confirm(&first);
    let third = stage.sent();
    assert_eq!(
        (third.turn.driver, third.turn.batch),
        (first.turn.driver, 73)
    );
    assert_eq!(stage.told(), ["1-0", "2-0", "3-0", "4-0"]);
}

#[test]
fn nothing_is_sent_before_the_lane_is_taken_over_in_the_ledger() {
    let mut stage = Stage::new();
    stage.read(4);
    assert!(stage.maybe_sent().is_none());
    stage.take_over();
    assert_eq!(users(&stage.sent()), [1, 2, 3, 4]);
}

#[test]
fn nothing_is_sent_before_it_is_known_which_jobs_wait_for_their_next_attempt() {
    let mut stage = Stage::new();
    stage.pipeline.refusals = None;
    stage.take_over();
    stage.read(4);
    assert!(stage.maybe_sent().is_none());
}

#[test]
fn a_batch_that_is_not_full_is_not_sent_ahead_and_goes_with_what_came_meanwhile() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(4);
    let first = stage.sent();
    stage.read(2);
    assert!(stage.maybe_sent().is_none());
    stage.confirm(&first);
    stage.read(1);
    assert_eq!(users(&stage.sent()), [5, 6, 7]);
}

#[test]
fn answers_are_taken_in_the_order_of_the_batches() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.confirm(&second);
    assert!(stage.acknowledgement().is_none());
    stage.confirm(&first);
    let told = stage.told();
    assert_eq!(told.first().map(String::as_str), Some("1-0"));
    assert_eq!(told.len(), 8);
}

#[test]
fn what_was_sent_behind_a_batch_that_failed_is_settled_after_it_under_a_new_token() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.settle(&first, Err(failure(Fault::Row)));
    assert!(stage.maybe_sent().is_none(), "not before the takeover");
    let driver = stage.take_over();
    let mut order = Vec::new();
    while let Some(batch) = stage.maybe_sent() {
        assert_eq!(batch.turn.driver, driver);
        order.extend(users(&batch));
        stage.confirm(&second);
        assert!(stage.acknowledgement().is_none(), "it was given up");
        stage.confirm(&batch);
        if stage.acknowledgement().is_some() {
            stage.answer(Event::Acknowledged(Ok(())));
        }
    }
    assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_batch_sent_ahead_that_came_too_early_is_sent_again_in_its_turn() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.settle(&second, Err(failure(Fault::OutOfTurn)));
    stage.confirm(&first);
    let again = stage.sent();
    assert_eq!(
        (again.turn.driver, again.turn.batch),
        (second.turn.driver, 72)
    );
    assert_eq!(users(&again), users(&second));
}

#[test]
fn a_batch_that_may_still_commit_is_sent_again_under_a_new_token_only() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.settle(&second, Err(unknown()));
    stage.confirm(&first);
    assert!(stage.maybe_sent().is_none());
    let driver = stage.take_over();
    let again = stage.sent();
    assert_eq!((again.turn.driver, users(&again)), (driver, users(&second)));
}

#[test]
fn a_lost_connection_is_tried_again_once_and_then_the_lane_is_given_back() {
    let (mut stage, first, _) = Stage::with_two_sent();
    stage.settle(&first, Err(unknown()));
    assert!(stage.pipeline.departure().is_none());
    stage.pass(Duration::from_millis(60));
    stage
        .find(|command| matches!(command, Command::TakeOver { .. }))
        .expect("takes over");
    stage.answer(Event::TakenOver(Err(unknown())));
    let Some(Departure::Waits { reason, .. }) = stage.pipeline.departure() else {
        panic!("does not leave");
    };
    assert_eq!(*reason, WaitReason::Unreachable.as_str());
}

#[test]
fn a_silent_ledger_costs_one_time_limit_and_no_attempt() {
    let (mut stage, first, _) = Stage::with_two_sent();
    stage.settle(&first, Err(silent()));
    assert!(matches!(
        stage.pipeline.departure(),
        Some(Departure::Waits { .. })
    ));
    assert!(stage.acknowledgement().is_none());
    assert!(
        stage
            .find(|it| matches!(it, Command::Note { .. }))
            .is_none()
    );
}

#[test]
fn a_batch_that_is_cancelled_for_taking_too_long_is_halved_until_it_passes() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(4);
    let mut settled = Vec::new();
    let mut sizes = Vec::new();
    while let Some(batch) = stage.maybe_sent() {
        sizes.push(batch.jobs.len());
        if batch.jobs.len() > 1 {
            stage.settle(&batch, Err(failure(Fault::TooSlow)));
        } else {
            settled.extend(users(&batch));
            stage.confirm(&batch);
            stage.told();
        }
    }
    assert_eq!(sizes, [4, 2, 1, 1, 1, 1]);
    assert_eq!(settled, [1, 2, 3, 4]);
}

#[test]
fn a_single_job_that_takes_too_long_waits_and_burns_no_attempt() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(1);
    let batch = stage.sent();
    stage.settle(&batch, Err(failure(Fault::TooSlow)));
    stage.pass(Duration::from_millis(60));
    stage.take_over();
    let batch = stage.sent();
    stage.settle(&batch, Err(failure(Fault::TooSlow)));
    let Some(Departure::Waits { reason, .. }) = stage.pipeline.departure() else {
        panic!("does not leave");
    };
    assert_eq!(*reason, crate::lanes_waiting::TOO_SLOW);
}

#[test]
fn a_fenced_driver_leaves_without_a_word_about_what_was_not_decided() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.confirm(&first);
    stage.settle(&second, Err(failure(Fault::Fenced)));
    assert!(
        stage.pipeline.departure().is_none(),
        "what was decided is told"
    );
    assert_eq!(stage.told().len(), 4);
    assert_eq!(stage.pipeline.departure(), Some(&Departure::Fenced));
}

#[test]
fn a_ledger_that_went_back_is_taken_over_anew() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(4);
    let batch = stage.sent();
    stage.settle(&batch, Err(failure(Fault::OutOfTurn)));
    assert_eq!(stage.pipeline.departure(), Some(&Departure::Fenced));
}

#[test]
fn a_driver_that_is_told_to_stop_sees_to_the_end_what_the_ledger_has_and_begins_nothing() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.read(4);
    stage.now.stopping = true;
    stage.go();
    stage.confirm(&first);
    assert!(stage.maybe_sent().is_none());
    assert_eq!(stage.told().len(), 4);
    assert!(stage.pipeline.departure().is_none());
    stage.confirm(&second);
    assert_eq!(stage.told().len(), 4);
    assert_eq!(stage.pipeline.departure(), Some(&Departure::Done));
}

#[test]
fn an_acknowledgement_that_failed_is_repeated_and_given_up_by_a_driver_that_leaves() {
    let (mut stage, first, _) = Stage::with_two_sent();
    stage.confirm(&first);
    let told = stage.acknowledgement().expect("acknowledges");
    stage.answer(Event::Acknowledged(Err("away".to_owned())));
    assert!(stage.acknowledgement().is_none(), "not at once");
    stage.pass(Duration::from_millis(60));
    let again = stage.acknowledgement().expect("again");
    assert_eq!(told.ended, again.ended);
    stage.pipeline.sent.clear();
    stage.now.stopping = true;
    stage.go();
    stage.answer(Event::Acknowledged(Err("away".to_owned())));
    assert_eq!(stage.pipeline.departure(), Some(&Departure::Done));
}

#[test]
fn settling_does_not_run_away_from_acknowledging() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage.read(4);
    stage.confirm(&first);
    let third = stage.sent();
    stage.confirm(&second);
    stage.read(4);
    assert!(stage.maybe_sent().is_none(), "two batches are to be told");
    assert_eq!(stage.told().len(), 4);
    assert_eq!(users(&stage.sent()), [13, 14, 15, 16]);
    stage.confirm(&third);
}

#[test]
fn a_read_that_failed_loses_nothing_that_was_settled() {
    let (mut stage, first, second) = Stage::with_two_sent();
    stage
        .find(|command| matches!(command, Command::Read { .. }))
        .expect("reads");
    stage.answer(Event::Read(Err("away".to_owned())));
    stage.confirm(&first);
    assert_eq!(stage.told().len(), 4);
    stage.confirm(&second);
    assert_eq!(stage.told().len(), 4);
    assert!(matches!(
        stage.pipeline.departure(),
        Some(Departure::QueueAway(_))
    ));
}

fn due_at(due_ms: i64) -> Retry {
    Retry {
        attempts: 1,
        due_ms,
    }
}

#[test]
fn jobs_of_an_earlier_driver_that_wait_for_their_attempt_are_passed_over_and_tried_in_order() {
    let notes = [("3-0", due_at(1_000_500)), ("2-0", due_at(1_000_400))];
    let mut stage = Stage::with_notes(&notes);
    stage.take_over();
    stage.read(4);
    let batch = stage.sent();
    assert_eq!(users(&batch), [1, 4]);
    stage.confirm(&batch);
    stage.told();
    stage.read(0);
    stage.pass(Duration::from_millis(600));
    let Some(Command::ReadRefused(asked)) =
        stage.find(|command| matches!(command, Command::ReadRefused(_)))
    else {
        panic!("does not read the refused jobs");
    };
    assert_eq!(asked, ["2-0", "3-0"]);
    // The second has left the lane by another hand.
    let found = Ok(vec![entry(2, 2)]);
    stage.answer(Event::RefusedRead { asked, found });
    let again = stage.sent();
    assert_eq!(users(&again), [2]);
    stage.confirm(&again);
    assert!(stage.pipeline.refusals.as_ref().unwrap().is_empty());
}

#[test]
fn refused_jobs_leave_every_second_turn_to_fresh_ones_however_many_are_due() {
    let ids: Vec<String> = (1..=999).map(|number| format!("0-{number}")).collect();
    let notes: Vec<(&str, Retry)> = ids.iter().map(|id| (id.as_str(), due_at(0))).collect();
    let mut stage = Stage::with_notes(&notes);
    stage.take_over();
    stage.read(4);
    let mut turns = String::new();
    for _ in 0..6 {
        if let Some(Command::ReadRefused(asked)) =
            stage.find(|command| matches!(command, Command::ReadRefused(_)))
        {
            // All but one have left the lane by another hand.
            let mut left = entry(0, 3);
            left.id.clone_from(&asked[0]);
            let found = Ok(vec![left]);
            stage.answer(Event::RefusedRead { asked, found });
            turns.push('r');
        } else {
            turns.push('f');
        }
        let batch = stage.sent();
        stage.confirm(&batch);
        stage.told();
        if stage
            .running
            .iter()
            .any(|it| matches!(it, Command::Read { .. }))
        {
            stage.read(4);
        }
    }
    assert_eq!(turns, "rfrfrf");
}

#[test]
fn a_refused_job_is_found_noted_and_buried_when_its_attempts_are_used_up() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(1);
    let batch = stage.sent();
    stage.settle(&batch, Err(failure(Fault::Row)));
    let Some(Command::Note { retry, .. }) =
        stage.find(|command| matches!(command, Command::Note { .. }))
    else {
        panic!("does not note the attempt");
    };
    assert_eq!(
        retry,
        Retry {
            attempts: 1,
            due_ms: 1_001_000
        }
    );
    stage.answer(Event::Noted);
    stage.read(0);
    stage.pass(Duration::from_secs(1));
    let asked = vec!["1-0".to_owned()];
    let found = Ok(vec![entry(1, 2)]);
    stage.answer(Event::RefusedRead { asked, found });
    let batch = stage.sent();
    stage.settle(&batch, Err(failure(Fault::Row)));
    let told = stage.acknowledgement().expect("buries it");
    assert_eq!((told.dead.len(), told.dead[0].attempts), (1, 2));
}

#[test]
fn a_turn_is_over_only_once_a_batch_was_settled() {
    let mut stage = Stage::new();
    stage.now.crowded = true;
    stage.read(4);
    stage.pass(TURN * 2);
    assert!(stage.pipeline.departure().is_none());
    stage.take_over();
    let batch = stage.sent();
    stage.read(4);
    stage.confirm(&batch);
    let _ = stage.told();
    assert!(stage.pipeline.leaving.is_some());
}

#[test]
fn a_lane_whose_jobs_all_wait_makes_way_for_others_until_the_first_is_due() {
    let mut stage = Stage::with_notes(&[("1-0", due_at(1_060_000))]);
    stage.take_over();
    stage.read(1);
    assert!(stage.pipeline.departure().is_none());
    stage.now.crowded = true;
    stage.go();
    let minute = Duration::from_mins(1);
    assert_eq!(
        stage.pipeline.departure(),
        Some(&Departure::NotBefore(minute))
    );
}

#[test]
fn an_empty_lane_is_driven_on_while_orders_wait_for_their_payment() {
    for (orders, leaves, makes_way) in [
        (Stand::Quiet, true, true),
        (Stand::Pending, false, true),
        (Stand::Unknown, false, false),
    ] {
        let mut stage = Stage::new();
        stage.take_over();
        stage.read(0);
        stage.now.orders = orders;
        stage.pass(IDLE_RELEASE * 2);
        assert_eq!(stage.pipeline.leaving.is_some(), leaves, "{orders:?}");
        stage.now.crowded = true;
        stage.go();
        assert_eq!(stage.pipeline.leaving.is_some(), makes_way, "{orders:?}");
    }
}

#[test]
fn a_driver_whose_claim_was_refused_for_orders_leaves_unless_it_has_a_newer_one() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(0);
    let driver = stage.pipeline.driver().unwrap();
    stage.answer(Event::OrdersFenced(Uuid::from_u128(99)));
    assert_eq!(stage.pipeline.departure(), None);
    stage.answer(Event::OrdersFenced(driver));
    assert_eq!(stage.pipeline.departure(), Some(&Departure::Fenced));
}

#[test]
fn a_lane_found_empty_is_read_from_its_head_again() {
    let mut stage = Stage::new();
    stage.take_over();
    stage.read(1);
    let batch = stage.sent();
    stage.read(0);
    stage.confirm(&batch);
    stage.read(0);
    let Some(Command::Read { after, wait, .. }) =
        stage.find(|command| matches!(command, Command::Read { .. }))
    else {
        panic!("does not read");
    };
    assert_eq!(
        (after.as_str(), wait),
        ("1-0", Some(LOOK)),
        "not acknowledged yet"
    );
    stage.told();
    stage.answer(Event::Read(Ok(Vec::new())));
    let Some(Command::Read { after, .. }) =
        stage.find(|command| matches!(command, Command::Read { .. }))
    else {
        panic!("does not read");
    };
    assert_eq!(after, "0-0");
}

#[test]
fn another_driver_in_the_ledger_is_succeeded_only_by_the_holder_of_the_lease() {
    for holds in [true, false] {
        let mut stage = Stage::new();
        let other = Uuid::from_u128(99);
        stage
            .find(|command| matches!(command, Command::TakeOver { from: None }))
            .expect("expects nobody");
        stage.answer(Event::TakenOver(Ok(Succession::Present(Some(other)))));
        stage
            .find(|command| matches!(command, Command::AskLease))
            .expect("asks the lease");
        stage.answer(Event::LeaseAsked(Ok(holds)));
        let again = stage.find(|command| matches!(command, Command::TakeOver { .. }));
        match again {
            Some(Command::TakeOver { from }) => assert_eq!((from, holds), (Some(other), true)),
            _ => assert!(!holds && stage.pipeline.departure().is_some()),
        }
    }
}
