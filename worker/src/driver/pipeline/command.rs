//! What the pipeline asks for, and what it is told.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::order::OrderState;
use flashsale_ledger::{BatchTurn, Settlement, Succession};
use flashsale_queue::{
    lane::{Acknowledgement, Entry},
    retry::Retry,
};
use uuid::Uuid;

use crate::{batch::Waiting, driver::orders::Stand, settlement::Failure};

/// Jobs to be settled in one transaction, with their place among the batches of the lane.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Batch {
    /// The takeover under which it is sent, its number, and the times of its entries.
    pub(in crate::driver) turn: BatchTurn,
    /// The jobs, in order of arrival.
    pub(in crate::driver) jobs: Arc<[Waiting]>,
}

/// Something to start.
#[derive(Debug)]
pub(in crate::driver) enum Command {
    /// Take the lane over in the ledger, from the driver that is expected there.
    TakeOver {
        /// The driver; none: nobody is expected.
        from: Option<Uuid>,
    },
    /// Ask the lease whether it is still this driver's.
    AskLease,
    /// Read what the last driver noted of refused jobs.
    Load,
    /// Read entries after one.
    Read {
        /// The last entry that is known.
        after: String,
        /// Entries at most.
        count: usize,
        /// How long to wait for a first one; none: not at all.
        wait: Option<Duration>,
    },
    /// Read these entries, those of refused jobs.
    ReadRefused(Vec<String>),
    /// Settle a batch.
    Settle(Batch),
    /// Acknowledge what was decided.
    Acknowledge(Arc<Acknowledgement>),
    /// Note failed attempts, for a next driver.
    Note {
        /// The entry of the job.
        entry_id: String,
        /// Its attempts.
        retry: Retry,
    },
}

/// What came of a command.
#[derive(Debug)]
pub(in crate::driver) enum Event {
    /// Of [`Command::TakeOver`].
    TakenOver(Result<Succession, Failure>),
    /// Of [`Command::AskLease`].
    LeaseAsked(Result<bool, String>),
    /// Of [`Command::Load`].
    Loaded(Result<HashMap<String, Retry>, String>),
    /// Of [`Command::Read`].
    Read(Result<Vec<Entry>, String>),
    /// Of [`Command::ReadRefused`]: the entries that are still there, in the order asked for.
    RefusedRead {
        /// What was asked for.
        asked: Vec<String>,
        /// What is still in the lane.
        found: Result<Vec<Entry>, String>,
    },
    /// Of [`Command::Settle`].
    Settled {
        /// Which batch.
        turn: BatchTurn,
        /// What the ledger decided.
        answer: Result<Settlement, Failure>,
    },
    /// Of [`Command::Acknowledge`].
    Acknowledged(Result<(), String>),
    /// The ledger refused to look after orders, since another has taken over from this driver.
    OrdersFenced(Uuid),
    /// Of [`Command::Note`]. This driver remembers the attempt even where it could not be noted.
    Noted,
}

impl Event {
    /// Whether a batch made orders that are not completed at once.
    pub(in crate::driver) fn has_orders(&self) -> bool {
        let Self::Settled { answer, .. } = self else {
            return false;
        };
        answer.as_ref().is_ok_and(|settlement| {
            let mut states = settlement.states.iter().flatten();
            states.any(|state| *state != OrderState::Completed)
        })
    }
}

/// What the pipeline has to know of the world to choose.
#[derive(Debug, Clone, Copy)]
pub(in crate::driver) struct Now {
    /// The time.
    pub(in crate::driver) at: Instant,
    /// The time by Redis's clock, in milliseconds since the Unix epoch.
    pub(in crate::driver) redis_ms: i64,
    /// Whether other lanes wait for room in this worker.
    pub(in crate::driver) crowded: bool,
    /// Whether the driver was told to stop.
    pub(in crate::driver) stopping: bool,
    /// Whether a batch can be sent ahead without taking another lane's connection.
    pub(in crate::driver) connection_to_spare: bool,
    /// What is known of the lane's orders.
    pub(in crate::driver) orders: Stand,
}
