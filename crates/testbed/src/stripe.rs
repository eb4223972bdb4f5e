//! A stand-in for Stripe: the part of its HTTP API that gateways use, a page on which shoppers pay, signed
//! events, and what goes wrong with all of that.
//!
//! It keeps an account of its own ([`Stripe::sessions`]), so that a test can tell from the provider's side
//! what was paid and what was paid back.

mod account;
mod events;
mod server;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::net::TcpListener;

use account::Account;
pub use account::{Session, SessionStatus};
pub use events::signature;
use events::{Delivery, Event};

/// The secret key that it takes.
pub const SECRET_KEY: &str = "sk_test_stand_in";

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Calls are not answered: their connections are closed before anything is done.
    pub is_away: bool,
    /// Calls are carried out, but their answers are lost.
    pub answers_are_lost: bool,
    /// So many calls fail with status 500, without being carried out.
    pub errors: u32,
    /// How long a call takes.
    pub delay: Duration,
    /// What becomes of events.
    pub events: EventFault,
    /// Shoppers pay this in place of what was asked for: minor units, and a currency in lower case.
    pub pays_instead: Option<(i64, String)>,
}

/// What becomes of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventFault {
    /// Each is delivered until it is acknowledged.
    #[default]
    None,
    /// None is delivered.
    Lost,
    /// Each is delivered twice.
    Twice,
    /// Each is held back until [`Stripe::release`].
    Held,
}

/// Where events go, and the secret that they are signed with.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) secret: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    account: Account,
    faults: Faults,
    endpoint: Option<Endpoint>,
    held: Vec<Event>,
    /// Requests that changed something or asked, faults aside.
    calls: u32,
}

/// A running stand-in; it stops when it is dropped.
#[derive(Debug)]
pub struct Stripe {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Stripe {
    /// One that listens on a free port of this machine.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// One that listens there.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let router = server::router(format!("http://{address}"), Arc::clone(&state));
        let serving = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            serving,
        })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has events delivered to `path` at `address`, signed with `secret`.
    pub fn deliver_to(&self, address: SocketAddr, path: &str, secret: &str) {
        self.state.lock().endpoint = Some(Endpoint {
            address,
            path: path.to_owned(),
            secret: secret.to_owned(),
        });
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// All sessions, the oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        self.state.lock().account.sessions()
    }

    /// Requests of gateways that were carried out.
    pub fn calls(&self) -> u32 {
        self.state.lock().calls
    }

    /// A shopper pays by card. False when the session is not open any more.
    pub fn pay(&self, session: &str) -> bool {
        server::pay(&self.state, session)
    }

    /// A shopper chooses a method by which money arrives later, or not. False as above.
    pub fn pay_later(&self, session: &str) -> bool {
        server::pay_later(&self.state, session)
    }

    /// What was to be paid later arrives, or fails for good.
    pub fn settle(&self, session: &str, is_paid: bool) -> bool {
        server::settle(&self.state, session, is_paid)
    }

    /// The session's time is over.
    pub fn expire(&self, session: &str) -> bool {
        server::expire(&self.state, session)
    }

    /// Somebody refunds what was paid, in the provider's own pages.
    pub fn refund_by_hand(&self, session: &str) -> bool {
        server::refund_by_hand(&self.state, session)
    }

    /// Delivers what was held back, the newest first, and says how many that were.
    pub fn release(&self) -> usize {
        let (mut held, endpoint) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.held), state.endpoint.clone())
        };
        held.reverse();
        let count = held.len();
        if let Some(endpoint) = endpoint {
            events::deliver(Delivery {
                endpoint,
                events: held,
            });
        }
        count
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
