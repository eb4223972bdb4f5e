//! Acknowledging: everything that a settled batch changes in Redis, in one script there.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use flashsale_domain::{
    event::Settled,
    id::{JobId, ProductId, SaleId, UserId},
    order::OrderState,
    outcome::{JobRecord, JobState, Outcome},
};
use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ScriptInvocation, Value};

use super::Run;
use crate::{
    connect::Queue,
    keys::{EVENTS, SaleKeys, channel},
};

/// A job that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its entry in the lane.
    pub entry_id: String,
    /// Its id.
    pub job_id: JobId,
    /// Whose it was.
    pub user_id: UserId,
    /// How it ended.
    pub outcome: Outcome,
    /// The order, where there is one.
    pub order_id: Option<i64>,
    /// Where the order stood when the ledger was asked; none: it was completed.
    pub state: Option<OrderState>,
}

/// An entry for the dead-letter lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// Its entry in the lane.
    pub entry_id: String,
    /// The entry's job, byte for byte, whether or not it can be read.
    pub job: Vec<u8>,
    /// Why it is dead.
    pub reason: String,
    /// How many attempts were made.
    pub attempts: u32,
}

/// What became of some entries of one lane.
#[derive(Debug, Clone, Default)]
pub struct Acknowledgement {
    /// Jobs that ended, the failed ones included.
    pub ended: Vec<Ended>,
    /// Entries to be dead-lettered; those that are jobs stand under `ended` as failed too.
    pub dead: Vec<Dead>,
    /// Stock and its version after the batch; none when the ledger was not asked.
    pub stock: Option<(i32, i64)>,
    /// How the entries were read, if in one piece: where all of it is acknowledged, Redis needs
    /// less than half the time. None is always right.
    pub run: Option<Run>,
    /// Who must hold the lane's lease; whoever it is when none. To be given with jobs that failed,
    /// the one outcome that the ledger does not know of: a successor may be settling them.
    pub holder: Option<String>,
}

/// Which entries an acknowledgement took out of their lane. What it says of the others was passed
/// over: somebody else had told how they ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// False when the sale is not in force: then nothing was changed, and entries that are still
    /// there stay.
    pub is_in_force: bool,
    removed: Removed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Removed {
    All,
    These(HashSet<String>),
}

impl Acknowledged {
    fn none(is_in_force: bool) -> Self {
        Self {
            is_in_force,
            removed: Removed::These(HashSet::new()),
        }
    }

    /// Whether this acknowledgement, and no other, told how the entry ended.
    pub fn has(&self, entry_id: &str) -> bool {
        match &self.removed {
            Removed::All => true,
            Removed::These(ids) => ids.contains(entry_id),
        }
    }

    /// Whether that is so of every entry.
    pub fn is_whole(&self) -> bool {
        self.removed == Removed::All
    }
}

/// The script, loaded into Redis at its first use and again after Redis lost it.
static ACKNOWLEDGE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("acknowledge.lua")));

/// Up to so many entries, the script needs no proof that all are there; it asks for each.
const FEW: usize = 3;

/// What the script answers when the sale is not in force.
const NOT_IN_FORCE: i64 = -1;

/// What it answers when it was given no entry ids and needs them.
const NEEDS_IDS: i64 = -2;

/// What it answers when somebody else holds the lane's lease.
const NOT_HOLDER: i64 = -3;

/// Takes the entries out of the lane, and writes outcomes and dead letters, tells the stock and
/// publishes the event of those that were still in it, wholly or not at all. An acknowledgement
/// that comes late or again therefore changes nothing and tells nobody.
///
/// # Errors
/// Redis does not answer, or somebody else than [`Acknowledgement::holder`] holds the lease
/// ([`ErrorKind::Client`]): then nothing was changed either.
pub async fn acknowledge(
    connection: &mut impl Queue,
    keys: &SaleKeys,
    product: &ProductId,
    acknowledgement: &Acknowledgement,
) -> RedisResult<Acknowledged> {
    let call = Call::new(keys, product, acknowledgement)?;
    if call.entries.is_empty() {
        return Ok(Acknowledged::none(true));
    }
    let mut answer: Value = call.invoke(connection, !call.is_run).await?;
    if answer == Value::Int(NEEDS_IDS) {
        answer = call.invoke(connection, true).await?;
    }
    call.read(answer)
}

/// What the script is called with.
struct Call<'a> {
    keys: &'a SaleKeys,
    product: &'a ProductId,
    acknowledgement: &'a Acknowledgement,
    event: Vec<u8>,
    /// Ids of the entries, once each: those of jobs that ended, then those that are no jobs.
    entries: Vec<&'a str>,
    extent: Option<Extent<'a>>,
    /// Whether the entries are all of those that were read in one piece.
    is_run: bool,
}

impl<'a> Call<'a> {
    fn new(
        keys: &'a SaleKeys,
        product: &'a ProductId,
        acknowledgement: &'a Acknowledgement,
    ) -> RedisResult<Self> {
        let event = acknowledgement.event(keys.sale(), product).to_json();
        let event = event.map_err(|error| unexpected("the event has no JSON", &error))?;
        let entries = acknowledgement.entries();
        let extent = Extent::of(&entries, acknowledgement).filter(|_| entries.len() > FEW);
        let run = acknowledgement.run.as_ref();
        let is_run = extent.as_ref().is_some_and(|extent| {
            run.is_some_and(|run| run.is(extent.first, extent.last, entries.len()))
        });
        Ok(Self {
            keys,
            product,
            acknowledgement,
            event,
            entries,
            extent,
            is_run,
        })
    }

    async fn invoke(&self, connection: &mut impl Queue, with_ids: bool) -> RedisResult<Value> {
        let Acknowledgement {
            ended,
            dead,
            stock,
            holder,
            ..
        } = self.acknowledgement;
        let ids: &[&str] = if with_ids { &self.entries } else { &[] };
        let mut call = ACKNOWLEDGE.prepare_invoke();
        call.key(self.keys.record())
            .key(self.keys.lane(self.product))
            .key(self.keys.stock())
            .key(self.keys.retry(self.product))
            .key(self.keys.jobs())
            .key(self.keys.dead())
            .key(self.keys.lease(self.product));
        call.arg(self.product.as_str());
        match stock {
            Some((stock, version)) => call.arg(stock).arg(version),
            None => call.arg("").arg(""),
        };
        let greatest = ended.iter().filter_map(|job| job.order_id).max();
        call.arg(greatest.unwrap_or(0))
            .arg(channel(EVENTS, connection.get_db()).as_ref())
            .arg(&self.event);
        match &self.extent {
            Some(extent) => call
                .arg(extent.first)
                .arg(extent.last)
                .arg(&extent.mark)
                .arg(
                    extent
                        .after
                        .as_deref()
                        .filter(|_| self.is_run)
                        .unwrap_or(""),
                ),
            None => call.arg("").arg("").arg("").arg(""),
        };
        call.arg(self.entries.len())
            .arg(ids.len())
            .arg(ended.len())
            .arg(dead.len())
            .arg(holder.as_deref().unwrap_or_default())
            .arg(ids);
        for job in ended {
            call.arg(job.job_id.to_string())
                .arg(job.record(self.product).to_string());
        }
        let numbers = self.numbers_of_letters();
        for letter in dead {
            call.arg(numbers.get(letter.entry_id.as_str()).unwrap_or(&0))
                .arg(&letter.reason)
                .arg(letter.attempts)
                .arg(&letter.job);
        }
        self.add_orders(&mut call);
        call.invoke_async(connection).await
    }

    /// Where all orders are completed, as in a sale without payment, nothing is sent for this.
    fn add_orders(&self, call: &mut ScriptInvocation<'_>) {
        let ended = &self.acknowledgement.ended;
        let uncompleted = || ended.iter().filter_map(Ended::uncompleted);
        if uncompleted().next().is_some() {
            call.key(self.keys.orders()).key(self.keys.due());
        }
        for (order, _) in uncompleted() {
            call.arg(order);
        }
        for (_, state) in uncompleted() {
            call.arg(state.to_string());
        }
    }

    /// Where the entry of each dead letter stands among the entries, from 1 on.
    fn numbers_of_letters(&self) -> HashMap<&str, usize> {
        let letters = self.acknowledgement.dead.iter();
        let buried: HashSet<&str> = letters.map(|letter| letter.entry_id.as_str()).collect();
        let entries = self.entries.iter().copied().zip(1..);
        entries.filter(|(id, _)| buried.contains(id)).collect()
    }

    fn read(&self, answer: Value) -> RedisResult<Acknowledged> {
        let gone = match answer {
            Value::Int(NOT_HOLDER) => {
                let text = "the lane's lease is held by another";
                return Err((ErrorKind::Client, text).into());
            }
            Value::Int(NOT_IN_FORCE) => return Ok(Acknowledged::none(false)),
            Value::Int(gone) => {
                if usize::try_from(gone) != Ok(self.entries.len()) {
                    let proof = format!("{gone} of {} were there", self.entries.len());
                    return Err(unexpected("entries proved to be in the lane", &proof));
                }
                return Ok(Acknowledged {
                    is_in_force: true,
                    removed: Removed::All,
                });
            }
            numbers => Vec::<usize>::from_redis_value(numbers)?,
        };
        let removed = if gone.len() == self.entries.len() {
            Removed::All
        } else {
            let ids = gone.iter().filter_map(|number| {
                let entry = self.entries.get(number.checked_sub(1)?)?;
                Some((*entry).to_owned())
            });
            Removed::These(ids.collect())
        };
        Ok(Acknowledged {
            is_in_force: true,
            removed,
        })
    }
}

fn unexpected(what: &'static str, detail: &impl ToString) -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, what, detail.to_string()))
}

/// Between which entries an acknowledgement lies; only where they are given in order and once each.
struct Extent<'a> {
    first: &'a str,
    last: &'a str,
    /// The job of the last one: with its id alone it could be another's, in a lane begun anew.
    mark: Cow<'a, [u8]>,
    /// The id after the last one.
    after: Option<String>,
}

impl<'a> Extent<'a> {
    fn of(entries: &[&'a str], acknowledgement: &'a Acknowledgement) -> Option<Self> {
        let mut sorted = entries
            .iter()
            .map(|id| Some((parse(id)?, *id)))
            .collect::<Option<Vec<_>>>()?;
        if !sorted.is_sorted() {
            sorted.sort_unstable();
        }
        if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        let (&(_, first), &((milliseconds, sequence), last)) = (sorted.first()?, sorted.last()?);
        let of_job = acknowledgement
            .ended
            .iter()
            .find(|job| job.entry_id == last);
        let of_letter = || {
            acknowledgement
                .dead
                .iter()
                .find(|letter| letter.entry_id == last)
        };
        let mark = match of_job {
            Some(job) => Cow::Owned(job.job_id.to_string().into_bytes()),
            None => Cow::Borrowed(of_letter()?.job.as_slice()),
        };
        if mark.is_empty() {
            return None;
        }
        let after = sequence.checked_add(1);
        Some(Self {
            first,
            last,
            mark,
            after: after.map(|sequence| format!("{milliseconds}-{sequence}")),
        })
    }
}

/// The two numbers of an entry's id.
fn parse(entry_id: &str) -> Option<(u64, u64)> {
    let (milliseconds, sequence) = entry_id.split_once('-')?;
    Some((milliseconds.parse().ok()?, sequence.parse().ok()?))
}

impl Ended {
    /// The order and where it stands, if it is not completed.
    fn uncompleted(&self) -> Option<(i64, &OrderState)> {
        let state = self.state.as_ref();
        let state = state.filter(|state| **state != OrderState::Completed)?;
        Some((self.order_id?, state))
    }

    fn record(&self, product: &ProductId) -> JobRecord {
        JobRecord {
            state: JobState::Final {
                outcome: self.outcome,
                order_id: self.order_id,
            },
            product_id: product.clone(),
            user_id: self.user_id.clone(),
        }
    }
}

impl Acknowledgement {
    /// Ids of its entries, once each: those of jobs that ended, then those that are no jobs.
    fn entries(&self) -> Vec<&str> {
        let mut entries: Vec<&str> = self.ended.iter().map(|job| job.entry_id.as_str()).collect();
        if self.dead.is_empty() {
            return entries;
        }
        let of_jobs: HashSet<&str> = entries.iter().copied().collect();
        let others = self.dead.iter().map(|letter| letter.entry_id.as_str());
        entries.extend(others.filter(|id| !of_jobs.contains(id)));
        entries
    }

    /// The event that tells of it.
    pub fn event(&self, sale: &SaleId, product: &ProductId) -> Settled {
        let mut settled = Settled {
            sale: sale.clone(),
            product: product.clone(),
            stock: self.stock.map(|(stock, _)| stock),
            version: self.stock.map_or(0, |(_, version)| version),
            confirmed: Vec::with_capacity(self.ended.len()),
            rejected: Vec::new(),
            states: Vec::new(),
        };
        let has_states = self.ended.iter().any(|job| job.uncompleted().is_some());
        for job in &self.ended {
            match (job.outcome, job.order_id) {
                (Outcome::Confirmed, Some(order_id)) => {
                    settled
                        .confirmed
                        .push((job.user_id.clone(), job.job_id, order_id));
                    if has_states {
                        let state = job.state.as_ref().unwrap_or(&OrderState::Completed);
                        settled.states.push(state.to_string());
                    }
                }
                (outcome, _) => settled
                    .rejected
                    .push((job.user_id.clone(), job.job_id, outcome)),
            }
        }
        settled
    }
}
