//! The flags that shape a crowd, shared by `up --crowd` and `load`.

use std::{num::ParseIntError, time::Duration};

use clap::{Args, ValueEnum};

use crate::load::{
    crowd::{Arrivals, CrowdPlan, Offer},
    payers::Habits,
};

/// Shoppers a second over an opening whose length is not given: several times what a hand-written
/// shop takes, and what two cores that run everything else as well answer without falling behind.
const OPENING_RATE: f64 = 6_000.0;

/// An opening takes at least this long, in seconds.
const SHORTEST_OPENING: f64 = 1.0;

/// How shoppers choose among several products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Spread {
    /// The more stock, the more shoppers.
    #[default]
    Stock,
    /// All products alike.
    Uniform,
}

/// What a crowd is like.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Crowd")]
pub(crate) struct CrowdArgs {
    /// Seconds until the last shopper of a crowd has arrived; the first second is the fullest.
    /// Without it: the crowd divided by 6000, at least 1.
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    arrival_seconds: Option<f64>,

    /// Share of shoppers who press twice (same Idempotency-Key, so the second is a replay).
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    double_press: f64,

    /// Share of shoppers who press far too often, and meet the rate limit.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = share)]
    impatient: f64,

    /// How often those press, 40 ms apart.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    impatient_presses: u32,

    /// Share of shoppers who want a second unit, with a key of its own; maxPerUser may stop them.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share)]
    greedy: f64,

    /// Share of shoppers who never pay for the order that they won, where orders have to be paid.
    #[arg(long, value_name = "SHARE", default_value_t = 0.30, value_parser = share)]
    never_pay: f64,

    /// Share of those whose money arrives after the window.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    pay_late: f64,

    /// Share of those who give their order back.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = share)]
    cancel: f64,

    /// How shoppers choose among several products.
    #[arg(long, value_enum, default_value = "stock")]
    spread: Spread,

    /// Keep-alive connections over all gateways; each carries one request at a time.
    #[arg(long, value_name = "COUNT", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,

    /// Seconds that a shopper keeps trying against errors, with the same key.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) give_up: Duration,

    /// Seconds without any new outcome after which acknowledged buys that have none are lost.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) settle_patience: Duration,
}

impl CrowdArgs {
    /// An opening for `shoppers`.
    pub(crate) fn opening(&self, shoppers: u32) -> Arrivals {
        let seconds = self
            .arrival_seconds
            .unwrap_or_else(|| (f64::from(shoppers) / OPENING_RATE).max(SHORTEST_OPENING));
        Arrivals::Opening {
            shoppers,
            over: Duration::from_secs_f64(seconds),
        }
    }

    /// The plan of a crowd that arrives like this and wants one of these.
    pub(crate) fn plan(&self, arrivals: Arrivals, offers: Vec<Offer>) -> CrowdPlan {
        CrowdPlan {
            arrivals,
            offers,
            double_share: self.double_press,
            impatient_share: self.impatient,
            impatient_presses: self.impatient_presses,
            greedy_share: self.greedy,
        }
    }

    /// What shoppers do with orders that have to be paid.
    pub(crate) fn habits(&self) -> Habits {
        Habits {
            never: self.never_pay,
            late: self.pay_late,
            cancel: self.cancel,
        }
    }

    /// Whether all products are wanted alike.
    pub(crate) fn is_uniform(&self) -> bool {
        self.spread == Spread::Uniform
    }

    /// Connections over all gateways.
    pub(crate) fn connections(&self) -> usize {
        usize::try_from(self.connections).unwrap_or(usize::MAX)
    }
}

fn seconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_secs)
}

fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "write e.g. 0.05".to_owned())?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err("write a share from 0 to 1, e.g. 0.05 for 5 %".to_owned())
    }
}

/// A finite number above 0 and below what a duration can hold.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "write a number, e.g. 2.5".to_owned())?;
    if value > 0.0 && value <= 1e9 {
        Ok(value)
    } else {
        Err("write a number above 0, at most a billion".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_make_no_sense_are_refused_with_advice() {
        for text in ["1.5", "-0.1", "NaN", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
        for text in ["0", "-1", "inf", "NaN", "x"] {
            assert!(positive(text).is_err(), "{text}");
        }
        assert!(share("1").is_ok() && positive("0.25").is_ok());
    }
}
