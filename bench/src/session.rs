//! One run: its servers, its figures, and what is told while it goes on.

use std::time::Instant;

use crate::{
    arguments::RunArguments, error::BenchError, figures::Figures, measure::Measure, report::value,
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
    started: Instant,
    /// Sales so far; each gets a name of its own, so that a gateway cannot take one for the next.
    sales: u32,
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
            started,
            sales: 0,
        })
    }

    /// The number of the next sale.
    pub fn next_sale(&mut self) -> u32 {
        self.sales += 1;
        self.sales
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
