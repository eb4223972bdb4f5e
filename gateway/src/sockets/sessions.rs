//! Engine.IO sessions, of which every socket has one: how many there may be.
//!
//! A session begins with a request that needs no token, so those that did not join a namespace yet
//! have a limit of their own. The socket layer keeps the head of that request for as long as the
//! session lives, so a session's places are kept in it: they are free again when its memory is.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State as AxumState},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use flashsale_domain::id::UserId;
use http::{StatusCode, Uri};
use parking_lot::Mutex;
use prometheus::IntCounter;
use socketioxide::extract::SocketRef;
use tokio::time::sleep;

use crate::{
    client::{Client, Link},
    config::SocketConfig,
    log_budget::LogBudget,
    metrics::SessionMetrics,
    places::{Full, Place, Places},
    problem::{Problem, unavailable},
};

/// Lines about refused sessions of this process.
static REFUSALS: LogBudget = LogBudget::new();

/// The share of all sessions that may be pending, as a divisor. A client joins within two or three
/// round trips, so this lets thousands join each second.
const PENDING: usize = 4;

/// The share of the pending sessions that one address may have, as a divisor.
const ADDRESSES: usize = 4;

/// How long a refused client gets to read why.
const LINGER: Duration = Duration::from_secs(1);

/// The sessions of this gateway; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Sessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    all: Arc<Places<()>>,
    pending: Arc<Places<IpAddr>>,
    shoppers: Arc<Places<UserId>>,
    upgrades: Upgrades,
    metrics: SessionMetrics,
}

/// The connections of sessions that began with polling and went on over `WebSocket`, by the ids of the
/// sessions.
#[derive(Debug, Default)]
struct Upgrades(Mutex<HashMap<String, Weak<Link>>>);

/// One session, from its first request until its memory is free.
#[derive(Debug)]
pub(crate) struct Session {
    sessions: Sessions,
    standing: Mutex<Standing>,
    /// The connection that it began on.
    link: Option<Arc<Link>>,
    _place: Place<()>,
}

#[derive(Debug)]
enum Standing {
    /// It has joined no namespace.
    Pending(Place<IpAddr>),
    /// It wanted to join and was not let in.
    Refused(#[expect(dead_code, reason = "kept for its drop")] Place<IpAddr>),
    /// It has joined, perhaps as a shopper.
    Joined(Option<Place<UserId>>),
}

/// Why a session may not join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotJoined {
    /// It was refused before.
    #[error("this socket was refused; connect again")]
    Refused,
    /// The shopper has too many.
    #[error("too many sockets of this shopper are open; close another page of the shop")]
    TooMany,
}

impl Sessions {
    /// No sessions yet, and at most those of `config`; as many as `connections` where it does not
    /// say.
    pub(crate) fn new(config: &SocketConfig, connections: usize, metrics: SessionMetrics) -> Self {
        let total = config.max_sockets.unwrap_or(connections);
        let pending = config.max_pending_sockets;
        let pending = pending.unwrap_or((total / PENDING).max(1));
        let per_address = (pending / ADDRESSES).max(1);
        let per_shopper = config.sockets_per_shopper;
        Self(Arc::new(Shared {
            all: Places::new(total, total, metrics.open.clone()),
            pending: Places::new(pending, per_address, metrics.pending.clone()),
            shoppers: Places::new(total, per_shopper, metrics.of_shoppers.clone()),
            upgrades: Upgrades::default(),
            metrics,
        }))
    }

    /// Closes the session of a socket if it is a WebSocket. One that polls has no connection of its
    /// own.
    pub(super) fn close(&self, socket: &SocketRef) {
        if let Some(link) = self.0.upgrades.of(socket.id.as_str()) {
            link.close();
        } else if let Some(link) = Session::of(socket).and_then(|session| session.link.as_ref()) {
            link.close();
        }
    }

    fn open(&self, link: Option<Arc<Link>>, client: Option<Client>) -> Result<Session, Problem> {
        let metrics = &self.0.metrics;
        let place =
            self.0.all.take(None).map_err(|_| {
                refused(client, "too many sockets are open", &metrics.refused_total)
            })?;
        let pending = self.0.pending.take(client.and_then(Client::limited));
        let pending = pending.map_err(|full| match full {
            Full::Key => refused(
                client,
                "too many sockets of this address have not said whose they are",
                &metrics.refused_address,
            ),
            Full::Total | Full::Narrowed => refused(
                client,
                "too many sockets have not said whose they are",
                &metrics.refused_pending,
            ),
        })?;
        Ok(Session {
            sessions: self.clone(),
            standing: Mutex::new(Standing::Pending(pending)),
            link,
            _place: place,
        })
    }
}

impl Upgrades {
    fn note(&self, session: String, link: &Arc<Link>) {
        let mut links = self.0.lock();
        // Before it grows, so that it is never much larger than twice what is alive.
        if links.len() == links.capacity() {
            links.retain(|_, link| link.strong_count() > 0);
        }
        links.insert(session, Arc::downgrade(link));
    }

    fn of(&self, session: &str) -> Option<Arc<Link>> {
        self.0.lock().get(session).and_then(Weak::upgrade)
    }
}

fn refused(client: Option<Client>, reason: &'static str, counter: &IntCounter) -> Problem {
    counter.inc();
    if let Some(left_out) = REFUSALS.spend(Instant::now()) {
        tracing::warn!(
            client = client.map(tracing::field::display),
            reason,
            left_out,
            "refused a socket: {reason}"
        );
    }
    unavailable(reason)
}

/// Lets a request that begins a session pass with the places of one, or answers it 503. Notes the
/// connection of one that goes on over `WebSocket`.
pub(crate) async fn limit_sessions(
    AxumState(sessions): AxumState<Sessions>,
    mut request: Request,
    next: Next,
) -> Response {
    let link = request.extensions().get::<Arc<Link>>().cloned();
    let client = request.extensions().get::<Client>().copied();
    let Some(session) = session_id(request.uri()).map(str::to_owned) else {
        match sessions.open(link, client) {
            Ok(session) => _ = request.extensions_mut().insert(Arc::new(session)),
            Err(problem) => return problem.into_response(),
        }
        return next.run(request).await;
    };
    let response = next.run(request).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(link) = &link
    {
        sessions.0.upgrades.note(session, link);
    }
    response
}

/// The session that a request is for; the socket layer begins one where there is none, and reads the
/// query by the same rule.
pub(super) fn session_id(address: &Uri) -> Option<&str> {
    let mut parts = address.query()?.split('&');
    parts.find_map(|part| part.strip_prefix("sid="))
}

impl Session {
    /// The session of a socket.
    pub(crate) fn of(socket: &SocketRef) -> Option<&Arc<Self>> {
        socket.req_parts().extensions.get()
    }

    /// Whether it may try to join.
    pub(crate) fn check(&self) -> Result<(), NotJoined> {
        match &*self.standing.lock() {
            Standing::Refused(_) => Err(NotJoined::Refused),
            Standing::Pending(_) | Standing::Joined(_) => Ok(()),
        }
    }

    /// Joins as `shopper`, or as nobody.
    pub(crate) fn join(&self, shopper: Option<&UserId>) -> Result<(), NotJoined> {
        let mut standing = self.standing.lock();
        let known = match &*standing {
            Standing::Refused(_) => return Err(NotJoined::Refused),
            Standing::Joined(place) => place.as_ref().and_then(Place::key),
            Standing::Pending(_) => None,
        };
        if shopper.is_some() && known == shopper {
            return Ok(());
        }
        let shared = &self.sessions.0;
        let taken = shopper.map(|shopper| shared.shoppers.take(Some(shopper.clone())));
        let place = taken.transpose().map_err(|_| {
            shared.metrics.refused_shopper.inc();
            NotJoined::TooMany
        })?;
        // Whoever joins a second namespace as nobody is still known in the first.
        match &*standing {
            Standing::Joined(Some(_)) if place.is_none() => {}
            _ => *standing = Standing::Joined(place),
        }
        Ok(())
    }

    /// Closes a session that was not let in, unless it is in elsewhere. The client gets a moment to
    /// read why; one that polls is closed by the time limit for joining.
    pub(crate) fn refuse(&self) {
        let mut standing = self.standing.lock();
        *standing = match std::mem::replace(&mut *standing, Standing::Joined(None)) {
            Standing::Pending(place) => Standing::Refused(place),
            other => {
                *standing = other;
                return;
            }
        };
        if let Some(link) = self.link.clone() {
            tokio::spawn(async move {
                sleep(LINGER).await;
                link.close();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_begin_where_the_socket_layer_begins_them() {
        for (query, session) in [
            ("EIO=4&transport=polling", None),
            ("EIO=4&transport=websocket&xsid=a", None),
            ("EIO=4&transport=polling&sid=", Some("")),
            ("sid=AAAAAAAAAAAAAAHs&EIO=4", Some("AAAAAAAAAAAAAAHs")),
        ] {
            let address = format!("/socket.io/?{query}").parse().unwrap();
            assert_eq!(session_id(&address), session, "{query}");
        }
        assert_eq!(session_id(&"/socket.io/".parse().unwrap()), None);
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let upgrades = Upgrades::default();
        let link = Arc::new(Link::default());
        upgrades.note("kept".to_owned(), &link);
        for session in 0..1_000 {
            upgrades.note(session.to_string(), &Arc::new(Link::default()));
        }
        assert!(upgrades.0.lock().len() < 20);
        assert!(upgrades.of("kept").is_some());
        assert!(upgrades.of("999").is_none());
    }
}
