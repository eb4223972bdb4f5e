//! What came of a load.

use std::time::{Duration, Instant};

use super::Answer;
use crate::{
    error::{Result, check},
    latencies::Latencies,
};

/// From when on a request counts as sent late. The generator looks at the clock four times as
/// often, so what is late found no idle connection, or the generator no processor.
const LATE: Duration = Duration::from_millis(1);

/// The one status that is not a refusal.
const OK: u16 = 200;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// From when a request was due until the last byte of its answer was read. Requests without an
    /// answer are in it with the time until they were given up.
    pub(crate) latencies: Latencies,
    /// Requests that were due.
    pub(crate) due: u32,
    /// Requests answered 200.
    pub(crate) succeeded: u32,
    /// Requests answered otherwise.
    pub(crate) refused: u32,
    /// The first such answer: status and body.
    pub(crate) first_refusal: Option<String>,
    /// Requests that were sent and not answered until 2 s after the last one was due.
    pub(crate) unanswered: u32,
    /// Requests that were not sent until then, since no connection became idle.
    pub(crate) unsent: u32,
    /// Requests that were sent more than 1 ms after they were due.
    pub(crate) late: u32,
    /// Processor time of the generator.
    pub(crate) processor_seconds: f64,
}

impl Report {
    /// An error if anything was refused.
    pub(crate) fn check(&self) -> Result<()> {
        let first = self.first_refusal.as_deref();
        check(first.is_none(), || {
            let (due, refused, first) = (self.due, self.refused, first.unwrap_or_default());
            format!("of {due} requests {refused} were not answered 200, the first `{first}`")
        })
    }
}

/// Counts while a load goes on.
#[derive(Debug)]
pub(super) struct Tally {
    latencies: Vec<Duration>,
    report: Report,
}

impl Tally {
    pub(super) fn new(due: u32) -> Self {
        let report = Report {
            due,
            ..Report::default()
        };
        Self {
            // One more would have the generator copy them all while requests are due.
            latencies: Vec::with_capacity(due as usize),
            report,
        }
    }

    /// Notes that a request was sent.
    pub(super) fn sent(&mut self, due: Instant, sent: Instant) {
        self.report.late += u32::from(sent.saturating_duration_since(due) > LATE);
    }

    pub(super) fn answered(&mut self, answer: &Answer<'_>) {
        self.latencies
            .push(answer.read.saturating_duration_since(answer.due));
        if answer.status == OK {
            self.report.succeeded += 1;
            return;
        }
        self.report.refused += 1;
        self.report.first_refusal.get_or_insert_with(|| {
            format!("{} {}", answer.status, String::from_utf8_lossy(answer.body))
        });
    }

    /// Notes a request that was sent and is given up.
    pub(super) fn unanswered(&mut self, due: Instant, now: Instant) {
        self.latencies.push(now.saturating_duration_since(due));
        self.report.unanswered += 1;
    }

    /// Notes a request that was never sent.
    pub(super) fn unsent(&mut self, due: Instant, now: Instant) {
        self.latencies.push(now.saturating_duration_since(due));
        self.report.unsent += 1;
    }

    pub(super) fn finish(self, processor_seconds: f64) -> Report {
        Report {
            latencies: self.latencies.into_iter().collect(),
            processor_seconds,
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, due: Instant, after_ms: u64) -> Answer<'static> {
        let read = due + Duration::from_millis(after_ms);
        Answer {
            status,
            body: b"no",
            due,
            read,
        }
    }

    #[test]
    fn what_was_given_up_makes_the_latencies_longer() {
        let due = Instant::now();
        let mut tally = Tally::new(3);
        tally.answered(&answer(200, due, 1));
        tally.unanswered(due, due + Duration::from_millis(50));
        tally.unsent(due, due + Duration::from_millis(60));
        let report = tally.finish(0.0);
        let counts = (report.succeeded, report.unanswered, report.unsent);
        assert_eq!(counts, (1, 1, 1));
        assert_eq!(
            report.latencies.quantile(0.5),
            Duration::from_millis(50),
            "{report:?}"
        );
    }

    #[test]
    fn a_refusal_is_told() {
        let mut tally = Tally::new(2);
        tally.answered(&answer(429, Instant::now(), 1));
        let refusal = tally.finish(0.0).check().map_err(|error| error.to_string());
        assert!(refusal.is_err_and(|text| text.contains("429 no")));
        assert!(Tally::new(1).finish(0.0).check().is_ok());
    }

    #[test]
    fn only_what_is_sent_after_more_than_a_millisecond_is_late() {
        let due = Instant::now();
        let mut tally = Tally::new(2);
        tally.sent(due, due + LATE);
        tally.sent(due, due + LATE + Duration::from_micros(1));
        assert_eq!(tally.finish(0.0).late, 1);
    }
}
