//! The conditions that sum the others up: `Ready` for people, `Reconciling` and `Stalled` as kstatus
//! reads them. Of the three, one is `True` at any time.

use crate::{
    crd::condition::{Reason, State, Statement, Type},
    events,
    reconcile::view::{Verdict, View},
};

/// What a condition means for the sale as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Nothing stands in the way.
    Fine,
    /// Something is still to happen, and will by itself.
    Progressing,
    /// Somebody has to do something.
    Stalled,
}

/// `Ready`, `Reconciling` and `Stalled` by the other conditions.
pub(super) fn summary(view: &View<'_>, parts: &[Statement]) -> Vec<Statement> {
    let of = |course| parts.iter().find(|part| self::course(view, part) == course);
    // Workers and intake wait for the stores, so those are the cause.
    let store_away = parts.iter().find(|part| {
        matches!(part.about, Type::QueueReachable | Type::DatabaseReachable)
            && part.state == State::False
    });
    let progressing = of(Course::Progressing).map(|first| match first.about {
        Type::Accepted => first,
        _ => store_away.unwrap_or(first),
    });
    let stalled = of(Course::Stalled);
    let ready = match stalled.or(progressing) {
        Some(cause) => {
            // Not ready is known where the cause is a condition that would better not hold.
            let state = match cause.state {
                State::Unknown => State::Unknown,
                State::True | State::False => State::False,
            };
            statement(Type::Ready, state, cause.reason, &cause.message)
        }
        None => statement(
            Type::Ready,
            State::True,
            Reason::InForce,
            "the spec is in force, its stores answer, and the workers that it needs are available",
        ),
    };
    let reconciling = match (stalled, progressing) {
        (None, Some(cause)) => {
            statement(Type::Reconciling, State::True, cause.reason, &cause.message)
        }
        (None, None) => settled(Type::Reconciling),
        (Some(_), _) => statement(
            Type::Reconciling,
            State::False,
            Reason::Stalled,
            "action is needed first; see condition Stalled",
        ),
    };
    let stalled = match stalled {
        Some(cause) => statement(Type::Stalled, State::True, cause.reason, &cause.message),
        None => settled(Type::Stalled),
    };
    vec![ready, reconciling, stalled]
}

fn statement(about: Type, state: State, reason: Reason, message: &str) -> Statement {
    Statement {
        about,
        state,
        reason,
        message: message.to_owned(),
    }
}

fn settled(about: Type) -> Statement {
    let message = match about {
        Type::Stalled => "no action is needed",
        _ => "no change is in progress",
    };
    statement(about, State::False, Reason::NotNeeded, message)
}

fn course(view: &View<'_>, part: &Statement) -> Course {
    match (part.about, part.state) {
        (Type::Accepted, State::True) => Course::Fine,
        (Type::Accepted, _) => match &view.verdict {
            // Other controllers make Secrets, too.
            Verdict::Refused(refusal) if refusal.reason == events::Reason::SecretMissing => {
                Course::Progressing
            }
            Verdict::Refused(_) | Verdict::Paused => Course::Stalled,
            _ => Course::Progressing,
        },
        (Type::QueueReachable | Type::DatabaseReachable, State::False | State::Unknown)
        | (Type::LedgerIntact | Type::Open, State::Unknown) => Course::Progressing,
        (Type::LedgerIntact, State::False) => Course::Stalled,
        (Type::Scaling, State::False)
            if part.reason == events::Reason::AutoscalerConflict.into() =>
        {
            Course::Stalled
        }
        (Type::WorkersAvailable, State::False | State::Unknown) => of_workers(view, part),
        (Type::Drained, State::False)
            if matches!(
                part.reason,
                Reason::Event(events::Reason::DrainTimedOut | events::Reason::DeletionBlocked)
            ) =>
        {
            Course::Stalled
        }
        _ => Course::Fine,
    }
}

/// More workers that start are no trouble while others work.
fn of_workers(view: &View<'_>, part: &Statement) -> Course {
    let works = view.workers.is_some_and(|workers| workers.available > 0);
    match part.reason {
        Reason::Workers(cause) if cause.needs_people() => Course::Stalled,
        Reason::Workers(_) => Course::Progressing,
        _ if works => Course::Fine,
        _ => Course::Progressing,
    }
}
