//! Hands out presses when their instant has come, repeats included.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, sleep_until},
};

use super::crowd::{Crowd, Press};

/// What is due, and what waits for its time.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The crowd's start.
    start: Instant,
    /// Presses whose time has come.
    due: Mutex<VecDeque<Press>>,
    /// One permit for each of them; closed when there will be no more.
    permits: Semaphore,
    /// Takes repeats to the dispatcher.
    repeats: mpsc::UnboundedSender<Waiting>,
    /// Presses that have no final answer yet.
    open: AtomicUsize,
    /// Told when the last of them got one.
    finished: Notify,
}

/// A repeat: its time, and the press.
type Waiting = (Instant, Press);

impl Schedule {
    /// A schedule for `presses` presses that begins at `start`, and the repeats for
    /// [`Self::dispatch`].
    pub(super) fn new(start: Instant, presses: usize) -> (Self, Repeats) {
        let (repeats, receiver) = mpsc::unbounded_channel();
        let schedule = Self {
            start,
            due: Mutex::default(),
            permits: Semaphore::new(0),
            repeats,
            open: AtomicUsize::new(presses),
            finished: Notify::new(),
        };
        (schedule, Repeats(receiver))
    }

    /// The next press that is due; none when there will be no more.
    pub(super) async fn next(&self) -> Option<Press> {
        loop {
            self.permits.acquire().await.ok()?.forget();
            // Somebody may have given the press up that the permit was for.
            if let Some(press) = self.due.lock().pop_front() {
                return Some(press);
            }
        }
    }

    /// Takes out what has been due for longer than `patience`.
    pub(super) fn overdue(&self, patience: Duration) -> Vec<Press> {
        let now = Instant::now();
        let mut due = self.due.lock();
        let mut overdue = Vec::new();
        while let Some(press) = due.pop_front_if(|press| self.at(press) + patience <= now) {
            overdue.push(press);
        }
        drop(due);
        self.permits.forget_permits(overdue.len());
        overdue
    }

    /// The same press again, after `wait`.
    pub(super) fn repeat(&self, mut press: Press, wait: Duration) {
        press.attempts = press.attempts.saturating_add(1);
        let at = Instant::now() + wait;
        if self.repeats.send((at, press)).is_err() {
            self.done();
        }
    }

    /// One press has its final answer.
    pub(super) fn done(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.finished.notify_one();
        }
    }

    /// Hands everything out at its time; comes back when every press has its final answer.
    pub(super) async fn dispatch(&self, crowd: &Crowd, mut repeats: Repeats) {
        let mut planned = crowd.presses().iter().copied().peekable();
        let mut waiting: BinaryHeap<Reverse<Waiting>> = BinaryHeap::new();
        while self.open.load(Ordering::Acquire) > 0 {
            let now = Instant::now();
            let mut due = Vec::new();
            while let Some(press) = planned.next_if(|press| self.at(press) <= now) {
                due.push(press);
            }
            while let Some(Reverse((at, press))) = waiting.peek().copied()
                && at <= now
            {
                waiting.pop();
                due.push(press);
            }
            self.release(due);
            let planned = planned.peek().map(|press| self.at(press));
            let repeated = waiting.peek().map(|Reverse((at, _))| *at);
            let next = planned.into_iter().chain(repeated).min();
            tokio::select! {
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
                repeat = repeats.0.recv() => waiting.extend(repeat.map(Reverse)),
                () = self.finished.notified() => {}
            }
        }
        self.close();
    }

    /// Hands nothing out any more.
    pub(super) fn close(&self) {
        self.permits.close();
    }

    /// Whether nothing is handed out any more.
    pub(super) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn at(&self, press: &Press) -> Instant {
        self.start + Duration::from_micros(press.meant_us)
    }

    fn release(&self, presses: Vec<Press>) {
        let count = presses.len();
        if count > 0 {
            self.due.lock().extend(presses);
            self.permits.add_permits(count);
        }
    }
}

/// The dispatcher's end of the repeats.
#[derive(Debug)]
pub(super) struct Repeats(mpsc::UnboundedReceiver<Waiting>);
