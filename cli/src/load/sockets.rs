//! Shoppers that listen: Socket.io sockets of some of the crowd, for the history. Who hears whose
//! outcome can be judged nowhere else.

use std::{sync::Arc, time::Duration};

use flashsale_domain::outcome::Outcome;
use flashsale_testbed::socket_io::Socket;
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{book::Book, target::Target};
use crate::history::{Entry, EventSource, HistoryWriter, SocketState};

/// How long a socket may take until its shopper is let in.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);

/// Longest silence of a socket before it counts as dead: the gateway's ping interval and timeout,
/// which are those of the protocol's reference implementation (25 s and 20 s).
const LONGEST_SILENCE: Duration = Duration::from_secs(45);

/// Wait before a socket that ended is opened again.
const REOPEN_WAIT: Duration = Duration::from_millis(250);

/// Sockets opened at a time, so that many of them are no load of their own.
const OPENED_AT_ONCE: usize = 32;

/// The sockets; they end when it is dropped.
#[derive(Debug)]
pub struct Sockets {
    _tasks: JoinSet<()>,
}

impl Sockets {
    /// Opens a socket for each of the first `count` shoppers and answers once all of them were
    /// let in, or were tried once. Each is opened again whenever it ends.
    pub async fn open(
        count: usize,
        targets: &[Target],
        book: &Arc<Book>,
        history: &Arc<HistoryWriter>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let shoppers = (0..book.crowd().shoppers()).take(count);
        let listeners: Vec<Listener> = shoppers
            .zip(targets.iter().enumerate().cycle())
            .map(|(shopper, (gateway, target))| Listener {
                shopper: u32::try_from(shopper).unwrap_or(u32::MAX),
                target: target.clone(),
                gateway,
                book: Arc::clone(book),
                history: Arc::clone(history),
            })
            .collect();
        for group in listeners.chunks(OPENED_AT_ONCE) {
            let mut opening = JoinSet::new();
            for listener in group.iter().cloned() {
                opening.spawn(async move {
                    let socket = listener.open().await;
                    (listener, socket)
                });
            }
            while let Some(Ok((listener, socket))) = opening.join_next().await {
                tasks.spawn(listener.keep(socket));
            }
        }
        Self { _tasks: tasks }
    }
}

/// One shopper who listens.
#[derive(Debug, Clone)]
struct Listener {
    shopper: u32,
    target: Target,
    gateway: usize,
    book: Arc<Book>,
    history: Arc<HistoryWriter>,
}

/// Fields of the events that a history has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    product_id: String,
    job_id: Option<Uuid>,
    order_id: Option<i64>,
    /// An outcome, or why an order was cancelled.
    reason: Option<String>,
    stock: Option<i64>,
}

impl Listener {
    fn user(&self) -> String {
        self.book.crowd().user(self.shopper)
    }

    async fn keep(self, mut socket: Option<Socket>) {
        loop {
            if let Some(socket) = socket.take() {
                let reason = self.listen(socket).await;
                self.note(SocketState::Closed, Some(reason));
            }
            sleep(REOPEN_WAIT).await;
            socket = self.open().await;
        }
    }

    /// A socket whose shopper was let in; none where that failed.
    async fn open(&self) -> Option<Socket> {
        let base = self.target.authority() + &self.target.path("");
        let (address, user) = (self.target.socket(), self.user());
        let connecting = Socket::connect(address, &base, &user);
        let reason = match timeout(OPEN_PATIENCE, connecting).await {
            Ok(Ok(socket)) => {
                self.note(SocketState::Open, None);
                return Some(socket);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        self.note(SocketState::Closed, Some(reason));
        None
    }

    fn note(&self, state: SocketState, reason: Option<String>) {
        self.history.note(Entry::Socket {
            user: self.user(),
            gateway: self.gateway,
            state,
            reason,
        });
    }

    /// Notes what the gateway says, until the socket ends; answers why.
    async fn listen(&self, mut socket: Socket) -> String {
        loop {
            match timeout(LONGEST_SILENCE, socket.event()).await {
                Ok(Ok(event)) => self.heard(&event),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "it fell silent".to_owned(),
            }
        }
    }

    fn heard(&self, event: &str) {
        let at = Instant::now();
        let Ok((name, payload)) = serde_json::from_str::<(String, Payload)>(event) else {
            // Events without a product say nothing that a law is about.
            return;
        };
        let product = payload.product_id;
        let outcome = match name.as_str() {
            // Everybody hears the same; once is enough.
            "stock-update" if self.shopper == 0 => {
                if let Some(stock) = payload.stock {
                    self.history.note(Entry::Stock {
                        source: EventSource::Socket,
                        sale: None,
                        product,
                        stock,
                        version: None,
                        confirmed: None,
                    });
                }
                return;
            }
            "order_confirmed" | "order_paid" | "order_cancelled" => Some(Outcome::Confirmed),
            "order_rejected" => payload.reason.as_deref().and_then(Outcome::named),
            _ => None,
        };
        if let (Some(job), Some(outcome)) = (payload.job_id, outcome) {
            self.history.note(Entry::Event {
                source: EventSource::Socket,
                listener: Some(self.user()),
                user: None,
                sale: None,
                product,
                job,
                outcome,
                order: payload.order_id,
            });
            self.book.settled(job, self.shopper, outcome, Some(at));
        }
    }
}
