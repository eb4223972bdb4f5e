//! The conditions of a view (pure), and the phase that they come to.

use flashsale_core::{durability::Finding, lifecycle::Phase, scaling};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

mod summary;
mod workers;

use self::{summary::summary, workers::workers_available};
use super::{
    build,
    finalize::{End, waiting},
    view::{Verdict, View},
};
use crate::{
    crd::condition::{State, Statement, Type},
    events::Reason,
};

/// What says of a view whether a condition holds.
type Judge = fn(&View<'_>) -> Found;

/// The conditions that are found one by one; those before them in [`Type::ALL`] sum them up.
const PARTS: [(Type, Judge); 12] = [
    (Type::Accepted, accepted),
    (Type::Open, open),
    (Type::SoldOut, sold_out),
    (Type::Scaling, scaling_of),
    (Type::WorkersAvailable, workers_available),
    (Type::QueueReachable, queue_reachable),
    (Type::DatabaseReachable, database_reachable),
    (Type::LedgerIntact, ledger_intact),
    (Type::Durable, durable),
    (Type::LedgerDurable, ledger_durable),
    (Type::Paused, paused),
    (Type::Drained, drained),
];

/// One statement a condition type, in the order of [`Type::ALL`].
#[must_use]
pub fn statements(view: &View<'_>) -> Vec<Statement> {
    let parts = PARTS.map(|(about, judge)| {
        let (state, reason, message) = judge(view);
        Statement {
            about,
            state,
            reason,
            message,
        }
    });
    let mut statements = summary(view, &parts);
    statements.extend(parts);
    statements
}

type Found = (State, &'static str, String);

fn found(state: impl Into<State>, reason: &'static str, message: impl Into<String>) -> Found {
    (state.into(), reason, message.into())
}

fn accepted(view: &View<'_>) -> Found {
    match &view.verdict {
        Verdict::Refused(refusal) => {
            let message = format!("{}{}", refusal.message, still(view, refusal.reason));
            found(false, refusal.reason.as_str(), message)
        }
        Verdict::Failed(why) => found(
            false,
            Reason::ReconcileFailed.as_str(),
            format!("{why}; tried again by itself"),
        ),
        Verdict::Undeclared(why) => found(
            State::Unknown,
            "Undeclared",
            format!("the products are not declared yet: {why}; tried again by itself"),
        ),
        Verdict::Paused if !view.is_accepted_as_it_is() => found(
            State::Unknown,
            "Paused",
            "what was written since the sale was paused is not looked at; remove the annotation \
             flashsale.dev/paused to have it put in force",
        ),
        Verdict::Ending(_) => found(
            false,
            "Deleting",
            "the sale is closed and drained before the object goes",
        ),
        Verdict::Accepted | Verdict::Paused => {
            found(true, "Accepted", "the spec is valid and in force")
        }
    }
}

/// What of the sale holds although its spec is refused.
fn still(view: &View<'_>, reason: Reason) -> &'static str {
    match &view.in_force {
        Some(_) if reason == Reason::ApplyFailed => "",
        Some(in_force) if in_force.sale.suspended && view.object.spec.suspend => {
            " (what was in force before still is, suspended as the spec asks)"
        }
        Some(_) => " (what was in force before still is)",
        None => "",
    }
}

fn open(view: &View<'_>) -> Found {
    let Some(in_force) = &view.in_force else {
        return found(
            false,
            "NotInForce",
            "the sale is not in force; see condition Accepted",
        );
    };
    let schedule = in_force.sale.schedule;
    match view.sight.phase {
        None => found(
            State::Unknown,
            "NotSeenYet",
            "the sale was not looked at yet",
        ),
        Some(Phase::Scheduled) => {
            let opens = schedule
                .opens_at
                .map_or(String::new(), |at| format!(" at {at}"));
            found(false, "Scheduled", format!("opens by itself{opens}"))
        }
        Some(Phase::Suspended) => found(
            false,
            "Suspended",
            "intake is closed by spec.suspend; what is queued is settled",
        ),
        Some(Phase::Draining | Phase::Closed) => {
            found(false, "Closed", "intake is closed for good")
        }
        Some(_) if view.sight.queue_error.is_some() && was_open(view) => found(
            State::Unknown,
            "QueueUnreachable",
            "it is time to sell, but Redis does not answer; no buy is taken until it does",
        ),
        Some(_) if view.sight.announced != Some(true) => found(
            State::Unknown,
            "NotAnnounced",
            "it is time to sell, but Redis was not seen to hold the sale as it shall be",
        ),
        Some(_) => {
            let closes = schedule
                .closes_at
                .map_or("by hand".to_owned(), |at| format!("at {at}"));
            found(
                true,
                "TakingBuys",
                format!("buys are taken; closes {closes}"),
            )
        }
    }
}

/// Whether the sale was seen open before.
fn was_open(view: &View<'_>) -> bool {
    let status = view.object.status.as_ref();
    status.is_some_and(|status| status.opened_at.is_some())
}

fn sold_out(view: &View<'_>) -> Found {
    match view.sight.remaining() {
        None => found(
            State::Unknown,
            "StockUnknown",
            "the ledger was not read yet",
        ),
        Some(0) => found(
            true,
            "NothingLeft",
            "no unit is left; raise a product's stock to restock",
        ),
        Some(_) => found(false, "UnitsLeft", "there are units left"),
    }
}

fn scaling_of(view: &View<'_>) -> Found {
    if view.verdict == Verdict::Paused {
        return found(
            false,
            "Paused",
            "the workers stay as they are while the sale is paused",
        );
    }
    if let Some(autoscaler) = &view.autoscaler {
        return found(
            false,
            "AutoscalerConflict",
            format!("HorizontalPodAutoscaler {autoscaler} sets the number of workers; delete it"),
        );
    }
    if let Some(error) = &view.autoscalers_unread {
        return found(
            State::Unknown,
            "AutoscalersUnread",
            format!(
                "the workers follow the queue, but whether a HorizontalPodAutoscaler sets them too \
                 cannot be told: {error}"
            ),
        );
    }
    let Some(decision) = view.sight.decision else {
        return found(
            State::Unknown,
            "NotSeenYet",
            "the queue was not looked at yet",
        );
    };
    let state = !matches!(
        decision.reason,
        scaling::Reason::Unreadable | scaling::Reason::Fallback
    );
    found(state, decision.reason.as_str(), why(decision.reason))
}

/// A sentence for each reason to have as many workers as there are. It names no figure, so that a
/// condition that says the same stays the same; the figures stand in the status beside it.
fn why(reason: scaling::Reason) -> &'static str {
    match reason {
        scaling::Reason::AtNeed => "as many workers as the queue asks for",
        scaling::Reason::Prewarming => "the workers for the opening",
        scaling::Reason::Stabilizing => {
            "the queue asks for another number; the stabilization window holds this one"
        }
        scaling::Reason::Spare => {
            "buys of a product have waited about 10 seconds without a worker that settles them, so \
             there is one more than the queue asks for; see why the others do not"
        }
        scaling::Reason::LimitedByHotProducts => {
            "the queue asks for more workers than busy lanes can use: a product has one driver at a \
             time; a greater batchSize or a faster database helps, more workers do not"
        }
        scaling::Reason::LimitedByMaxReplicas => {
            "the queue asks for more than maxReplicas; raise it if the database has room"
        }
        scaling::Reason::LimitedByPolicy => "a policy of worker.behavior slows the change",
        scaling::Reason::WithinTolerance => {
            "the queue asks for a number within worker.behavior's tolerance of this one"
        }
        scaling::Reason::Unreadable => "the queue cannot be read, so no worker goes",
        scaling::Reason::Fallback => {
            "the queue could not be read for long; worker.fallback decides, and no worker goes"
        }
        scaling::Reason::Dormant => "nobody is needed",
    }
}

fn queue_reachable(view: &View<'_>) -> Found {
    match (&view.sight.queue_error, view.sight.looked) {
        (_, false) => found(State::Unknown, "NotSeenYet", "Redis was not asked yet"),
        (None, true) => found(true, "Answers", "Redis answers"),
        (Some(error), true) => found(
            false,
            "Unreachable",
            format!("{error}; the workers stay as they are, and it is tried again every second"),
        ),
    }
}

fn database_reachable(view: &View<'_>) -> Found {
    if let Verdict::Undeclared(why) = &view.verdict {
        return found(false, "Unreachable", why.clone());
    }
    match (&view.sight.ledger_error, view.sight.looked) {
        (_, false) => found(State::Unknown, "NotSeenYet", "PostgreSQL was not asked yet"),
        (None, true) => found(true, "Answers", "PostgreSQL answers"),
        (Some(error), true) => found(
            false,
            "Unreachable",
            format!("{error}; buys are still queued, and settled when it is back"),
        ),
    }
}

fn ledger_intact(view: &View<'_>) -> Found {
    match view.sight.ledger_went_back() {
        None => found(
            State::Unknown,
            "NotSeenYet",
            "Redis and PostgreSQL were not compared yet",
        ),
        Some(false) => found(
            true,
            "NothingMissing",
            "PostgreSQL was not seen to have lost what it told",
        ),
        Some(true) => found(
            false,
            Reason::LedgerWentBack.as_str(),
            "PostgreSQL has lost commits (a failover, a restore): Redis follows it again, but \
             shoppers were told of orders that may be gone; run `flashsale repair` for this sale",
        ),
    }
}

fn durable(view: &View<'_>) -> Found {
    kept(view.sight.durability.as_ref(), "Redis")
}

fn ledger_durable(view: &View<'_>) -> Found {
    kept(view.sight.ledger_durability.as_ref(), "PostgreSQL")
}

/// Whether `store` keeps what it told.
fn kept(durability: Option<&Finding>, store: &str) -> Found {
    match durability {
        None => found(
            State::Unknown,
            "NotSeenYet",
            format!("{store} was not asked yet how it keeps its data"),
        ),
        Some(durability) => found(
            durability.holds.map_or(State::Unknown, State::from),
            durability.reason,
            durability.message.clone(),
        ),
    }
}

fn paused(view: &View<'_>) -> Found {
    if view.object.is_paused() {
        found(
            true,
            "Annotated",
            "the annotation flashsale.dev/paused asks for hands off",
        )
    } else {
        found(false, "NotAnnotated", "the operator looks after the sale")
    }
}

fn drained(view: &View<'_>) -> Found {
    match &view.verdict {
        Verdict::Ending(End::Overdue(message)) => {
            return found(false, Reason::DrainTimedOut.as_str(), message.clone());
        }
        Verdict::Ending(End::Blocked(message)) => {
            return found(false, Reason::DeletionBlocked.as_str(), message.clone());
        }
        _ => {}
    }
    match view.sight.phase {
        Some(Phase::Closed) => found(true, "EveryJobEnded", "every job has its outcome"),
        Some(Phase::Draining) if view.is_drain_overdue() => found(
            false,
            Reason::DrainTimedOut.as_str(),
            format!(
                "{} not settled within drainTimeoutSeconds of the closing; see to the workers and the \
                 ledger",
                waiting(&view.sight)
            ),
        ),
        Some(Phase::Draining) => found(false, "Draining", "what is queued is being settled"),
        _ if matches!(view.verdict, Verdict::Ending(_)) => {
            found(false, "Draining", "the sale is being closed")
        }
        _ => found(false, "NotClosed", "the sale is not closed yet"),
    }
}

/// The conditions in one word.
#[must_use]
pub fn phase(conditions: &[Condition]) -> Phase {
    let of = |about: Type| {
        let about = about.as_str();
        let condition = conditions.iter().find(|condition| condition.type_ == about);
        condition.map_or(("Unknown", ""), |condition| {
            (condition.status.as_str(), condition.reason.as_str())
        })
    };
    let sold_out = of(Type::SoldOut).0 == "True";
    match (of(Type::Open), of(Type::Drained), of(Type::Accepted)) {
        (_, ("True", _), _) => Phase::Closed,
        (("False", "Closed"), ..)
        | (_, ("False", "Draining" | "DrainTimedOut" | "DeletionBlocked"), _) => Phase::Draining,
        // The word stays while Redis is away; QueueReachable says that it is.
        (("True", _) | ("Unknown", "QueueUnreachable"), ..) if sold_out => Phase::SoldOut,
        (("True", _) | ("Unknown", "QueueUnreachable"), ..) => Phase::Open,
        (("False", "Suspended"), ..) => Phase::Suspended,
        (("False", "Scheduled"), ..) => Phase::Scheduled,
        (("False", "NotInForce"), _, ("False", _)) => Phase::Failed,
        _ => Phase::Pending,
    }
}

#[cfg(test)]
mod tests;
