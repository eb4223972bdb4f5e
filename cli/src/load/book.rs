//! The books on a crowd: what each press was answered, and what became of each acknowledged buy.

mod pages;

use std::{collections::BTreeMap, sync::Arc};

use flashsale_domain::outcome::Outcome;
use hdrhistogram::CreationError;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    answer::Answer,
    counts::Counts,
    crowd::{Crowd, Press, micros},
    latency::LatencySummary,
};
use crate::history::{Entry, HistoryWriter};
use pages::Pages;

/// The latencies of a crowd; each none while there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencySummaries {
    /// From the instant a press was meant for to its acknowledgement, first or repeated.
    pub ack: Option<LatencySummary>,
    /// The same to any final answer.
    pub answer: Option<LatencySummary>,
    /// The same to a final answer that is no acknowledgement: sold out, refused, given up.
    pub refusal: Option<LatencySummary>,
    /// From a shopper's first press to the event that confirms the order.
    pub confirmation: Option<LatencySummary>,
}

/// The books; shared by everything that learns something.
#[derive(Debug)]
pub struct Book {
    crowd: Arc<Crowd>,
    start: Instant,
    pages: Mutex<Pages>,
    /// Where everything is written down, if anywhere.
    history: Option<Arc<HistoryWriter>>,
}

impl Book {
    /// Empty books on a crowd that starts at `start`.
    pub fn new(crowd: Arc<Crowd>, start: Instant) -> Result<Self, CreationError> {
        Ok(Self {
            crowd,
            start,
            pages: Mutex::new(Pages::new()?),
            history: None,
        })
    }

    /// The same book, with `history` for all who use it.
    #[must_use]
    pub fn with_history(mut self, history: Option<Arc<HistoryWriter>>) -> Self {
        self.history = history;
        self
    }

    /// Where everything is written down, if anywhere.
    pub fn history(&self) -> Option<&Arc<HistoryWriter>> {
        self.history.as_ref()
    }

    /// The crowd.
    pub fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// The crowd's start.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The counts as of now.
    pub fn counts(&self) -> Counts {
        self.pages.lock().counts
    }

    /// The latencies as of now.
    pub fn latencies(&self) -> LatencySummaries {
        let pages = self.pages.lock();
        LatencySummaries {
            ack: pages.ack.summary(),
            answer: pages.answer.summary(),
            refusal: pages.refusal.summary(),
            confirmation: pages.confirmation.summary(),
        }
    }

    /// Refusals and failures by their reason.
    pub fn trouble(&self) -> BTreeMap<String, u64> {
        self.pages.lock().trouble.clone()
    }

    /// Acknowledged buys that were told two different final outcomes, failed ones that were
    /// settled after all left aside.
    pub fn contradictions(&self) -> u64 {
        self.pages.lock().contradictions
    }

    /// Acknowledged buys and their shoppers, in the order of the answers.
    pub fn acknowledged(&self) -> Vec<(Uuid, u32)> {
        self.pages.lock().acknowledged()
    }

    /// One of the acknowledged buys, by a random number.
    pub(super) fn draw_acknowledged(&self, random: u32) -> Option<Uuid> {
        self.pages.lock().draw(random)
    }

    /// Writes the outcome of every acknowledged buy into the history, and that it is over.
    pub fn close_history(&self, interrupted: bool) {
        let Some(history) = &self.history else {
            return;
        };
        for (job, shopper) in self.acknowledged() {
            let outcome = self.pages.lock().outcome(&job);
            history.note(Entry::Outcome {
                job,
                user: self.crowd.user(shopper),
                outcome,
            });
        }
        history.note(Entry::End { interrupted });
    }

    /// One more attempt was needed.
    pub(super) fn repeated(&self) {
        self.pages.lock().counts.repeats += 1;
    }

    /// A press has its final answer, now.
    pub(super) fn answered(&self, press: Press, answer: Result<Answer, String>) {
        let latency = self.now_us().saturating_sub(press.meant_us);
        let mut pages = self.pages.lock();
        pages.counts.asked += 1;
        pages.answer.record(latency);
        if !matches!(answer, Ok(Answer::Queued { .. })) {
            pages.refusal.record(latency);
        }
        match answer {
            Ok(Answer::Queued { job, .. }) => {
                pages.ack.record(latency);
                // A shopper's first unit is waited for since the first press for it, whichever
                // press was answered; a second unit is asked for once.
                let first_us = self.crowd.arrival_us(press.shopper);
                let since_us = first_us.filter(|_| !press.second).unwrap_or(press.meant_us);
                pages.acknowledge(job, press.shopper, since_us);
            }
            Ok(Answer::SoldOut) => pages.counts.sold_out += 1,
            Ok(Answer::RateLimited { .. }) => pages.counts.rate_limited += 1,
            Ok(Answer::NotOpen { .. }) => pages.counts.not_open += 1,
            Ok(Answer::Closed) => pages.counts.closed += 1,
            Ok(Answer::Refused { reason }) => {
                pages.counts.refused += 1;
                *pages.trouble.entry(reason).or_default() += 1;
            }
            Ok(Answer::Unavailable { reason, .. }) | Err(reason) => {
                pages.counts.gave_up += 1;
                *pages.trouble.entry(reason).or_default() += 1;
            }
        }
    }

    /// A buy has its outcome. `at` is the instant, where it is known.
    pub fn settled(&self, job: Uuid, shopper: u32, outcome: Outcome, at: Option<Instant>) {
        let settled_us = at.map(|at| micros(at.saturating_duration_since(self.start)));
        self.pages.lock().settle(job, shopper, outcome, settled_us);
    }

    fn now_us(&self) -> u64 {
        micros(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flashsale_domain::id::{ProductId, SaleId};

    use super::*;
    use crate::load::crowd::{Arrivals, CrowdPlan, Offer};

    fn book() -> Book {
        let plan = CrowdPlan {
            arrivals: Arrivals::Steady {
                rate: 10.0,
                over: Duration::from_secs(1),
            },
            offers: vec![Offer {
                sale: SaleId::new("drop").unwrap(),
                product: ProductId::new("p").unwrap(),
                weight: 1,
            }],
            double_share: 0.0,
            impatient_share: 0.0,
            impatient_presses: 0,
            greedy_share: 0.0,
        };
        let crowd = Arc::new(Crowd::draw(&plan).unwrap());
        Book::new(crowd, Instant::now()).unwrap()
    }

    fn queued(job: u128) -> Answer {
        Answer::Queued {
            job: Uuid::from_u128(job),
            replayed: false,
        }
    }

    #[test]
    fn an_outcome_counts_whether_it_comes_before_or_after_the_answer() {
        let book = book();
        let press = book.crowd().presses()[0];
        let job = Uuid::from_u128(1);
        book.settled(job, 0, Outcome::Confirmed, Some(Instant::now()));
        assert_eq!(book.counts(), Counts::default());
        book.answered(press, Ok(queued(1)));
        assert_eq!((book.counts().queued, book.counts().confirmed), (1, 1));

        book.answered(book.crowd().presses()[1], Ok(queued(2)));
        assert_eq!(book.counts().unsettled(), 1);
        book.settled(Uuid::from_u128(2), 1, Outcome::SoldOut, None);
        assert_eq!(
            (book.counts().unsettled(), book.counts().sold_out_in_lane),
            (0, 1)
        );
        assert_eq!(book.latencies().confirmation.unwrap().count, 1);
    }

    #[test]
    fn the_same_job_twice_is_a_replay() {
        let book = book();
        let press = book.crowd().presses()[0];
        book.answered(press, Ok(queued(1)));
        book.answered(press, Ok(queued(1)));
        let counts = book.counts();
        assert_eq!((counts.asked, counts.queued, counts.replayed), (2, 1, 1));
        assert_eq!(book.acknowledged(), [(Uuid::from_u128(1), 0)]);
    }

    #[test]
    fn two_final_outcomes_are_a_contradiction_and_a_replayed_dead_letter_is_none() {
        let book = book();
        let job = Uuid::from_u128(1);
        book.answered(book.crowd().presses()[0], Ok(queued(1)));
        book.settled(job, 0, Outcome::Failed, None);
        book.settled(job, 0, Outcome::Confirmed, None);
        book.settled(job, 0, Outcome::Confirmed, None);
        assert_eq!((book.counts().failed, book.counts().confirmed), (0, 1));
        assert_eq!(book.contradictions(), 0);
        book.settled(job, 0, Outcome::SoldOut, None);
        assert_eq!(book.contradictions(), 1);
    }

    #[test]
    fn every_press_is_counted_once() {
        let book = book();
        let press = book.crowd().presses()[0];
        for answer in [
            Ok(queued(1)),
            Ok(Answer::SoldOut),
            Ok(Answer::Closed),
            Ok(Answer::NotOpen { opens_at: None }),
            Ok(Answer::Refused {
                reason: "422 x".to_owned(),
            }),
            Err("broke".to_owned()),
        ] {
            book.answered(press, answer);
        }
        let Counts {
            asked,
            queued,
            sold_out,
            closed,
            not_open,
            refused,
            gave_up,
            ..
        } = book.counts();
        assert_eq!(asked, 6);
        assert_eq!(
            [queued, sold_out, closed, not_open, refused, gave_up],
            [1; 6]
        );
        assert_eq!(book.trouble().len(), 2);
        let latencies = book.latencies();
        assert_eq!(latencies.ack.unwrap().count, 1);
        assert_eq!(latencies.refusal.unwrap().count, 5);
    }
}
