//! The API server, the network between, and what befalls everyone.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::machine::{Machine, PATIENCE};
use crate::lease::{
    election::{Answer, Found, Pace, Request},
    record::Record,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faults {
    /// Part of messages that are lost, each way.
    pub(super) loss: f64,
    /// A message takes up to this many milliseconds.
    pub(super) longest_delay: u64,
    /// Part of moments at which a process is paused, for up to 40 s.
    pub(super) pauses: f64,
    /// Part of moments at which a process is killed or released.
    pub(super) ends: f64,
    /// Clocks run up to this part too fast or too slow.
    pub(super) drift: f64,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self {
            loss: 0.0,
            longest_delay: 20,
            pauses: 0.0,
            ends: 0.0,
            drift: 0.0,
        }
    }
}

/// What happens to a machine, or to a request of it.
#[derive(Debug)]
enum Event {
    Wake,
    /// The request reaches the API server.
    Arrives(u64, Request<u64>),
    Answered(u64, Answer<u64>),
}

/// Everyone and everything.
pub(super) struct World {
    machines: Vec<Machine>,
    faults: Faults,
    dice: StdRng,
    now: u64,
    /// Moment, a number that keeps the order, machine.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: HashMap<u64, Event>,
    numbers: u64,
    /// The one lease and its version.
    lease: Option<(Record, u64)>,
    versions: u64,
}

impl World {
    pub(super) fn new(machines: usize, faults: Faults, seed: u64) -> Self {
        let mut world = Self {
            machines: Vec::new(),
            faults,
            dice: StdRng::seed_from_u64(seed),
            now: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            numbers: 0,
            lease: None,
            versions: 0,
        };
        for _ in 0..machines {
            world.start();
        }
        world
    }

    /// Starts one more process.
    fn start(&mut self) {
        let drift = self.faults.drift;
        let speed = self.dice.random_range(1.0 - drift..=1.0 + drift);
        let skew = self.dice.random_range(-86_400..=86_400);
        let identity = format!("operator-{}", self.machines.len());
        self.machines.push(Machine::new(identity, speed, skew));
        let delay = self.dice.random_range(0..500);
        self.schedule(delay, self.machines.len() - 1, Event::Wake);
    }

    fn schedule(&mut self, delay: u64, machine: usize, event: Event) {
        self.numbers += 1;
        self.queue
            .push(Reverse((self.now + delay, self.numbers, machine)));
        self.events.insert(self.numbers, event);
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((moment, number, machine))) = self.queue.peek().copied() {
            if moment > end {
                break;
            }
            self.queue.pop();
            self.now = moment;
            let Some(event) = self.events.remove(&number) else {
                continue;
            };
            self.happen(machine, event);
        }
        self.now = end;
    }

    fn happen(&mut self, machine: usize, event: Event) {
        if let Event::Arrives(serial, request) = event {
            // The API server serves also those who died meanwhile.
            let answer = self.serve(request);
            self.send(machine, Event::Answered(serial, answer));
            return;
        }
        if !self.machines[machine].alive {
            return;
        }
        let paused_until = self.machines[machine].paused_until;
        if paused_until > self.now {
            self.schedule(paused_until - self.now, machine, event);
            return;
        }
        self.trouble(machine);
        if !self.machines[machine].alive {
            return;
        }
        match event {
            Event::Wake => self.ask(machine),
            Event::Answered(serial, answer) => self.hear(machine, serial, answer),
            Event::Arrives(..) => {}
        }
    }

    /// Pauses and ends strike while a process does something.
    fn trouble(&mut self, machine: usize) {
        if self.dice.random_bool(self.faults.pauses) {
            self.machines[machine].paused_until = self.now + self.dice.random_range(0..40_000);
        }
        if self.dice.random_bool(self.faults.ends) {
            if self.dice.random_bool(0.5) {
                self.kill(machine);
            } else {
                self.release(machine);
            }
            self.start();
        }
    }

    fn ask(&mut self, machine: usize) {
        let now = self.now;
        let asker = &mut self.machines[machine];
        asker.request += 1;
        asker.asking = true;
        asker.sent = asker.clock(now);
        let serial = asker.request;
        let request = asker.election.request(asker.wall(now));
        let limit = asker.election.until().map_or(PATIENCE, |until| {
            until.saturating_duration_since(asker.sent).min(PATIENCE)
        });
        let overdue = asker.true_time(asker.sent + limit).saturating_sub(now);
        self.schedule(overdue, machine, Event::Answered(serial, Answer::Failed));
        self.send(machine, Event::Arrives(serial, request));
    }

    /// Puts a message on the network, which may lose it.
    fn send(&mut self, machine: usize, message: Event) {
        if !self.dice.random_bool(self.faults.loss) {
            let delay = self.dice.random_range(0..=self.faults.longest_delay);
            self.schedule(delay, machine, message);
        }
    }

    fn hear(&mut self, machine: usize, serial: u64, answer: Answer<u64>) {
        let now = self.now;
        let random = self.dice.random();
        let hearer = &mut self.machines[machine];
        if serial != hearer.request {
            return;
        }
        hearer.request += 1;
        hearer.asking = false;
        let clock = hearer.clock(now);
        let step = hearer.election.answered(answer, hearer.sent, clock);
        hearer.stand(&step, now);
        if !hearer.alive {
            // Its pod starts anew.
            self.start();
            return;
        }
        let next = match step.pace {
            Pace::AtOnce => now,
            Pace::Later => hearer.true_time(hearer.election.next_look(clock, random)),
        };
        self.schedule(next.saturating_sub(now), machine, Event::Wake);
    }

    fn serve(&mut self, request: Request<u64>) -> Answer<u64> {
        match (request, &self.lease) {
            (Request::Read | Request::Replace(..), None) => Answer::Absent,
            (Request::Read, Some((record, version))) => Answer::Found(Found {
                record: record.clone(),
                version: *version,
            }),
            (Request::Create(_), Some(_)) => Answer::Conflict,
            (Request::Replace(_, of), Some((_, version))) if of != *version => Answer::Conflict,
            (Request::Create(record) | Request::Replace(record, _), _) => {
                self.versions += 1;
                self.lease = Some((record.clone(), self.versions));
                Answer::Found(Found {
                    record,
                    version: self.versions,
                })
            }
        }
    }

    /// Nothing goes wrong from now on.
    pub(super) fn calm_down(&mut self) {
        self.faults = Faults::none();
    }

    pub(super) fn kill(&mut self, machine: usize) {
        self.machines[machine].end(self.now);
    }

    /// Ends a process that gives its lease up, if the message arrives.
    pub(super) fn release(&mut self, machine: usize) {
        self.kill(machine);
        let leaver = &self.machines[machine];
        if let Some(request) = leaver.election.release(leaver.wall(self.now)) {
            self.send(machine, Event::Arrives(0, request));
        }
    }

    /// Lets the answer arrive that a machine waits for.
    pub(super) fn let_answer_arrive(&mut self, machine: usize) {
        while self.machines[machine].asking {
            self.run_until(self.now + 1);
        }
    }

    /// Who may write now.
    pub(super) fn leader(&self) -> Option<usize> {
        self.machines
            .iter()
            .position(|machine| machine.leads(self.now))
    }

    pub(super) fn transitions(&self) -> i32 {
        self.lease
            .as_ref()
            .map_or(0, |(record, _)| record.transitions)
    }

    /// Two processes that could write at one time, if there are any.
    pub(super) fn overlap(&self) -> Option<[(usize, u64, u64); 2]> {
        let mut terms: Vec<_> = self
            .machines
            .iter()
            .enumerate()
            .filter_map(|(machine, it)| it.term.map(|term| (term.from, machine, term.until)))
            .collect();
        terms.sort_unstable();
        terms
            .windows(2)
            .find(|pair| pair[1].0 < pair[0].2)
            .map(|pair| [pair[0], pair[1]].map(|(from, machine, until)| (machine, from, until)))
    }
}
