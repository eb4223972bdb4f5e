//! What is measured of the usual stack, and of ours in turn with it.

use std::fmt;

use super::{Aspect, Unit};

/// Jobs in work at a time that the usual stack's worker is tried with.
pub const CONCURRENCIES: [u32; 4] = [1, 4, 16, 64];

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stack {
    /// Express and BullMQ, `bench/peers/express-bullmq`.
    ExpressBullmq,
    /// Our gateway and worker.
    Flashsale,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contest {
    /// Buys acknowledged by one gateway process.
    Acknowledged(Stack, Aspect),
    /// Orders a second of one hot product by one worker process, at its best.
    Settled(Stack),
    /// Orders a second of the usual stack with so many jobs in work at a time; the best of them is
    /// kept. Measured in the first round alone.
    SettledWith(u32),
}

impl Contest {
    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Acknowledged(_, Aspect::Rate) | Self::Settled(_) | Self::SettledWith(_) => {
                Unit::PerSecond
            }
            Self::Acknowledged(..) => Unit::Milliseconds,
        }
    }

    /// All rows, the usual stack above ours.
    #[must_use]
    pub fn rows() -> Vec<Self> {
        let aspects = [Aspect::Rate, Aspect::Median, Aspect::Percentile99];
        let stacks = [Stack::ExpressBullmq, Stack::Flashsale];
        let acknowledged = stacks
            .into_iter()
            .flat_map(|stack| aspects.map(|aspect| Self::Acknowledged(stack, aspect)));
        let tried = CONCURRENCIES.into_iter().map(Self::SettledWith);
        acknowledged
            .chain(tried)
            .chain(stacks.map(Self::Settled))
            .collect()
    }
}

impl fmt::Display for Contest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Acknowledged(stack, aspect) => write!(formatter, "{stack}, buys, {aspect}"),
            Self::Settled(stack) => write!(formatter, "{stack}, orders of one product"),
            Self::SettledWith(concurrency) => {
                write!(formatter, "Express and BullMQ, concurrency {concurrency}")
            }
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ExpressBullmq => "Express and BullMQ",
            Self::Flashsale => "flashsale in turn with it",
        })
    }
}
