//! Who presses Buy for what, and when: drawn beforehand, so that a slow system changes nothing.

use std::time::Duration;

use flashsale_domain::id::{ProductId, SaleId};
use rand::Rng;

use super::LoadError;

/// How much fuller the first instant of an opening is than its last: `exp(2)` is about seven
/// times. Published traces of openings fall off faster, but then the tail says nothing.
const DECAY: f64 = 2.0;

/// A second press of the same button comes within this time: a double click, or an impatient
/// second look.
const DOUBLE_PRESS_WITHIN: Duration = Duration::from_millis(250);

/// An impatient shopper presses this often; faster than any limit meant for people.
const IMPATIENT_INTERVAL: Duration = Duration::from_millis(40);

/// Something to buy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The sale that offers it.
    pub sale: SaleId,
    /// The product.
    pub product: ProductId,
    /// How many of a crowd want it, compared with the other offers.
    pub weight: u64,
}

/// When shoppers arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// `shoppers` within `over`, most of them at the beginning.
    Opening {
        /// How many.
        shoppers: u32,
        /// Until the last one.
        over: Duration,
    },
    /// One after the other at one pace.
    Steady {
        /// Shoppers a second.
        rate: f64,
        /// For how long.
        over: Duration,
    },
}

/// What a crowd is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdPlan {
    /// When they come.
    pub arrivals: Arrivals,
    /// What they may want; not empty.
    pub offers: Vec<Offer>,
    /// Share of shoppers who press twice.
    pub double_share: f64,
    /// Share of shoppers who press far too often.
    pub impatient_share: f64,
    /// How often those press.
    pub impatient_presses: u32,
    /// Share of shoppers who want a second unit: another press with another key.
    pub greedy_share: f64,
}

/// One press of the Buy button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Press {
    /// The instant it is meant for, in microseconds after the crowd's start. Latency counts from
    /// here, over all attempts.
    pub meant_us: u64,
    /// Who, by number.
    pub shopper: u32,
    /// Whether the shopper has pressed before with this key.
    pub again: bool,
    /// Whether it is for a second unit, with a key of its own.
    pub second: bool,
    /// Attempts made so far.
    pub attempts: u16,
}

/// A crowd, ready to go.
#[derive(Debug)]
pub struct Crowd {
    /// Begins every user id and key of this crowd, so that crowds do not meet each other's limits
    /// and each other's keys.
    run: String,
    /// What there is to buy.
    offers: Vec<Offer>,
    /// What each shopper wants, by number.
    wishes: Vec<u16>,
    /// When each shopper presses first, by number.
    arrivals: Vec<u64>,
    /// Every press, in the order of time.
    presses: Vec<Press>,
}

impl Crowd {
    /// Draws a crowd.
    pub fn draw(plan: &CrowdPlan) -> Result<Self, LoadError> {
        if plan.offers.is_empty() || plan.offers.len() > usize::from(u16::MAX) {
            return Err(LoadError::NothingToBuy("nothing is on offer".to_owned()));
        }
        let mut random = rand::rng();
        let arrivals = arrivals(plan.arrivals, &mut random)?;
        let mut presses = Vec::with_capacity(arrivals.len() + arrivals.len() / 8);
        let mut wishes = Vec::with_capacity(arrivals.len());
        for (shopper, meant_us) in (0_u32..).zip(arrivals.iter().copied()) {
            wishes.push(wish(&plan.offers, &mut random));
            press(plan, shopper, meant_us, &mut random, &mut presses);
        }
        presses.sort_by_key(|press| press.meant_us);
        Ok(Self {
            run: format!("crowd-{:08x}-", random.random::<u32>()),
            offers: plan.offers.clone(),
            wishes,
            arrivals,
            presses,
        })
    }

    /// Begins every user id and key of this crowd.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// How many shoppers there are.
    pub fn shoppers(&self) -> usize {
        self.wishes.len()
    }

    /// Every press, in the order of time.
    pub fn presses(&self) -> &[Press] {
        &self.presses
    }

    /// What a shopper wants.
    pub fn wish(&self, shopper: u32) -> Option<&Offer> {
        let wish = self.wishes.get(usize::try_from(shopper).ok()?)?;
        self.offers.get(usize::from(*wish))
    }

    /// When a shopper presses first, in microseconds after the crowd's start.
    pub fn arrival_us(&self, shopper: u32) -> Option<u64> {
        self.arrivals.get(usize::try_from(shopper).ok()?).copied()
    }

    /// A shopper's user id.
    pub fn user(&self, shopper: u32) -> String {
        format!("{}{shopper}", self.run)
    }

    /// The Idempotency-Key of a press: one for each unit that the shopper wants.
    pub fn key(&self, press: Press) -> String {
        let unit = if press.second { "-second" } else { "" };
        format!("{}{}{unit}", self.run, press.shopper)
    }

    /// The shopper behind a user id; none for users of other crowds.
    pub fn shopper(&self, user: &str) -> Option<u32> {
        user.strip_prefix(&self.run)?.parse().ok()
    }
}

/// The instants at which shoppers come, in microseconds, in no order.
fn arrivals(arrivals: Arrivals, random: &mut impl Rng) -> Result<Vec<u64>, LoadError> {
    match arrivals {
        Arrivals::Opening { shoppers: 0, .. } => {
            Err(LoadError::Numbers("a crowd needs at least one shopper"))
        }
        Arrivals::Opening { shoppers, over } => {
            let share = |uniform: f64| -(1.0 - uniform * (1.0 - (-DECAY).exp())).ln() / DECAY;
            let at = |uniform: f64| micros(over.mul_f64(share(uniform).clamp(0.0, 1.0)));
            Ok((0..shoppers).map(|_| at(random.random())).collect())
        }
        Arrivals::Steady { rate, over } => {
            let count = (rate * over.as_secs_f64()).floor();
            if !(1.0..=f64::from(u32::MAX)).contains(&count) {
                return Err(LoadError::Numbers(
                    "the rate and the duration make no whole shopper, or more than 4 billion",
                ));
            }
            let gap = 1.0 / rate;
            let instants = (0_u32..).take_while(|index| f64::from(*index) < count);
            Ok(instants
                .map(|index| micros(Duration::from_secs_f64(f64::from(index) * gap)))
                .collect())
        }
    }
}

/// An offer, drawn by weight.
fn wish(offers: &[Offer], random: &mut impl Rng) -> u16 {
    let total: u64 = offers.iter().map(|offer| offer.weight).sum();
    let mut rest = random.random_range(0..total.max(1));
    let drawn = offers.iter().position(|offer| {
        let mine = rest < offer.weight;
        rest = rest.saturating_sub(offer.weight);
        mine
    });
    // Where all weigh nothing, nobody is preferred, and the first is as good as any.
    let drawn = drawn.and_then(|index| u16::try_from(index).ok());
    drawn.unwrap_or(0)
}

/// The presses of one shopper.
fn press(
    plan: &CrowdPlan,
    shopper: u32,
    meant_us: u64,
    random: &mut impl Rng,
    presses: &mut Vec<Press>,
) {
    let mut at = |after, again, second| {
        presses.push(Press {
            meant_us: meant_us + micros(after),
            shopper,
            again,
            second,
            attempts: 0,
        });
    };
    at(Duration::ZERO, false, false);
    let later = DOUBLE_PRESS_WITHIN.mul_f64(random.random());
    // Each shopper has at most one of these habits.
    let habit: f64 = random.random();
    let doubles = plan.impatient_share + plan.double_share;
    if habit < plan.impatient_share {
        for nth in 1..plan.impatient_presses {
            at(IMPATIENT_INTERVAL * nth, true, false);
        }
    } else if habit < doubles {
        at(later, true, false);
    } else if habit < doubles + plan.greedy_share {
        at(later, false, true);
    }
}

/// Whole microseconds; more than half a million years are not asked for.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
