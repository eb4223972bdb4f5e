//! The measures of many connected shoppers.

use std::fmt;

use super::{Measure, Unit};

/// Something about the sockets of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SocketFigure {
    /// How many are connected.
    Connected,
    /// How many connected in a second, greeting included.
    ConnectedASecond,
    /// Resident memory of the gateway for each, when all have just connected.
    MemoryConnected,
    /// The same after stock updates went to all of them.
    MemoryTold,
    /// From the message of a settled batch until half of the sockets heard of the stock.
    ToldHalf,
    /// The same until the last heard of it: the median of several updates.
    ToldLast,
    /// The longest of those.
    ToldLastLongest,
    /// Processor time of the gateway for one update to all.
    UpdateProcessorTime,
}

impl SocketFigure {
    const ALL: [Self; 8] = [
        Self::Connected,
        Self::ConnectedASecond,
        Self::MemoryConnected,
        Self::MemoryTold,
        Self::ToldHalf,
        Self::ToldLast,
        Self::ToldLastLongest,
        Self::UpdateProcessorTime,
    ];

    /// What its values count.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Connected => Unit::Count,
            Self::ConnectedASecond => Unit::PerSecond,
            Self::MemoryConnected | Self::MemoryTold => Unit::Bytes,
            Self::ToldHalf | Self::ToldLast | Self::ToldLastLongest | Self::UpdateProcessorTime => {
                Unit::Milliseconds
            }
        }
    }
}

/// All rows.
pub fn rows() -> impl Iterator<Item = Measure> {
    SocketFigure::ALL.into_iter().map(Measure::Sockets)
}

impl fmt::Display for SocketFigure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connected => "sockets connected",
            Self::ConnectedASecond => "sockets connected a second",
            Self::MemoryConnected => "gateway, for one socket, just connected",
            Self::MemoryTold => "gateway, for one socket, after updates to all",
            Self::ToldHalf => "a stock update, half of the sockets",
            Self::ToldLast => "a stock update, the last socket",
            Self::ToldLastLongest => "a stock update, the last socket, longest",
            Self::UpdateProcessorTime => "a stock update, processor time of the gateway",
        })
    }
}
