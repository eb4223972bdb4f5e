//! One socket: its handshake, its greeting, its end.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use socketioxide::{
    SendError, SocketError, SocketIo,
    adapter::LocalAdapter,
    extract::{SocketRef, State, TryData},
    handler::{ConnectHandler as _, DisconnectHandler, FromDisconnectParts as _},
    socket::{DisconnectReason, Socket},
};
use tokio::time::{Instant, sleep};

use super::{
    payload::{Event, LaneProgress, SaleStatus, StockUpdate},
    presence::{Presence, PresenceId},
    sessions::{NotJoined, Session},
};
use crate::{
    catalogue::Catalogue,
    identity::{Identity, IdentityError, SocketOwner},
    metrics::SocketMetrics,
    stocks::Stocks,
};

/// Pause before a packet is offered again to a socket that has no room.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// How long a socket may take to read its whole greeting; one that takes longer is not reading.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);

/// What a client sends along when it connects: `io(url, { auth: { token } })`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Handshake {
    /// A bearer token; where authentication is on.
    token: Option<String>,
    /// The shopper; where authentication is off.
    user_id: Option<String>,
}

/// Why a socket is not let in.
#[derive(Debug, thiserror::Error)]
enum NotAdmitted {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Session(#[from] NotJoined),
}

/// What a new socket is greeted with, and by whom it is let in.
#[derive(Debug, Clone)]
pub(super) struct Welcome {
    pub(super) identity: Identity,
    pub(super) catalogue: Catalogue,
    pub(super) stocks: Stocks,
    pub(super) presence: Arc<Presence<SocketRef>>,
    pub(super) metrics: SocketMetrics,
}

/// Lets sockets in on the default namespace.
pub(super) fn register(io: &SocketIo) {
    io.ns("/", greet.with(admit));
}

/// Lets the socket in or not; a refusal reaches the client as `connect_error`.
async fn admit(
    socket: SocketRef,
    TryData(handshake): TryData<Handshake>,
    State(welcome): State<Welcome>,
) -> Result<(), NotAdmitted> {
    let session = Session::of(&socket);
    session.map_or(Ok(()), |session| session.check())?;
    // Without a payload there is nothing to read, which is a shopper who stays anonymous.
    let handshake = handshake.unwrap_or_default();
    let admitted = let_in(&socket, &handshake, &welcome).await;
    if let (Err(_), Some(session)) = (&admitted, session) {
        session.refuse();
    }
    admitted
}

async fn let_in(
    socket: &SocketRef,
    handshake: &Handshake,
    welcome: &Welcome,
) -> Result<(), NotAdmitted> {
    let owner = welcome
        .identity
        .of_handshake(handshake.token.as_deref(), handshake.user_id.as_deref())
        .await
        .inspect_err(|_| welcome.metrics.refused.inc())?;
    if let Some(session) = Session::of(socket) {
        session.join(owner.as_ref().map(|owner| &owner.user))?;
    }
    if let Some(owner) = owner {
        socket.extensions.insert(owner);
    }
    Ok(())
}

async fn greet(socket: SocketRef, State(welcome): State<Welcome>) {
    let owner: Option<SocketOwner> = socket.extensions.get();
    let owner = owner.map(|owner| (owner, socket.clone()));
    let (presence_id, count) = welcome.presence.enter(owner);
    welcome.show_count(count);
    socket.on_disconnect(OnDisconnect(presence_id));
    if !socket.connected() {
        // It left before there was anything to call when it leaves.
        welcome.forget(presence_id, &socket);
        return;
    }
    let greeting = Greeting {
        socket,
        welcome,
        deadline: Instant::now() + GREETING_PATIENCE,
    };
    // A socket that does not read its greeting misses what is left of it.
    let _ = greeting.tell().await;
}

/// Forgets a socket that leaves.
///
/// Not an async function, which is the handler that socketioxide expects: that runs as a task of its
/// own and the socket stays in the namespace until it has ended. A client that comes back at once on
/// the same connection would then be taken for one that is there already, and never be answered.
struct OnDisconnect(PresenceId);

impl DisconnectHandler<LocalAdapter, Self> for OnDisconnect {
    fn call_with_defer(
        &self,
        socket: Arc<Socket>,
        reason: DisconnectReason,
        leave_namespace: fn(Arc<Socket>),
    ) {
        if let Ok(State(welcome)) = State::<Welcome>::from_disconnect_parts(&socket, reason) {
            welcome.forget(self.0, &socket);
        }
        leave_namespace(socket);
    }
}

impl Welcome {
    fn forget(&self, presence_id: PresenceId, socket: &Socket) {
        let owner: Option<SocketOwner> = socket.extensions.get();
        let user = owner.as_ref().map(|owner| &owner.user);
        self.show_count(self.presence.leave(presence_id, user));
    }

    fn show_count(&self, count: usize) {
        self.metrics
            .connected
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Everything that a new socket is told.
struct Greeting {
    socket: SocketRef,
    welcome: Welcome,
    deadline: Instant,
}

/// The socket left, or does not read.
struct NotReading;

impl Greeting {
    async fn tell(&self) -> Result<(), NotReading> {
        self.tell_sales().await?;
        self.tell_stocks().await?;
        self.tell_lanes().await
    }

    async fn tell_sales(&self) -> Result<(), NotReading> {
        let now = self.welcome.catalogue.clock.now();
        for entry in self.welcome.catalogue.snapshot().sales() {
            let observed = &self.welcome.catalogue.observed;
            let readings = observed.borrow().readings(entry, &self.welcome.stocks);
            let status = SaleStatus::new(entry, readings, now);
            self.emit(&status).await?;
        }
        Ok(())
    }

    async fn tell_stocks(&self) -> Result<(), NotReading> {
        for product in self.welcome.catalogue.snapshot().products() {
            let mut told = None;
            // An update to all may pass between looking and telling: then look again.
            while let Some(stock) = self.welcome.stocks.of(product.as_str()) {
                if told == Some(stock) {
                    break;
                }
                told = Some(stock);
                let product_id = product.clone();
                let update = StockUpdate { product_id, stock };
                self.emit(&update).await?;
            }
        }
        Ok(())
    }

    /// Tells of every lane that somebody was ever in.
    async fn tell_lanes(&self) -> Result<(), NotReading> {
        let observed = self.welcome.catalogue.observed.clone();
        let mut told = Vec::new();
        loop {
            let lanes: Vec<_> = LaneProgress::all(&observed.borrow())
                .filter(|lane| !lane.is_untouched())
                .collect();
            // Changes told to all may pass between looking and telling: then look again.
            if lanes == told {
                return Ok(());
            }
            for lane in lanes.iter().filter(|lane| !told.contains(lane)) {
                self.emit(lane).await?;
            }
            told = lanes;
        }
    }

    /// Sends one packet, patiently: a large catalogue is more than a socket's buffer.
    async fn emit<E: Event>(&self, event: &E) -> Result<(), NotReading> {
        loop {
            match self.socket.emit(E::NAME, event) {
                Ok(()) => return Ok(()),
                Err(SendError::Socket(SocketError::InternalChannelFull))
                    if Instant::now() < self.deadline =>
                {
                    sleep(FULL_PAUSE).await;
                }
                Err(_) => return Err(NotReading),
            }
        }
    }
}
