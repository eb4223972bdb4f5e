//! Why there are as many workers as there are.

use std::fmt;

/// What decided the number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// As many as the depth (or `minReplicas`) asks for.
    AtNeed,
    /// As many as the coming opening asks for.
    Prewarming,
    /// Held by a stabilization window: the need was different a while ago.
    Stabilizing,
    /// One more than that: a lane has had no driver for too long.
    Spare,
    /// As many as busy lanes can use; the depth asks for more.
    LimitedByHotProducts,
    /// `maxReplicas`; the lanes could use more.
    LimitedByMaxReplicas,
    /// Slowed or held by a policy of `behavior`.
    LimitedByPolicy,
    /// The need is as good as what is there.
    WithinTolerance,
    /// The queue cannot be read: nobody goes.
    Unreadable,
    /// The queue could not be read for long: as many as the fallback says, and nobody goes.
    Fallback,
    /// Nobody is needed.
    Dormant,
}

impl Reason {
    /// The word itself, as in conditions, events and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtNeed => "AtNeed",
            Self::Prewarming => "Prewarming",
            Self::Stabilizing => "Stabilizing",
            Self::Spare => "Spare",
            Self::LimitedByHotProducts => "LimitedByHotProducts",
            Self::LimitedByMaxReplicas => "LimitedByMaxReplicas",
            Self::LimitedByPolicy => "LimitedByPolicy",
            Self::WithinTolerance => "WithinTolerance",
            Self::Unreadable => "Unreadable",
            Self::Fallback => "Fallback",
            Self::Dormant => "Dormant",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
