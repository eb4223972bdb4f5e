//! The measures of requests in a closed loop.

use std::fmt;

use super::Unit;
use crate::wrk;

/// Numbers of connections that are measured besides the usual one, each in turn with the empty
/// route: few shoppers, and crowds.
pub const CONNECTIONS: [u32; 3] = [16, 256, 1_024];

/// What requests are sent to. Over [`wrk::CONNECTIONS`] where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A route that does nothing: the limit of acknowledgements.
    EmptyRoute,
    /// The gateway, with no worker; Redis syncs its file every second.
    Gateway,
    /// The same while a worker settles.
    GatewayAndWorker,
    /// The gateway, with no worker; Redis syncs its file before each answer.
    GatewaySyncing,
    /// The gateway, with no worker, while a replica of Redis on this machine follows.
    GatewayFollowed,
    /// The same when that replica must have each buy before it is answered.
    GatewayReplicated,
    /// The route that does nothing over another number of connections.
    EmptyRouteOver(u32),
    /// The gateway, with no worker, over another number of connections.
    GatewayOver(u32),
}

/// What is asked about requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Requests answered a second.
    Rate,
    /// Half of the answers came within this time.
    Median,
    /// 99 of 100 answers came within this time.
    Percentile99,
    /// 999 of 1,000 answers came within this time.
    Percentile999,
}

impl Target {
    /// How many connections.
    #[must_use]
    pub fn connections(self) -> u32 {
        match self {
            Self::EmptyRouteOver(connections) | Self::GatewayOver(connections) => connections,
            _ => wrk::CONNECTIONS,
        }
    }

    /// What it is held against; none for the empty route itself.
    #[must_use]
    pub fn limit(self) -> Option<Self> {
        match self {
            Self::EmptyRoute | Self::EmptyRouteOver(_) => None,
            Self::GatewayOver(connections) => Some(Self::EmptyRouteOver(connections)),
            Self::GatewayReplicated => Some(Self::GatewayFollowed),
            Self::Gateway
            | Self::GatewayAndWorker
            | Self::GatewaySyncing
            | Self::GatewayFollowed => Some(Self::EmptyRoute),
        }
    }

    /// Those over the usual number of connections.
    pub const USUAL: [Self; 6] = [
        Self::EmptyRoute,
        Self::Gateway,
        Self::GatewaySyncing,
        Self::GatewayFollowed,
        Self::GatewayReplicated,
        Self::GatewayAndWorker,
    ];
}

impl Aspect {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Rate,
        Self::Median,
        Self::Percentile99,
        Self::Percentile999,
    ];

    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Rate => Unit::PerSecond,
            Self::Median | Self::Percentile99 | Self::Percentile999 => Unit::Milliseconds,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyRoute => formatter.write_str("empty axum route"),
            Self::Gateway => formatter.write_str("POST /buy"),
            Self::GatewayAndWorker => formatter.write_str("POST /buy, a worker settling"),
            Self::GatewaySyncing => formatter.write_str("POST /buy, appendfsync always"),
            Self::GatewayFollowed => formatter.write_str("POST /buy, a replica following"),
            Self::GatewayReplicated => formatter.write_str("POST /buy, redisReplicas 1"),
            Self::EmptyRouteOver(connections) => {
                write!(formatter, "empty axum route, {connections} connections")
            }
            Self::GatewayOver(connections) => {
                write!(formatter, "POST /buy, {connections} connections")
            }
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Rate => "requests",
            Self::Median => "p50",
            Self::Percentile99 => "p99",
            Self::Percentile999 => "p99.9",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_are_held_against_the_empty_route_with_as_large_a_crowd() {
        let limit = Target::GatewayOver(256).limit();
        assert_eq!(limit, Some(Target::EmptyRouteOver(256)));
        assert_eq!(limit.map(Target::connections), Some(256));
        assert_eq!(Target::GatewaySyncing.connections(), wrk::CONNECTIONS);
    }
}
