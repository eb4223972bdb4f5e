//! The turns of a sale as events (pure): what differs between the status before and now.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::view::View;
use crate::{
    crd::{condition::Type, status::FlashSaleStatus},
    events::Reason,
    obstacle::Cause,
};

/// A condition that has turned.
struct Turn<'a> {
    /// State and reason before; none when the condition was not there.
    before: Option<(&'a str, &'a str)>,
    /// The condition now.
    now: &'a Condition,
}

impl Turn<'_> {
    fn fell(&self) -> bool {
        self.now.status == "False"
    }

    /// Whether `reason` is the reason now.
    fn is(&self, reason: Reason) -> bool {
        self.now.reason == reason.as_str()
    }

    /// Whether `reason` was the reason before.
    fn was(&self, reason: Reason) -> bool {
        self.before.is_some_and(|(_, was)| was == reason.as_str())
    }

    /// Whether workers cannot run, and it is known why.
    fn names_obstacle(&self) -> bool {
        self.fell() && Cause::named(&self.now.reason).is_some()
    }

    /// Whether workers could not run before.
    fn had_obstacle(&self) -> bool {
        self.before
            .is_some_and(|(state, reason)| state == "False" && Cause::named(reason).is_some())
    }

    /// From "does not hold" to "holds"; the first visit is no recovery.
    fn rose(&self) -> bool {
        self.now.status == "True" && self.before.is_some_and(|(state, _)| state == "False")
    }
}

fn find(status: &FlashSaleStatus, about: Type) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == about.as_str())
}

/// The turn of `about`, if its state or its reason is another than before.
fn turn<'a>(
    before: &'a FlashSaleStatus,
    now: &'a FlashSaleStatus,
    about: Type,
) -> Option<Turn<'a>> {
    let was =
        find(before, about).map(|condition| (condition.status.as_str(), condition.reason.as_str()));
    let now = find(now, about)?;
    let is = (now.status.as_str(), now.reason.as_str());
    (was != Some(is)).then_some(Turn { before: was, now })
}

/// What happened between the status of `view.object` and `now`, for people.
#[must_use]
pub fn turns(view: &View<'_>, now: &FlashSaleStatus) -> Vec<(Reason, String)> {
    let before = view.object.status.clone().unwrap_or_default();
    let mut turns = Vec::new();
    if before.phase != now.phase {
        if closed_and_drained(&before, now) {
            turns.push((Reason::Closed, "intake is closed; no job waits".to_owned()));
        }
        turns.extend(turn_of_phase(view, before.phase.as_deref(), now));
    }
    for about in Type::ALL {
        if let Some(turn) = turn(&before, now, about)
            && let Some(reason) = reason(about, &turn)
        {
            turns.push((reason, turn.now.message.clone()));
        }
    }
    turns
}

/// Whether a sale went without a phase of draining, since nothing was queued when it closed.
fn closed_and_drained(before: &FlashSaleStatus, now: &FlashSaleStatus) -> bool {
    let told = match before.phase.as_deref() {
        Some("Draining") => true,
        // Redis is seen again.
        Some("Pending") => before.closed_at.is_some(),
        _ => false,
    };
    now.phase.as_deref() == Some("Closed") && !told
}

/// What a turned condition is told as; most turns are told by the phase already.
fn reason(about: Type, turn: &Turn<'_>) -> Option<Reason> {
    let named = || {
        let reason = turn.now.reason.as_str();
        Reason::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == reason)
    };
    match about {
        Type::Accepted | Type::LedgerIntact if turn.fell() => named(),
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
        Type::WorkersAvailable if turn.had_obstacle() && turn.now.status != "Unknown" => {
            Some(Reason::Recovered)
        }
        Type::Scaling if turn.is(Reason::AutoscalerConflict) => named(),
        Type::Scaling if turn.was(Reason::AutoscalerConflict) && turn.now.status == "True" => {
            Some(Reason::Recovered)
        }
        Type::Scaling if turn.is(Reason::LimitedByHotProducts) => named(),
        Type::Paused if turn.now.status == "True" => Some(Reason::Paused),
        Type::Paused if turn.before.is_some() => Some(Reason::Unpaused),
        Type::Drained if turn.is(Reason::DrainTimedOut) || turn.is(Reason::DeletionBlocked) => {
            named()
        }
        _ => None,
    }
}

fn turn_of_phase(
    view: &View<'_>,
    before: Option<&str>,
    now: &FlashSaleStatus,
) -> Option<(Reason, String)> {
    let schedule = view
        .in_force
        .as_ref()
        .map(|announced| announced.sale.schedule);
    let opens = schedule.and_then(|schedule| schedule.opens_at);
    let closes = schedule.and_then(|schedule| schedule.closes_at);
    let (sold, remaining) = (count(now.sold), count(now.remaining));
    let turn = match (before, now.phase.as_deref()?) {
        // Redis is seen again, which is told as a recovery: the sale has not opened twice.
        (Some("Pending"), "Open" | "SoldOut" | "Closed") if told_before(view, now) => return None,
        (_, "Scheduled") => (
            Reason::Scheduled,
            format!("opens by itself {}", at(opens, "at once")),
        ),
        (Some("Suspended"), "Open" | "SoldOut") => {
            (Reason::Resumed, "intake is open again".to_owned())
        }
        (Some("SoldOut"), "Open") => (Reason::Restocked, format!("{remaining} units are left")),
        (_, "Open") => (
            Reason::Opened,
            format!(
                "{remaining} units are for sale; closes {}",
                at(closes, "by hand")
            ),
        ),
        (_, "SoldOut") => (
            Reason::SoldOut,
            format!("{sold} units are sold, none is left"),
        ),
        (_, "Suspended") => (
            Reason::Suspended,
            "intake is closed by spec.suspend; what is queued is settled".to_owned(),
        ),
        (_, "Draining") => (
            Reason::Closed,
            format!(
                "intake is closed; {} jobs are still to be settled",
                count(now.queue_depth)
            ),
        ),
        (_, "Closed") => (
            Reason::Drained,
            format!("every job has its outcome; {sold} units were sold"),
        ),
        _ => return None,
    };
    Some(turn)
}

/// Whether people know already that the sale has opened, that nothing is left, or that it is over.
fn told_before(view: &View<'_>, now: &FlashSaleStatus) -> bool {
    let before = view.object.status.as_ref();
    before.is_some_and(|before| match now.phase.as_deref() {
        Some("Closed") => before.drained_at.is_some(),
        Some("SoldOut") => before.opened_at.is_some() && before.sold_out_at.is_some(),
        _ => before.opened_at.is_some(),
    })
}

fn at(instant: Option<Timestamp>, otherwise: &str) -> String {
    instant.map_or(otherwise.to_owned(), |instant| format!("at {instant}"))
}

fn count(figure: Option<i64>) -> String {
    figure.map_or("an unknown number of".to_owned(), |figure| {
        figure.to_string()
    })
}
