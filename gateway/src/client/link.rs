//! What a connection and those who answer on it tell each other.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    task::Waker,
};

use futures_util::task::AtomicWaker;

use super::address::Client;

/// One connection, as it is known beside the one task that serves it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    peer: Option<Client>,
    phase: AtomicU8,
    is_closing: AtomicBool,
    /// Whoever reads from a connection that became a socket.
    reader: AtomicWaker,
}

/// What is expected of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: it may keep its connection.
    Idle = 0,
    /// The rest of a head.
    Head = 1,
    /// Perhaps a body; the request is being answered.
    Answering = 2,
    /// To stay: the answer is sent when there is news, and to nobody else.
    Waiting = 3,
    /// It speaks another protocol, which has its own time limits.
    Upgraded = 4,
}

impl Link {
    /// A connection of this client, or of a proxy.
    pub(crate) fn new(peer: Client) -> Self {
        Self {
            peer: Some(peer),
            ..Self::default()
        }
    }

    /// Who has connected. Behind a proxy each request may be another client's, see
    /// [`super::Proxies::client_of`].
    pub(crate) fn peer(&self) -> Option<Client> {
        self.peer
    }

    pub(crate) fn phase(&self) -> Phase {
        // Changed only by the task that serves the connection.
        match self.phase.load(Ordering::Relaxed) {
            1 => Phase::Head,
            2 => Phase::Answering,
            3 => Phase::Waiting,
            4 => Phase::Upgraded,
            _ => Phase::Idle,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Ends the connection if it became a socket: whoever reads from it finds it at its end.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Whether [`Link::close`] was called; otherwise `reader` is woken by it.
    pub(crate) fn is_closing(&self, reader: &Waker) -> bool {
        self.reader.register(reader);
        self.is_closing.load(Ordering::Acquire)
    }
}
