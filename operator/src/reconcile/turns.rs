//! The turns of a sale as events (pure): what differs between the status before and now.

use flashsale_domain::{lifecycle::Phase, scaling};
use jiff::Timestamp;

use super::view::View;
use crate::{
    crd::{
        condition::{self, State, Statement, Type},
        status::FlashSaleStatus,
    },
    events::{Reason, counted},
    obstacle::Cause,
};

/// What is told of a view.
#[derive(Debug)]
pub struct Told {
    /// What was found, a statement a condition.
    pub statements: Vec<Statement>,
    /// The statements in one word.
    pub phase: Phase,
    /// The status that says so.
    pub status: FlashSaleStatus,
}

/// A condition that has turned.
struct Turn<'a> {
    /// State and reason as they are stored; none when the condition was not there.
    before: Option<(Option<State>, &'a str)>,
    /// What was found now.
    now: &'a Statement,
}

impl Turn<'_> {
    fn fell(&self) -> bool {
        self.now.state == State::False
    }

    /// Whether `reason` is the reason now.
    fn is(&self, reason: impl Into<condition::Reason>) -> bool {
        self.now.reason == reason.into()
    }

    /// Whether `reason` was the reason before.
    fn was(&self, reason: Reason) -> bool {
        self.before.is_some_and(|(_, was)| was == reason.as_str())
    }

    /// Whether workers cannot run, and it is known why.
    fn names_obstacle(&self) -> bool {
        self.fell() && matches!(self.now.reason, condition::Reason::Workers(_))
    }

    /// Whether workers could not run before.
    fn had_obstacle(&self) -> bool {
        self.before.is_some_and(|(state, reason)| {
            state == Some(State::False) && reason.parse::<Cause>().is_ok()
        })
    }

    /// From "does not hold" to "holds"; the first visit is no recovery.
    fn rose(&self) -> bool {
        let was = self.before.and_then(|(state, _)| state);
        self.now.state == State::True && was == Some(State::False)
    }
}

/// The turn of what `now` is about, if its state or its reason is another than before.
fn turn<'a>(before: &'a FlashSaleStatus, now: &'a Statement) -> Option<Turn<'a>> {
    let mut conditions = before.conditions.iter();
    let was = conditions.find(|condition| condition.type_ == now.about.as_str());
    let is_same = was
        .is_some_and(|was| was.status == now.state.as_str() && was.reason == now.reason.as_str());
    let before = was.map(|was| (was.status.parse().ok(), was.reason.as_str()));
    (!is_same).then_some(Turn { before, now })
}

/// What happened between the status of `view.object` and `now`, for people.
pub fn turns(view: &View<'_>, now: &Told) -> Vec<(Reason, String)> {
    let before = view.object.status.clone().unwrap_or_default();
    let phase = before.phase.as_deref().and_then(Phase::named);
    let mut turns = Vec::new();
    if phase != Some(now.phase) {
        if closed_and_drained(phase, &before, now.phase) {
            turns.push((Reason::Closed, "intake is closed; no job waits".to_owned()));
        }
        turns.extend(turn_of_phase(view, phase, now));
    }
    for statement in &now.statements {
        if let Some(turn) = turn(&before, statement)
            && let Some(reason) = reason(&turn)
        {
            turns.push((reason, statement.message.clone()));
        }
    }
    turns
}

/// Whether a sale went without a phase of draining, since nothing was queued when it closed.
fn closed_and_drained(phase: Option<Phase>, before: &FlashSaleStatus, now: Phase) -> bool {
    let told = match phase {
        Some(Phase::Draining | Phase::Settling) => true,
        // Redis is seen again.
        Some(Phase::Pending) => before.closed_at.is_some(),
        _ => false,
    };
    now == Phase::Closed && !told
}

/// What a turned condition is told as; most turns are told by the phase already.
fn reason(turn: &Turn<'_>) -> Option<Reason> {
    let event = || match turn.now.reason {
        condition::Reason::Event(reason) => Some(reason),
        _ => None,
    };
    match turn.now.about {
        Type::Accepted | Type::LedgerIntact if turn.fell() => event(),
        Type::Accepted if turn.is(condition::Reason::AcceptedWithWarning) => {
            Some(Reason::NotAllowed)
        }
        Type::QueueReachable if turn.fell() => Some(Reason::QueueUnreachable),
        Type::DatabaseReachable if turn.fell() => Some(Reason::DatabaseUnreachable),
        Type::Durable if turn.fell() => Some(Reason::NotDurable),
        Type::LedgerDurable if turn.fell() => Some(Reason::LedgerNotDurable),
        Type::Accepted
        | Type::QueueReachable
        | Type::DatabaseReachable
        | Type::LedgerIntact
        | Type::Durable
        | Type::LedgerDurable
            if turn.rose() =>
        {
            Some(Reason::Recovered)
        }
        Type::WorkersAvailable if turn.names_obstacle() => Some(Reason::WorkersUnavailable),
        Type::WorkersAvailable if turn.had_obstacle() && turn.now.state != State::Unknown => {
            Some(Reason::Recovered)
        }
        Type::Scaling if turn.is(Reason::AutoscalerConflict) => event(),
        Type::Scaling if turn.was(Reason::AutoscalerConflict) && turn.now.state == State::True => {
            Some(Reason::Recovered)
        }
        Type::Scaling if turn.is(scaling::Reason::LimitedByHotProducts) => {
            Some(Reason::LimitedByHotProducts)
        }
        Type::Paused if turn.now.state == State::True => Some(Reason::Paused),
        Type::Paused if turn.before.is_some() => Some(Reason::Unpaused),
        Type::Drained if turn.is(Reason::DrainTimedOut) || turn.is(Reason::DeletionBlocked) => {
            event()
        }
        _ => None,
    }
}

fn turn_of_phase(view: &View<'_>, before: Option<Phase>, now: &Told) -> Option<(Reason, String)> {
    let schedule = view
        .in_force
        .as_ref()
        .map(|announced| announced.sale.schedule);
    let opens = schedule.and_then(|schedule| schedule.opens_at);
    let closes = schedule.and_then(|schedule| schedule.closes_at);
    let status = &now.status;
    let units = |count, one, many| counted(count, &format!("unit {one}"), &format!("units {many}"));
    let sold = |one, many| units(status.sold, one, many);
    let remaining = |one, many| units(status.remaining, one, many);
    let turn = match (before, now.phase) {
        // Redis is seen again, which is told as a recovery: the sale has not opened twice.
        (Some(Phase::Pending), Phase::Open | Phase::SoldOut | Phase::Closed)
            if told_before(view, now.phase) =>
        {
            return None;
        }
        (_, Phase::Scheduled) => (
            Reason::Scheduled,
            format!("opens by itself {}", at(opens, "at once")),
        ),
        (Some(Phase::Suspended), Phase::Open | Phase::SoldOut) => {
            (Reason::Resumed, "intake is open again".to_owned())
        }
        (Some(Phase::SoldOut), Phase::Open) => {
            (Reason::Restocked, remaining("is left", "are left"))
        }
        (_, Phase::Open) => (
            Reason::Opened,
            format!(
                "{}; closes {}",
                remaining("is for sale", "are for sale"),
                at(closes, "by hand")
            ),
        ),
        (_, Phase::SoldOut) => (
            Reason::SoldOut,
            format!("{}, none is left", sold("is sold", "are sold")),
        ),
        (_, Phase::Suspended) => (
            Reason::Suspended,
            "intake is closed by spec.suspend; what is queued is settled".to_owned(),
        ),
        (_, Phase::Draining) => (
            Reason::Closed,
            format!(
                "intake is closed; {} still to be settled",
                counted(status.queue_depth, "job is", "jobs are")
            ),
        ),
        (Some(Phase::Draining), Phase::Settling) => return None,
        (_, Phase::Settling) => (
            Reason::Closed,
            "intake is closed; orders wait for their payment".to_owned(),
        ),
        (_, Phase::Closed) => (
            Reason::Drained,
            format!(
                "every job has its outcome; {}",
                sold("was sold", "were sold")
            ),
        ),
        _ => return None,
    };
    Some(turn)
}

/// Whether people know already that the sale has opened, that nothing is left, or that it is over.
fn told_before(view: &View<'_>, now: Phase) -> bool {
    let before = view.object.status.as_ref();
    before.is_some_and(|before| match now {
        Phase::Closed => before.drained_at.is_some(),
        Phase::SoldOut => before.opened_at.is_some() && before.sold_out_at.is_some(),
        _ => before.opened_at.is_some(),
    })
}

fn at(instant: Option<Timestamp>, otherwise: &str) -> String {
    instant.map_or(otherwise.to_owned(), |instant| format!("at {instant}"))
}
