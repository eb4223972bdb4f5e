//! What can be measured, and by which numbers.

use std::path::Path;

use super::{attack, report::Finding, slow_gateway, slow_redis};
use crate::{error::ChaosError, names};

/// Whether shoppers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `--auth-mode off`: made-up user ids are let in.
    Off,
    /// `--auth-mode jwt`: tokens are checked, bad ones too.
    Jwt,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// An attacker beside honest shoppers.
    Attack(Auth),
    /// A Redis that takes less than is offered.
    SlowRedis,
    /// A gateway that has little processor time.
    SlowGateway,
}

/// The numbers of all parts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an attack takes, in seconds.
    pub attack_seconds: u64,
    /// Cores that the attacker may use.
    pub attacker_cores: f64,
    /// Buys per second of honest shoppers beside the attacker.
    pub honest_rate: u32,
    /// Open files that the attacked gateway may have.
    pub open_files: u64,
    /// How long Redis is overloaded, in seconds.
    pub overload_seconds: u64,
    /// Buys per second that Redis can take.
    pub redis_rate: u32,
    /// Buys per second that are offered to it.
    pub offered: u32,
    /// Cores that the slow gateway may use.
    pub gateway_cores: f64,
    /// How long each point of its curve takes, in seconds.
    pub point_seconds: u64,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Attack(Auth::Off),
        Self::Attack(Auth::Jwt),
        Self::SlowRedis,
        Self::SlowGateway,
    ];

    /// Its name on the command line, and of its directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attack(Auth::Off) => "attack-off",
            Self::Attack(Auth::Jwt) => "attack-jwt",
            Self::SlowRedis => "slow-redis",
            Self::SlowGateway => "slow-gateway",
        }
    }

    /// What it does, in a line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Attack(Auth::Off) => "an attacker, and a gateway that believes user ids",
            Self::Attack(Auth::Jwt) => "an attacker, and a gateway that checks tokens",
            Self::SlowRedis => "more buys than Redis can take",
            Self::SlowGateway => "more buys than the gateway's processor time allows",
        }
    }

    /// Those whose names contain one of these words, separated by commas; all without any.
    #[must_use]
    pub fn matching(only: &str) -> Vec<Self> {
        let is_meant = |part: &Self| names::is_meant(part.name(), only);
        Self::ALL.into_iter().filter(is_meant).collect()
    }

    /// Measures it, with logs in `directory`. `tell` gets a line about each step.
    pub async fn measure(
        self,
        settings: &Settings,
        directory: &Path,
        tell: &impl Fn(&str),
    ) -> Result<Finding, ChaosError> {
        match self {
            Self::Attack(auth) => attack::measure(auth, settings, directory, tell).await,
            Self::SlowRedis => slow_redis::measure(settings, directory, tell).await,
            Self::SlowGateway => slow_gateway::measure(settings, directory, tell).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_chosen_by_parts_of_their_names() {
        assert_eq!(Part::matching(""), Part::ALL);
        assert_eq!(
            Part::matching("jwt, redis"),
            [Part::Attack(Auth::Jwt), Part::SlowRedis]
        );
        assert!(Part::matching("nothing").is_empty());
    }
}
