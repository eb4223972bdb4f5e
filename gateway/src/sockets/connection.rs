//! One socket: its handshake, its greeting, its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketioxide::{
    SendError, SocketError, SocketIo,
    extract::{SocketRef, State, TryData},
    handler::ConnectHandler as _,
};
use tokio::time::sleep;

use super::{LaneProgress, NotJoined, SaleStatus, Session, StockUpdate, Welcome};
use crate::{
    identity::{IdentityError, SocketOwner},
    lane_ticker, sale_status,
};

/// Pause before a packet is offered again to a socket that has no room.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// How often a packet of the greeting is offered; a socket that takes none for two seconds is
/// not reading.
const FULL_ATTEMPTS: u32 = 100;

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
    socket.on_disconnect(farewell);
    let owner = owner.map(|owner| (owner, socket.clone()));
    let count = welcome.presence.enter(socket.id, owner);
    welcome.show_count(count);
    if !socket.connected() {
        // It left before it could be noted when it leaves.
        welcome.forget(&socket);
        return;
    }
    tell_sales(&socket, &welcome).await;
    tell_stocks(&socket, &welcome).await;
    tell_lanes(&socket, &welcome).await;
}

async fn farewell(socket: SocketRef, State(welcome): State<Welcome>) {
    welcome.forget(&socket);
}

impl Welcome {
    fn forget(&self, socket: &SocketRef) {
        let owner: Option<SocketOwner> = socket.extensions.get();
        let user = owner.as_ref().map(|owner| &owner.user);
        self.show_count(self.presence.leave(socket.id, user));
    }

    fn show_count(&self, count: usize) {
        self.metrics
            .connected
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

async fn tell_sales(socket: &SocketRef, welcome: &Welcome) {
    let now = welcome.catalogue.clock().now();
    for entry in welcome.catalogue.snapshot().sales() {
        let readings = {
            let observed = welcome.catalogue.observed();
            let observed = observed.borrow();
            sale_status::readings(entry, &observed, &welcome.stocks)
        };
        let status = sale_status::of(entry, readings, now);
        emit(socket, SaleStatus::NAME, &status).await;
    }
}

async fn tell_stocks(socket: &SocketRef, welcome: &Welcome) {
    for product in welcome.catalogue.snapshot().products() {
        let mut told = None;
        // An update to all may pass between looking and telling: then look again.
        while let Some(stock) = welcome.stocks.of(product.as_str()) {
            if told == Some(stock) {
                break;
            }
            told = Some(stock);
            let product_id = product.clone();
            emit(
                socket,
                StockUpdate::NAME,
                &StockUpdate { product_id, stock },
            )
            .await;
        }
    }
}

/// Tells of every lane that somebody was ever in.
async fn tell_lanes(socket: &SocketRef, welcome: &Welcome) {
    let observed = welcome.catalogue.observed();
    let mut told = Vec::new();
    loop {
        let lanes: Vec<_> = lane_ticker::lanes(&observed.borrow())
            .filter(|lane| !lane.is_untouched())
            .collect();
        // Changes told to all may pass between looking and telling: then look again.
        if lanes == told {
            return;
        }
        for lane in lanes.iter().filter(|lane| !told.contains(lane)) {
            emit(socket, LaneProgress::NAME, lane).await;
        }
        told = lanes;
    }
}

/// Sends one packet of the greeting, patiently: a large catalogue is more than a socket's buffer.
async fn emit<T: Serialize>(socket: &SocketRef, event: &str, payload: &T) {
    for _ in 0..FULL_ATTEMPTS {
        match socket.emit(event, payload) {
            Err(SendError::Socket(SocketError::InternalChannelFull)) => sleep(FULL_PAUSE).await,
            _ => return,
        }
    }
}
