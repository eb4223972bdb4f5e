//! Shoppers' sockets: thousands of Socket.io clients in one process, one task each, over WebSocket.
//!
//! They share the cores with what they measure, so each does little: it answers pings, notes when
//! a stock update and when a confirmation came, and keeps nothing else.

mod heard;
mod packet;
mod socket;

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, timeout},
};

use crate::error::BenchError;

pub use heard::{Confirmation, Heard};
use socket::Socket;
pub use socket::SocketError;

/// Handshakes at a time: enough to keep two cores busy, and fewer than a listener's backlog.
const HANDSHAKES: usize = 64;

/// How long all sockets together may take to connect.
const CONNECT_PATIENCE: Duration = Duration::from_mins(1);

/// Connected sockets, each of another shopper. Dropped, all are closed.
#[derive(Debug)]
pub struct Crowd {
    /// What the sockets heard.
    pub heard: Arc<Heard>,
    /// The shoppers, one a socket.
    pub users: Arc<[String]>,
    listening: JoinSet<SocketError>,
}

impl Crowd {
    /// Connects `count` shoppers to the gateway at `address`; both processes must be allowed to
    /// (`open_files::allow` before the gateway is started).
    pub async fn connect(address: SocketAddr, count: u32) -> Result<Self, BenchError> {
        let users: Arc<[String]> = (0..count).map(user).collect();
        let connecting = timeout(CONNECT_PATIENCE, connect_all(address, &users));
        let sockets = connecting.await.map_err(|_| BenchError::TooLate {
            what: format!("{count} sockets did not connect"),
            waited: CONNECT_PATIENCE,
        })??;
        let heard = Arc::new(Heard::new(users.len()));
        let mut listening = JoinSet::new();
        for socket in sockets {
            listening.spawn(socket.listen(Arc::clone(&heard)));
        }
        Ok(Self {
            heard,
            users,
            listening,
        })
    }

    /// How many sockets.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "an empty crowd measures nothing"
    )]
    pub fn len(&self) -> u32 {
        u32::try_from(self.users.len()).unwrap_or(u32::MAX)
    }

    /// Checks that no socket was lost.
    pub fn check(&mut self) -> Result<(), BenchError> {
        match self.listening.try_join_next() {
            None => Ok(()),
            Some(Ok(error)) => Err(error.into()),
            Some(Err(error)) => Err(BenchError::Wrong(format!("a socket's task broke: {error}"))),
        }
    }

    /// Closes all sockets.
    pub async fn close(mut self) -> Result<(), BenchError> {
        self.check()?;
        self.listening.shutdown().await;
        Ok(())
    }
}

/// As long as the ids that identity providers hand out.
fn user(index: u32) -> String {
    format!("user_{index:017x}")
}

async fn connect_all(address: SocketAddr, users: &[String]) -> Result<Vec<Socket>, BenchError> {
    let turns = Arc::new(Semaphore::new(HANDSHAKES));
    let mut connecting = JoinSet::new();
    for user in users {
        let (turns, user) = (Arc::clone(&turns), user.clone());
        connecting.spawn(async move {
            // It is never closed, so there is always a turn.
            let _turn = turns.acquire().await;
            Socket::connect(address, &user).await
        });
    }
    let mut sockets = Vec::with_capacity(users.len());
    while let Some(ended) = connecting.join_next().await {
        let socket = ended
            .map_err(|error| BenchError::Wrong(format!("a socket's task broke: {error}")))??;
        sockets.push(socket);
    }
    Ok(sockets)
}
