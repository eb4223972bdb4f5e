//! One run: its servers, its figures, and what is told while it goes on.

use std::time::Instant;

use crate::{
    arguments::RunArguments,
    error::BenchError,
    figures::Figures,
    measure::{Consumer, Measure},
    processor::{self, MachineTime},
    report::value,
    stores::Stores,
};

/// One run.
#[derive(Debug)]
pub struct Session {
    /// What was chosen.
    pub arguments: RunArguments,
    /// The servers.
    pub stores: Stores,
    /// What was measured so far.
    pub figures: Figures,
    /// The greatest share of the processor that other programs used during a round.
    pub others_used: f64,
    started: Instant,
    /// Sales so far; each gets a name of its own, so that a gateway cannot take one for the next.
    sales: u32,
}

/// A round that has begun.
#[derive(Debug)]
pub struct Round {
    machine: MachineTime,
    /// Processor seconds that the run had used.
    ours: f64,
}

impl Session {
    /// Starts the servers.
    pub async fn start(arguments: RunArguments) -> Result<Self, BenchError> {
        let started = Instant::now();
        let stores = Stores::start().await?;
        Ok(Self {
            arguments,
            stores,
            figures: Figures::default(),
            others_used: 0.0,
            started,
            sales: 0,
        })
    }

    /// The number of the next sale.
    pub fn next_sale(&mut self) -> u32 {
        self.sales += 1;
        self.sales
    }

    /// Begins a round.
    pub fn begin(&self, round: u32) -> Result<Round, BenchError> {
        self.tell(&format!("round {round} of {}", self.arguments.rounds()));
        Ok(Round {
            machine: MachineTime::look()?,
            ours: self.seconds()?,
        })
    }

    /// Ends it: notes how much others used of the machine meanwhile. All children but the servers
    /// must have ended.
    pub fn end(&mut self, round: &Round) -> Result<(), BenchError> {
        let ours = self.seconds()? - round.ours;
        let others = MachineTime::look()?.share_of_others(&round.machine, ours);
        self.others_used = self.others_used.max(others);
        self.tell(&format!(
            "other programs used {} of the processor",
            value::share(others)
        ));
        Ok(())
    }

    /// Processor seconds used by this run.
    fn seconds(&self) -> Result<f64, BenchError> {
        let servers = self.stores.postgres_seconds()? + self.stores.redis_seconds()?;
        Ok(processor::own_seconds()? + servers)
    }

    /// Notes the processor time that `count` orders or requests cost, in seconds.
    pub fn record_processor_time(&mut self, consumer: Consumer, seconds: f64, count: u32) {
        let microseconds = seconds * 1e6 / f64::from(count);
        self.record(Measure::ProcessorTime(consumer), microseconds);
    }

    /// Notes a value of this round and tells it.
    pub fn record(&mut self, measure: Measure, measured: f64) {
        self.figures.add(measure, measured);
        self.tell(&format!(
            "{measure}: {}",
            value::format(measured, measure.unit())
        ));
    }

    /// Says on stderr what goes on, with the seconds since the start.
    pub fn tell(&self, text: &str) {
        eprintln!("[{:>4} s] {text}", self.started.elapsed().as_secs());
    }
}
