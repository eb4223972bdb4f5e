//! Time, messages, workers, and what befalls them.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use flashsale_domain::{
    id::{IdempotencyKey, JobId, ProductId, UserId},
    job::{Job, JobOptions, PURCHASE_JOB, Purchase},
    outcome::Outcome,
};
use flashsale_ledger::Fault;
use flashsale_queue::lane::Entry;
use uuid::Uuid;

use super::{
    ledger::{Broken, FLAKY, Ledger, POISON, failure},
    queue::Queue,
};
use crate::{
    driver::orders::Stand,
    driver::{
        departure::Departure,
        known::Known,
        pipeline::{Command, Event, Now, Pipeline},
    },
    settlement::Failure,
};

/// Milliseconds.
const LEDGER_LIMIT: u64 = 2_000;
const QUEUE_LIMIT: u64 = 500;
const TERM: u64 = 3_000;
const RENEWAL: u64 = 1_000;
const MARGIN: u64 = 500;
const LOOK: u64 = 500;
const LEFT_TO_OTHERS: u64 = 700;

/// Faults begin within this time, and jobs arrive.
const BAD_TIMES: u64 = 12_000;

const WORKERS: usize = 3;

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

enum Action {
    /// A driver's call arrives at a store; its answer may be lost.
    Arrive {
        driver: usize,
        call: u64,
        command: Command,
    },
    /// An answer, or the time limit of a call.
    Answer {
        driver: usize,
        call: u64,
        event: Event,
    },
    Tick {
        driver: usize,
    },
    Renew {
        driver: usize,
    },
    Look {
        worker: usize,
    },
    Misfortune,
    Job,
    /// The row is let go, and the ledger is quick again.
    Mend,
    /// The ledger no longer refuses poison, or does so again.
    Cure,
}

#[derive(Default)]
struct Worker {
    paused_until: u64,
    /// Links that are silent until then: what is sent arrives afterwards, or never.
    ledger_silent_until: u64,
    queue_silent_until: u64,
    not_before: u64,
    driver: Option<usize>,
    /// What its last driver learnt.
    known: Option<Known>,
}

struct Driver {
    worker: usize,
    /// None once it has left or was killed.
    pipeline: Option<Pipeline>,
    owner: String,
    held_since: u64,
    stopping: bool,
    /// Calls that are not answered.
    calls: HashSet<u64>,
}

pub(super) struct World {
    now: u64,
    base: Instant,
    dice: Dice,
    agenda: BTreeMap<(u64, u64), Action>,
    count: u64,
    ledger: Ledger,
    queue: Queue,
    workers: Vec<Worker>,
    drivers: Vec<Driver>,
    jobs: Vec<(JobId, &'static str)>,
    last_misfortune: u64,
    product: ProductId,
}

impl World {
    pub(super) fn new(seed: u64, broken: Broken) -> Self {
        let mut dice = Dice(seed);
        let stock = i32::try_from(dice.below(100)).unwrap();
        let mut world = Self {
            now: 1_000,
            base: Instant::now(),
            dice,
            agenda: BTreeMap::new(),
            count: 0,
            ledger: Ledger::new(broken, stock),
            queue: Queue::new(broken),
            workers: (0..WORKERS).map(|_| Worker::default()).collect(),
            drivers: Vec::new(),
            jobs: Vec::new(),
            last_misfortune: 0,
            product: ProductId::new("p").unwrap(),
        };
        for worker in 0..WORKERS {
            let after = world.dice.below(LOOK);
            world.at(after, Action::Look { worker });
        }
        for _ in 0..100 + world.dice.below(100) {
            let after = world.dice.below(BAD_TIMES);
            world.at(after, Action::Job);
        }
        world.at(0, Action::Cure);
        for _ in 0..world.dice.below(40) {
            let after = world.dice.below(BAD_TIMES);
            world.at(after, Action::Misfortune);
        }
        world
    }

    fn are_bad_times(&self) -> bool {
        self.now < self.last_misfortune.max(1_000 + BAD_TIMES)
    }

    fn at(&mut self, after: u64, action: Action) {
        self.count += 1;
        self.agenda.insert((self.now + after, self.count), action);
    }

    fn instant(&self) -> Instant {
        self.base + Duration::from_millis(self.now)
    }

    /// Until every job has its outcome.
    pub(super) fn run(&mut self, recovers_within: Duration) -> Result<(), String> {
        let patience = u64::try_from(recovers_within.as_millis()).unwrap();
        while let Some(((time, _), action)) = self.agenda.pop_first() {
            self.now = time;
            self.act(action);
            if let Some(wrong) = self.queue.wrong.take() {
                return Err(wrong);
            }
            if !self.are_bad_times() && self.queue.lane.is_empty() {
                return Ok(());
            }
            if time > self.last_misfortune.max(1_000 + BAD_TIMES) + patience {
                let left = self.queue.lane.len();
                return Err(format!("{left} jobs have no outcome at {time} ms"));
            }
        }
        Err("nothing happens any more".to_owned())
    }

    /// Whether shoppers were told what the ledger decided, in order of arrival.
    pub(super) fn judge(&self) -> Result<(), String> {
        for (id, user) in &self.jobs {
            let told = self.queue.told.get(id);
            let order = self.ledger.order(*id);
            let is_right = match (order, told) {
                (Some(_), told) => told == Some(&Outcome::Confirmed),
                (None, Some(Outcome::Failed)) => *user == POISON,
                (None, told) => told == Some(&Outcome::SoldOut),
            };
            if !is_right {
                return Err(format!(
                    "{id:?} of {user} was told {told:?} and has order {order:?}"
                ));
            }
        }
        let in_order: Vec<JobId> = self.jobs.iter().map(|(id, _)| *id).collect();
        // A job that the ledger refused at first has lost its place.
        let others = self.jobs.iter().filter(|(_, user)| *user == "u");
        let others: HashSet<JobId> = others.map(|(id, _)| *id).collect();
        let places = self.ledger.orders.iter().filter(|id| others.contains(id));
        let places: Vec<usize> = places
            .map(|order| in_order.iter().position(|id| id == order).unwrap())
            .collect();
        if !places.is_sorted() {
            return Err(format!("orders are not in order of arrival: {places:?}"));
        }
        Ok(())
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Job => self.job(),
            Action::Misfortune => self.misfortune(),
            Action::Mend => {
                self.ledger.locked = false;
                self.ledger.quick = usize::MAX;
            }
            Action::Cure => {
                self.ledger.is_cured = !self.are_bad_times() || !self.ledger.is_cured;
                let after = 100 + self.dice.below(1_000);
                self.at(after, Action::Cure);
            }
            Action::Look { worker } => self.look(worker),
            Action::Arrive {
                driver,
                call,
                command,
            } => self.arrive(driver, call, command),
            Action::Answer {
                driver,
                call,
                event,
            } => self.answer(driver, call, event),
            Action::Tick { driver } => {
                let is_there = self.drivers[driver].pipeline.is_some();
                if is_there && !self.is_paused(driver, |driver| Action::Tick { driver }) {
                    self.go_on(driver);
                    self.at(200, Action::Tick { driver });
                }
            }
            Action::Renew { driver } => self.renew(driver),
        }
    }

    /// Puts an action off until the driver's worker is no longer paused.
    fn is_paused(&mut self, driver: usize, again: impl Fn(usize) -> Action) -> bool {
        let until = self.workers[self.drivers[driver].worker].paused_until;
        if until > self.now {
            self.at(until - self.now, again(driver));
        }
        until > self.now
    }

    fn job(&mut self) {
        let number = self.jobs.len();
        let user = match self.dice.below(40) {
            0 | 1 => POISON,
            2 => FLAKY,
            _ => "u",
        };
        let job = Job {
            job_id: JobId(Uuid::from_u128(number as u128 + 1)),
            data: Purchase {
                user_id: UserId::new(user).unwrap(),
                product_id: self.product.clone(),
                timestamp: 1,
                idempotency_key: IdempotencyKey::new(format!("k{number}")).unwrap(),
                price: None,
            },
            name: PURCHASE_JOB.to_owned(),
            opts: JobOptions {
                attempts: 3,
                backoff: 100,
            },
        };
        self.jobs.push((job.job_id, user));
        let at = (self.now, number as u64);
        let entry = Entry {
            id: format!("{}-{}", at.0, at.1),
            job: Some(serde_json::to_vec(&job).unwrap()),
        };
        self.queue.lane.insert(at, entry);
    }

    fn misfortune(&mut self) {
        let worker = usize::try_from(self.dice.below(WORKERS as u64)).unwrap();
        let until = self.now + self.dice.below(8_000);
        self.last_misfortune = self.last_misfortune.max(until);
        match self.dice.below(12) {
            0 | 1 => self.workers[worker].paused_until = until,
            2 => self.workers[worker].ledger_silent_until = until,
            3 => self.workers[worker].queue_silent_until = until,
            4 => self.kill(worker),
            5 => self.queue.lease = None,
            6 => {
                self.ledger.locked = true;
                self.at(until - self.now, Action::Mend);
            }
            7 => {
                self.ledger.quick = 1 + usize::try_from(self.dice.below(10)).unwrap();
                self.at(until - self.now, Action::Mend);
            }
            _ => self.ledger.restock(10),
        }
    }

    fn kill(&mut self, worker: usize) {
        if let Some(driver) = self.workers[worker].driver.take() {
            self.drivers[driver].pipeline = None;
        }
        self.workers[worker].known = None;
    }

    fn look(&mut self, worker: usize) {
        let Worker {
            paused_until,
            queue_silent_until,
            not_before,
            driver,
            ..
        } = self.workers[worker];
        let wait = paused_until
            .max(queue_silent_until)
            .saturating_sub(self.now);
        self.at(LOOK.max(wait), Action::Look { worker });
        let may = wait == 0 && not_before <= self.now && driver.is_none();
        let number = self.drivers.len();
        let owner = format!("{worker}/{number}");
        if !may || self.queue.lane.is_empty() || !self.queue.hold(&owner, self.now, TERM) {
            return;
        }
        let known = self.workers[worker].known.clone();
        let known = known.unwrap_or_else(|| Known::new(8));
        let pipeline = Pipeline::new(self.product.clone(), known, self.instant());
        self.drivers.push(Driver {
            worker,
            pipeline: Some(pipeline),
            owner,
            held_since: self.now,
            stopping: false,
            calls: HashSet::new(),
        });
        self.workers[worker].driver = Some(number);
        self.at(RENEWAL, Action::Renew { driver: number });
        self.at(0, Action::Tick { driver: number });
    }

    fn renew(&mut self, driver: usize) {
        if self.drivers[driver].pipeline.is_none()
            || self.is_paused(driver, |driver| Action::Renew { driver })
        {
            return;
        }
        let silent = self.workers[self.drivers[driver].worker].queue_silent_until > self.now;
        let it = &mut self.drivers[driver];
        let is_late = self.now >= it.held_since + TERM - MARGIN;
        if !silent && !is_late && self.queue.renew(&it.owner, self.now, TERM) {
            it.held_since = self.now;
        } else if !silent || is_late {
            it.stopping = true;
        }
        let wait = if silent { 200 } else { RENEWAL };
        self.at(wait, Action::Renew { driver });
        self.go_on(driver);
    }

    fn now_for(&self, driver: usize, to_spare: bool) -> Now {
        Now {
            at: self.instant(),
            redis_ms: i64::try_from(self.now).unwrap(),
            crowded: false,
            stopping: self.drivers[driver].stopping,
            connection_to_spare: to_spare,
            orders: Stand::Quiet,
        }
    }

    /// Lets the pipeline ask for what is next.
    fn go_on(&mut self, driver: usize) {
        let to_spare = self.dice.percent(80);
        let now = self.now_for(driver, to_spare);
        let Some(pipeline) = &mut self.drivers[driver].pipeline else {
            return;
        };
        let commands = pipeline.next(&now);
        let departure = pipeline.departure().cloned();
        for command in commands {
            self.send(driver, command);
        }
        if let Some(departure) = departure {
            self.depart(driver, &departure);
        }
    }

    fn depart(&mut self, driver: usize, departure: &Departure) {
        let Driver { worker, owner, .. } = &self.drivers[driver];
        let (worker, owner) = (*worker, owner.clone());
        self.queue.release(&owner);
        let pipeline = self.drivers[driver].pipeline.take();
        let it = &mut self.workers[worker];
        it.known = pipeline.map(Pipeline::into_known);
        it.driver = None;
        it.not_before = self.now
            + match departure {
                Departure::Waits { .. } => LEFT_TO_OTHERS,
                _ => 50,
            };
    }

    fn send(&mut self, driver: usize, command: Command) {
        self.count += 1;
        let call = self.count;
        self.drivers[driver].calls.insert(call);
        let worker = &self.workers[self.drivers[driver].worker];
        let is_ledgers = matches!(command, Command::TakeOver { .. } | Command::Settle(_));
        let (silent_until, limit) = if is_ledgers {
            (worker.ledger_silent_until, LEDGER_LIMIT)
        } else {
            (worker.queue_silent_until, QUEUE_LIMIT)
        };
        self.at(
            limit,
            Action::Answer {
                driver,
                call,
                event: given_up(&command),
            },
        );
        let mut delay = 1 + self.dice.below(20);
        if self.are_bad_times() && self.dice.percent(6) {
            delay += self.dice.below(6_000);
        }
        if silent_until > self.now {
            if self.dice.percent(50) {
                return;
            }
            delay += silent_until - self.now;
        }
        self.at(
            delay,
            Action::Arrive {
                driver,
                call,
                command,
            },
        );
    }

    fn arrive(&mut self, driver: usize, call: u64, command: Command) {
        let is_ledgers = matches!(command, Command::TakeOver { .. } | Command::Settle(_));
        let event = self.execute(driver, command);
        let worker = &self.workers[self.drivers[driver].worker];
        let silent_until = if is_ledgers {
            worker.ledger_silent_until
        } else {
            worker.queue_silent_until
        };
        if silent_until > self.now || (self.are_bad_times() && self.dice.percent(1)) {
            return;
        }
        let delay = 1 + self.dice.below(10);
        self.at(
            delay,
            Action::Answer {
                driver,
                call,
                event,
            },
        );
    }

    fn execute(&mut self, driver: usize, command: Command) -> Event {
        let owner = self.drivers[driver].owner.clone();
        match command {
            Command::TakeOver { from } => {
                self.count += 1;
                let token = Uuid::from_u128(self.count.into());
                Event::TakenOver(self.ledger.take_over(token, from))
            }
            Command::Settle(batch) => Event::Settled {
                answer: self.ledger.settle(&batch),
                turn: batch.turn,
            },
            Command::AskLease => Event::LeaseAsked(Ok(self.queue.renew(&owner, self.now, TERM))),
            Command::Load => Event::Loaded(Ok(self.queue.notes.clone())),
            Command::Read { after, count, .. } => Event::Read(Ok(self.queue.read(&after, count))),
            Command::ReadRefused(asked) => Event::RefusedRead {
                found: Ok(self.queue.read_each(&asked)),
                asked,
            },
            Command::Acknowledge(told) => {
                let is_told = self.queue.acknowledge(&told, &owner, self.now);
                Event::Acknowledged(is_told.then_some(()).ok_or_else(|| "no lease".to_owned()))
            }
            Command::Note { entry_id, retry } => {
                self.queue.note(entry_id, retry);
                Event::Noted
            }
        }
    }

    fn answer(&mut self, driver: usize, call: u64, event: Event) {
        let paused_until = self.workers[self.drivers[driver].worker].paused_until;
        if self.drivers[driver].pipeline.is_none() || !self.drivers[driver].calls.contains(&call) {
            return;
        }
        if paused_until > self.now {
            self.at(
                paused_until - self.now,
                Action::Answer {
                    driver,
                    call,
                    event,
                },
            );
            return;
        }
        let it = &mut self.drivers[driver];
        it.calls.remove(&call);
        let now = self.now_for(driver, true);
        if let Some(pipeline) = &mut self.drivers[driver].pipeline {
            pipeline.on(event, &now);
        }
        self.go_on(driver);
    }
}

/// What a driver makes of a call that was not answered in time.
fn given_up(command: &Command) -> Event {
    let silent = || Failure {
        silent: true,
        certain: false,
        ..failure(Fault::TooSlow)
    };
    let away = || "timed out".to_owned();
    match command {
        Command::TakeOver { .. } => Event::TakenOver(Err(silent())),
        Command::Settle(batch) => Event::Settled {
            turn: batch.turn.clone(),
            answer: Err(silent()),
        },
        Command::AskLease => Event::LeaseAsked(Err(away())),
        Command::Load => Event::Loaded(Err(away())),
        Command::Read { .. } => Event::Read(Err(away())),
        Command::ReadRefused(asked) => Event::RefusedRead {
            asked: asked.clone(),
            found: Err(away()),
        },
        Command::Acknowledge(_) => Event::Acknowledged(Err(away())),
        Command::Note { .. } => Event::Noted,
    }
}
