//! The Socket.io namespace `/operations`: the figures, each second, to who has the token.

use serde::Deserialize;
use socketioxide::{
    SocketIo,
    extract::{SocketRef, TryData},
    handler::ConnectHandler as _,
};
use tokio::time::sleep;

use super::{access::NotAdmitted, live::Operations, seconds};
use crate::sockets::{NotJoined, Session};

/// The namespace.
const NAMESPACE: &str = "/operations";

/// The event.
const FIGURES: &str = "figures";

/// What a client sends along when it connects: `io("/operations", { auth: { token } })`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Handshake {
    token: Option<String>,
}

/// Opens the namespace. Who is refused hears `connect_error`; who is let in hears the figures at
/// once.
pub(crate) fn open(io: &SocketIo, operations: &Operations) {
    let door = operations.clone();
    let admit = move |socket: SocketRef, TryData(handshake): TryData<Handshake>| {
        let door = door.clone();
        async move { admit(&door, &socket, &handshake.unwrap_or_default()) }
    };
    let teller = operations.clone();
    let greet = move |socket: SocketRef| {
        let figures = teller.figures();
        async move {
            if let Err(error) = socket.emit(FIGURES, &figures) {
                // It has left already, or hears the next ones.
                tracing::debug!(%error, "a new socket did not hear the figures: {error}");
            }
        }
    };
    io.ns(NAMESPACE, greet.with(admit));
}

/// A socket that was refused once does not get to guess again.
fn admit(door: &Operations, socket: &SocketRef, handshake: &Handshake) -> Result<(), Refused> {
    let client = socket.req_parts().extensions.get().copied();
    let Some(session) = Session::of(socket) else {
        return Ok(door.admit(handshake.token.as_deref(), client)?);
    };
    session.check()?;
    door.admit(handshake.token.as_deref(), client)
        .inspect_err(|_| session.refuse())?;
    Ok(session.join(None)?)
}

/// Why a socket does not hear the figures.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Token(#[from] NotAdmitted),
    #[error(transparent)]
    Session(#[from] NotJoined),
}

/// Tells who listens; makes no figures when nobody does.
async fn tell(io: &SocketIo, operations: &Operations) {
    let listeners = io.of(NAMESPACE).map(|namespace| namespace.sockets().len());
    let (Some(1..), Some(namespace)) = (listeners, io.of(NAMESPACE)) else {
        return;
    };
    if let Err(error) = namespace.emit(FIGURES, &operations.figures()).await {
        // Sockets that are full or just closing; the others have it.
        tracing::debug!(%error, "the figures did not reach every socket: {error}");
    }
}

/// Ends each second, and tells it to who listens on `io`.
pub(crate) async fn run(operations: Operations, io: SocketIo) {
    loop {
        sleep(seconds::until(operations.now(), seconds::ENDING)).await;
        operations.end_second();
        tell(&io, &operations).await;
    }
}
