//! The conditions of a view (pure), and the phase that they come to.

use flashsale_domain::{durability::Finding, lifecycle::Phase, scaling};

mod summary;
mod workers;

use self::{summary::summary, workers::workers_available};
use super::{
    build,
    refusal::sentence,
    view::{End, Verdict, View, waiting},
};
use crate::{
    crd::condition::{Reason, State, Statement, Type},
    events,
    roster::Observation,
};

/// What says of a view whether a condition holds.
type Judge = fn(&View<'_>) -> Found;

/// The conditions that are found one by one; those before them among the [`Type`]s sum them up.
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

/// One statement a condition type, in the order of the [`Type`]s.
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

type Found = (State, Reason, String);

fn found(state: impl Into<State>, reason: impl Into<Reason>, message: impl Into<String>) -> Found {
    (state.into(), reason.into(), message.into())
}

fn yes(reason: impl Into<Reason>, message: impl Into<String>) -> Found {
    found(State::True, reason, message)
}

fn no(reason: impl Into<Reason>, message: impl Into<String>) -> Found {
    found(State::False, reason, message)
}

fn unknown(reason: impl Into<Reason>, message: impl Into<String>) -> Found {
    found(State::Unknown, reason, message)
}

fn accepted(view: &View<'_>) -> Found {
    match &view.verdict {
        Verdict::Refused(refusal) => {
            let message = format!("{}{}", refusal.message, still(view, refusal.reason));
            no(refusal.reason, message)
        }
        Verdict::Failed(why) => no(
            events::Reason::ReconcileFailed,
            format!("{why}; tried again by itself"),
        ),
        Verdict::Undeclared(why) => unknown(
            Reason::Undeclared,
            format!("the products are not declared yet: {why}; tried again by itself"),
        ),
        Verdict::Paused if !view.is_accepted_as_it_is() => unknown(
            Reason::Paused,
            "what was written since the sale was paused is not looked at; remove the annotation \
             flashsale.dev/paused to have it put in force",
        ),
        Verdict::Ending(_) => no(
            Reason::Deleting,
            "the sale is closed and drained before the object goes",
        ),
        Verdict::Accepted if !view.tolerated.is_empty() => yes(
            Reason::AcceptedWithWarning,
            format!(
                "the spec is in force, but names what it could not name anew: {}",
                sentence(&view.tolerated)
            ),
        ),
        Verdict::Accepted | Verdict::Paused => {
            yes(Reason::Accepted, "the spec is valid and in force")
        }
    }
}

/// What of the sale holds although its spec is refused.
fn still(view: &View<'_>, reason: events::Reason) -> &'static str {
    match &view.in_force {
        Some(_) if reason == events::Reason::ApplyFailed => "",
        Some(in_force) if in_force.sale.suspended && view.object.spec.suspend => {
            " (what was in force before still is, suspended as the spec asks)"
        }
        Some(_) => " (what was in force before still is)",
        None => "",
    }
}

fn open(view: &View<'_>) -> Found {
    let Some(in_force) = &view.in_force else {
        return no(
            Reason::NotInForce,
            "the sale is not in force; see condition Accepted",
        );
    };
    let schedule = in_force.sale.schedule;
    match view.observed.phase {
        None => unknown(Reason::NotSeenYet, "the sale was not looked at yet"),
        Some(Phase::Scheduled) => {
            let opens = schedule
                .opens_at
                .map_or(String::new(), |at| format!(" at {at}"));
            no(Reason::Scheduled, format!("opens by itself{opens}"))
        }
        Some(Phase::Suspended) => no(
            Reason::Suspended,
            "intake is closed by spec.suspend; what is queued is settled",
        ),
        Some(Phase::Draining | Phase::Settling | Phase::Closed) => {
            no(Reason::Closed, "intake is closed for good")
        }
        Some(_) if view.observed.queue_error.is_some() && was_open(view) => unknown(
            Reason::QueueUnreachable,
            "it is time to sell, but Redis does not answer; no buy is taken until it does",
        ),
        Some(_) if view.observed.announced != Some(true) => unknown(
            Reason::NotAnnounced,
            "it is time to sell, but Redis was not seen to hold the sale as it shall be",
        ),
        Some(_) => {
            let closes = schedule
                .closes_at
                .map_or("by hand".to_owned(), |at| format!("at {at}"));
            yes(
                Reason::TakingBuys,
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
    match view.observed.remaining() {
        None => unknown(Reason::StockUnknown, "the ledger was not read yet"),
        Some(0) => yes(
            Reason::NothingLeft,
            "no unit is left; raise a product's stock to restock",
        ),
        Some(_) => no(Reason::UnitsLeft, "there are units left"),
    }
}

fn scaling_of(view: &View<'_>) -> Found {
    if view.verdict == Verdict::Paused {
        return no(
            Reason::Paused,
            "the workers stay as they are while the sale is paused",
        );
    }
    if let Some(autoscaler) = &view.autoscaler {
        return no(
            events::Reason::AutoscalerConflict,
            format!("HorizontalPodAutoscaler {autoscaler} sets the number of workers; delete it"),
        );
    }
    if let Some(error) = &view.autoscalers_unread {
        return unknown(
            Reason::AutoscalersUnread,
            format!(
                "the workers follow the queue, but whether a HorizontalPodAutoscaler sets them too \
                 cannot be told: {error}"
            ),
        );
    }
    let Some(decision) = view.observed.decision else {
        return unknown(Reason::NotSeenYet, "the queue was not looked at yet");
    };
    let state = !matches!(
        decision.reason,
        scaling::Reason::Unreadable | scaling::Reason::Fallback
    );
    found(state, decision.reason, why(decision.reason))
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
    let error = view.observed.queue_error.as_ref();
    let meanwhile = "the workers stay as they are, and it is tried again every second";
    reachable(view, "Redis", error, meanwhile)
}

fn database_reachable(view: &View<'_>) -> Found {
    if let Verdict::Undeclared(why) = &view.verdict {
        return no(Reason::Unreachable, why.clone());
    }
    let error = view.observed.ledger_error.as_ref();
    let meanwhile = "buys are still queued, and settled when it is back";
    reachable(view, "PostgreSQL", error, meanwhile)
}

/// Whether `store` answered at the last look, and what happens while it does not.
fn reachable(view: &View<'_>, store: &str, error: Option<&String>, meanwhile: &str) -> Found {
    match error {
        _ if !view.observed.looked => {
            unknown(Reason::NotSeenYet, format!("{store} was not asked yet"))
        }
        None => yes(Reason::Answers, format!("{store} answers")),
        Some(error) => no(Reason::Unreachable, format!("{error}; {meanwhile}")),
    }
}

fn ledger_intact(view: &View<'_>) -> Found {
    match view.observed.ledger_went_back() {
        None => unknown(
            Reason::NotSeenYet,
            "Redis and PostgreSQL were not compared yet",
        ),
        Some(false) => yes(
            Reason::NothingMissing,
            "PostgreSQL was not seen to have lost what it told",
        ),
        Some(true) => no(
            events::Reason::LedgerWentBack,
            "PostgreSQL has lost commits (a failover, a restore): Redis follows it again, but \
             shoppers were told of orders that may be gone; run `flashsale repair` for this sale",
        ),
    }
}

fn durable(view: &View<'_>) -> Found {
    kept(view.observed.durability.as_ref(), "Redis")
}

fn ledger_durable(view: &View<'_>) -> Found {
    kept(view.observed.ledger_durability.as_ref(), "PostgreSQL")
}

/// Whether `store` keeps what it told.
fn kept(durability: Option<&Finding>, store: &str) -> Found {
    match durability {
        None => unknown(
            Reason::NotSeenYet,
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
        yes(
            Reason::Annotated,
            "the annotation flashsale.dev/paused asks for hands off",
        )
    } else {
        no(Reason::NotAnnotated, "the operator looks after the sale")
    }
}

fn drained(view: &View<'_>) -> Found {
    match &view.verdict {
        Verdict::Ending(End::Overdue(message)) => {
            return no(events::Reason::DrainTimedOut, message.clone());
        }
        Verdict::Ending(End::Blocked(message)) => {
            return no(events::Reason::DeletionBlocked, message.clone());
        }
        _ => {}
    }
    match view.observed.phase {
        Some(Phase::Closed) => yes(Reason::EveryJobEnded, "every job has its outcome"),
        Some(Phase::Settling) => no(Reason::Settling, settling(&view.observed)),
        Some(Phase::Draining) if view.is_drain_overdue() => no(
            events::Reason::DrainTimedOut,
            format!(
                "{} not settled within drainTimeoutSeconds of the closing; see to the workers and the \
                 ledger",
                waiting(&view.observed)
            ),
        ),
        Some(Phase::Draining) => no(Reason::Draining, "what is queued is being settled"),
        _ if matches!(view.verdict, Verdict::Ending(_)) => {
            no(Reason::Draining, "the sale is being closed")
        }
        _ => no(Reason::NotClosed, "the sale is not closed yet"),
    }
}

/// What a sale waits for whose jobs have all ended.
fn settling(observed: &Observation) -> String {
    let pending = observed.stock.as_ref().map(|stock| stock.pending);
    let orders = events::counted(pending, "order waits", "orders wait");
    format!("every job has its outcome; {orders} for payment")
}

/// The statements in one word.
pub fn phase(statements: &[Statement]) -> Phase {
    use Reason::{
        Closed, Draining, Event, NotInForce, QueueUnreachable, Scheduled, Settling, Suspended,
    };
    use State::{False, True, Unknown};
    use events::Reason::{DeletionBlocked, DrainTimedOut};
    let of = |about: Type| {
        let mut statements = statements.iter();
        let found = statements.find(|statement| statement.about == about);
        found.map(|statement| (statement.state, statement.reason))
    };
    let is_sold_out = of(Type::SoldOut).is_some_and(|(state, _)| state == True);
    match (of(Type::Open), of(Type::Drained), of(Type::Accepted)) {
        (_, Some((True, _)), _) => Phase::Closed,
        (_, Some((False, Settling)), _) => Phase::Settling,
        (Some((False, Closed)), ..)
        | (_, Some((False, Draining | Event(DrainTimedOut | DeletionBlocked))), _) => {
            Phase::Draining
        }
        // The word stays while Redis is away; QueueReachable says that it is.
        (Some((True, _) | (Unknown, QueueUnreachable)), ..) if is_sold_out => Phase::SoldOut,
        (Some((True, _) | (Unknown, QueueUnreachable)), ..) => Phase::Open,
        (Some((False, Suspended)), ..) => Phase::Suspended,
        (Some((False, Scheduled)), ..) => Phase::Scheduled,
        (Some((False, NotInForce)), _, Some((False, _))) => Phase::Failed,
        _ => Phase::Pending,
    }
}

#[cfg(test)]
mod tests;
