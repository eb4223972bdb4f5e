//! What can be measured.

use std::path::Path;

use super::{
    attack,
    report::Finding,
    settings::{Auth, Settings},
    slow_gateway, slow_redis,
};
use crate::{error::ChaosError, names};

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

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Attack(Auth::Off),
        Self::Attack(Auth::Jwt),
        Self::SlowRedis,
        Self::SlowGateway,
    ];

    /// Its name on the command line, and of its directory.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attack(Auth::Off) => "attack-off",
            Self::Attack(Auth::Jwt) => "attack-jwt",
            Self::SlowRedis => "slow-redis",
            Self::SlowGateway => "slow-gateway",
        }
    }

    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Attack(Auth::Off) => "an attacker, and a gateway that believes user ids",
            Self::Attack(Auth::Jwt) => "an attacker, and a gateway that checks tokens",
            Self::SlowRedis => "more buys than Redis can take",
            Self::SlowGateway => "more buys than the gateway's processor time allows",
        }
    }

    /// Those whose names contain one of these words, separated by commas; all without any.
    pub fn matching(only: &str) -> Result<Vec<Self>, ChaosError> {
        names::matching("part", Self::ALL, |part| part.name(), only)
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
        assert_eq!(Part::matching("").unwrap(), Part::ALL);
        assert_eq!(
            Part::matching("jwt, redis").unwrap(),
            [Part::Attack(Auth::Jwt), Part::SlowRedis]
        );
        assert!(Part::matching("nothing").is_err());
    }
}
