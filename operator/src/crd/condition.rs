//! The conditions of a FlashSale: the truth about it, one statement each.

mod reason;

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use strum::{EnumString, IntoStaticStr, VariantArray};

pub use self::reason::Reason;

/// What a condition is about, in the order in which people read them. Every FlashSale has all of them
/// from the first visit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
pub enum Type {
    /// The sale works as it is written: a summary of the others.
    Ready,
    /// Something is still to happen before the sale is ready, and will by itself (kstatus).
    Reconciling,
    /// The sale is not ready before somebody does something (kstatus).
    Stalled,
    /// The spec is valid and in force.
    Accepted,
    /// Buys are taken, as far as schedule and switches go.
    Open,
    /// No unit is left.
    SoldOut,
    /// The operator can and does set the number of workers.
    Scaling,
    /// The workers that the sale wants are available.
    WorkersAvailable,
    /// Redis answers.
    QueueReachable,
    /// PostgreSQL answers.
    DatabaseReachable,
    /// The ledger holds what shoppers were told: it has not gone back, or was repaired since.
    LedgerIntact,
    /// Redis keeps what it acknowledged through a crash and, where there are replicas, a failover.
    Durable,
    /// PostgreSQL keeps what it confirmed through a crash and, where there are standbys, a failover.
    LedgerDurable,
    /// The operator keeps its hands off, as an annotation asks.
    Paused,
    /// Intake is closed and every job has ended.
    Drained,
}

impl Type {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Whether a statement holds. Not knowing is a third answer, never the same as no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr)]
pub enum State {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows at the moment.
    Unknown,
}

impl State {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<bool> for State {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// One statement as it was found now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub about: Type,
    /// Whether it holds.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence that says what to do if something is to be done.
    pub message: String,
}

/// Turns statements into conditions. A condition whose state is the same as in `before` keeps the
/// time of its last transition, so that a status that says the same is the same.
pub fn conditions(
    statements: &[Statement],
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |statement: &Statement| {
        let about = statement.about.as_str();
        let state = statement.state.as_str();
        let same = before
            .iter()
            .find(|condition| condition.type_ == about && condition.status == state);
        Condition {
            type_: about.to_owned(),
            status: state.to_owned(),
            reason: statement.reason.as_str().to_owned(),
            message: statement.message.clone(),
            observed_generation: generation,
            last_transition_time: same.map_or(Time(whole_second(now)), |same| {
                same.last_transition_time.clone()
            }),
        }
    };
    statements.iter().map(condition).collect()
}

/// The API server keeps whole seconds; comparing needs the same.
pub(crate) fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// Whether `conditions` say that `about` holds.
pub fn holds(conditions: &[Condition], about: Type) -> bool {
    conditions.iter().any(|condition| {
        condition.type_ == about.as_str() && condition.status == State::True.as_str()
    })
}
