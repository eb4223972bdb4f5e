use std::time::Duration;

use super::*;

const DURATION: Duration = Duration::from_secs(15);
const TIMINGS: LeaseTimings = LeaseTimings {
    duration: DURATION,
    renew_deadline: Duration::from_secs(10),
    retry_period: Duration::from_secs(2),
};

/// An election whose clock starts at 0 s.
struct Desk {
    election: Election<u64>,
    start: Instant,
}

impl Desk {
    fn new() -> Self {
        Self {
            election: Election::new("me".to_owned(), TIMINGS),
            start: Instant::now(),
        }
    }

    /// A leader since 0 s, with version 1.
    fn leading() -> Self {
        let mut desk = Self::new();
        desk.answer(0, Answer::Absent);
        let written = desk.written(1);
        desk.answer(0, written);
        assert!(matches!(desk.request(), Request::Replace(_, 1)));
        desk
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn request(&self) -> Request<u64> {
        self.election.request(Timestamp::UNIX_EPOCH)
    }

    /// The answer to the next request when it is a write that is accepted.
    fn written(&self, version: u64) -> Answer<u64> {
        let (Request::Create(record) | Request::Replace(record, _)) = self.request() else {
            panic!("not a write");
        };
        Answer::Found(Found { record, version })
    }

    /// Sent and answered in one moment.
    fn answer(&mut self, seconds: u64, answer: Answer<u64>) -> Step {
        let now = self.at(seconds);
        self.election.answered(answer, now, now)
    }
}

/// A lease of `holder` that was renewed `renewal` times.
fn lease(holder: &str, renewal: i64) -> Answer<u64> {
    let renewed = Timestamp::from_second(renewal).unwrap();
    Answer::Found(Found {
        record: Record::first(holder, DURATION, Timestamp::UNIX_EPOCH).renewed(DURATION, renewed),
        version: u64::try_from(renewal).unwrap() + 1,
    })
}

fn released() -> Answer<u64> {
    let record = Record::first("other", DURATION, Timestamp::UNIX_EPOCH);
    Answer::Found(Found {
        record: record.released(Timestamp::UNIX_EPOCH),
        version: 9,
    })
}

#[test]
fn absent_lease_is_created_and_leads_from_when_it_was_sent() {
    let mut desk = Desk::new();
    assert_eq!(desk.request(), Request::Read);
    assert_eq!(desk.answer(0, Answer::Absent).pace, Pace::AtOnce);
    let written = desk.written(1);
    let (sent, now) = (desk.at(1), desk.at(3));
    let step = desk.election.answered(written, sent, now);
    assert_eq!(step.standing, Standing::Leading(desk.at(11)));
}

#[test]
fn lost_race_to_create_waits() {
    let mut desk = Desk::new();
    desk.answer(0, Answer::Absent);
    let step = desk.answer(0, Answer::Conflict);
    assert_eq!(step.pace, Pace::Later);
    assert_eq!(desk.request(), Request::Read);
}

#[test]
fn lease_expires_by_how_long_it_was_seen_unchanged() {
    let mut desk = Desk::new();
    // Its dates are decades old, which says nothing.
    desk.answer(0, lease("other", 0));
    assert_eq!(desk.request(), Request::Read);
    desk.answer(14, lease("other", 1));
    let step = desk.answer(28, lease("other", 1));
    assert_eq!(step.standing, Standing::Waiting(Some("other".to_owned())));
    assert_eq!(desk.request(), Request::Read);
    assert_eq!(desk.answer(29, lease("other", 1)).pace, Pace::AtOnce);
    let Request::Replace(record, 2) = desk.request() else {
        panic!("takes over with the version it read");
    };
    assert_eq!(record.transitions, 1);
}

#[test]
fn released_lease_is_taken_at_once() {
    let mut desk = Desk::new();
    desk.answer(0, lease("other", 0));
    desk.answer(1, released());
    assert!(matches!(desk.request(), Request::Replace(_, 9)));
}

#[test]
fn lost_answer_of_a_take_over_is_found_by_reading() {
    let mut desk = Desk::new();
    desk.answer(0, Answer::Absent);
    desk.answer(0, Answer::Failed);
    assert_eq!(desk.request(), Request::Read);
    let step = desk.answer(2, lease("me", 0));
    assert_eq!(
        step.standing,
        Standing::Waiting(None),
        "it counts once it is renewed"
    );
    let written = desk.written(2);
    let step = desk.answer(3, written);
    assert_eq!(step.standing, Standing::Leading(desk.at(13)));
}

#[test]
fn deleted_lease_of_another_is_waited_out() {
    let mut desk = Desk::new();
    desk.answer(0, lease("other", 0));
    desk.answer(2, Answer::Absent);
    assert_eq!(desk.request(), Request::Read);
    desk.answer(15, Answer::Absent);
    assert!(matches!(desk.request(), Request::Create(_)));
}

#[test]
fn failed_renewals_lose_the_lease_at_the_deadline() {
    let mut desk = Desk::leading();
    for seconds in [2, 4, 6, 8] {
        let step = desk.answer(seconds, Answer::Failed);
        assert_eq!(step.standing, Standing::Leading(desk.at(10)));
    }
    let step = desk.answer(10, Answer::Failed);
    assert_eq!(step.standing, Standing::Lost(Loss::Overdue));
}

#[test]
fn renewal_heard_of_after_the_deadline_does_not_count() {
    let mut desk = Desk::leading();
    let written = desk.written(2);
    let (sent, now) = (desk.at(9), desk.at(12));
    let step = desk.election.answered(written, sent, now);
    assert_eq!(step.standing, Standing::Lost(Loss::Overdue));
}

#[test]
fn leader_reads_at_once_after_a_conflict() {
    let mut desk = Desk::leading();
    assert_eq!(desk.answer(2, Answer::Conflict).pace, Pace::AtOnce);
    assert_eq!(desk.request(), Request::Read);
    let mut second = Desk {
        election: desk.election.clone(),
        start: desk.start,
    };
    // Somebody changed a label: it is still its own.
    desk.answer(2, lease("me", 6));
    assert!(matches!(desk.request(), Request::Replace(_, 7)));
    // Somebody took it.
    let step = second.answer(2, lease("other", 6));
    assert_eq!(
        step.standing,
        Standing::Lost(Loss::Taken("other".to_owned()))
    );
}

#[test]
fn leader_makes_a_deleted_lease_again() {
    let mut desk = Desk::leading();
    desk.answer(2, Answer::Absent);
    let Request::Create(record) = desk.request() else {
        panic!("does not create");
    };
    assert_eq!(
        (record.holder.as_deref(), record.transitions),
        (Some("me"), 0)
    );
}

#[test]
fn only_what_may_be_held_is_released() {
    let mut desk = Desk::new();
    let release = |desk: &Desk| desk.election.release(Timestamp::UNIX_EPOCH);
    assert_eq!(release(&desk), None);
    desk.answer(0, lease("other", 0));
    assert_eq!(release(&desk), None);
    let leading = Desk::leading();
    let Some(Request::Replace(record, 1)) = release(&leading) else {
        panic!("releases with its version");
    };
    assert_eq!(record.holder, None);
}

#[test]
fn looks_in_time_for_an_expiry_and_for_its_own_end() {
    let mut desk = Desk::new();
    desk.answer(0, lease("other", 0));
    let soon = desk.at(0) + Duration::from_millis(500);
    assert_eq!(desk.election.next_look(desk.at(0), 0.0), soon);
    assert_eq!(desk.election.next_look(desk.at(0), 1.0), desk.at(1));
    let shortly_before = desk.at(15) - Duration::from_millis(10);
    assert_eq!(desk.election.next_look(shortly_before, 1.0), desk.at(15));
    let leading = Desk::leading();
    assert_eq!(
        leading.election.next_look(leading.at(3), 0.5),
        leading.at(5)
    );
    assert_eq!(
        leading.election.next_look(leading.at(9), 0.5),
        leading.at(10)
    );
}
