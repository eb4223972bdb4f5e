//! Shoppers' sockets: thousands of Socket.io clients in one process, one task each, over WebSocket.
//!
//! They share the cores with what they measure, so each does little: it answers pings, notes when
//! a stock update and when a confirmation came, and keeps nothing else.

mod socket;

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use flashsale_domain::id::JobId;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Duration, timeout},
};

use crate::error::{Error, Result, broke, too_late};
use socket::Socket;

/// Handshakes at a time: enough to keep two cores busy, and fewer than a listener's backlog.
const HANDSHAKES: usize = 64;

/// How long all sockets together may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(1);

/// Connected sockets, each of another shopper. Dropped, all are closed.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) heard: Arc<Heard>,
    /// The shoppers, one a socket.
    pub(crate) users: Arc<[String]>,
    listening: JoinSet<Error>,
}

impl Sockets {
    /// Connects `count` shoppers to the gateway at `address`; both processes must be allowed to
    /// (`programs::allow_sockets` before the gateway is started).
    pub(crate) async fn connect(address: SocketAddr, count: u32) -> Result<Self> {
        // As long as the ids that identity providers hand out.
        let users: Arc<[String]> = (0..count)
            .map(|index| format!("user_{index:017x}"))
            .collect();
        let connecting = timeout(CONNECT_TIMEOUT, connect_all(address, &users));
        let sockets = connecting
            .await
            .map_err(|_| too_late(format!("{count} sockets did not connect"), CONNECT_TIMEOUT))??;
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

    /// Checks that no socket was lost.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.listening.try_join_next() {
            None => Ok(()),
            Some(ended) => Err(failed(ended.map_err(broke("a socket's task"))?)),
        }
    }

    pub(crate) async fn close(mut self) -> Result<()> {
        self.check()?;
        self.listening.shutdown().await;
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    let text = format!("one of the connected shoppers' sockets failed: {error}");
    format!("{text}; look into the gateway's log").into()
}

async fn connect_all(address: SocketAddr, users: &[String]) -> Result<Vec<Socket>> {
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
        let socket = ended.map_err(broke("a socket's task"))?;
        sockets.push(socket.map_err(failed)?);
    }
    Ok(sockets)
}

/// What all sockets heard; each of them notes here, a few thousand times a second at most.
#[derive(Debug)]
pub(crate) struct Heard {
    sockets: usize,
    /// The stock that is waited for, and when each socket heard of it.
    stock: Mutex<(Option<i32>, Vec<Instant>)>,
    everyone: Notify,
    /// Buys, each with when `order_confirmed` of it was read.
    confirmations: Mutex<Vec<(JobId, Instant)>>,
}

impl Heard {
    fn new(sockets: usize) -> Self {
        Self {
            sockets,
            stock: Mutex::default(),
            everyone: Notify::new(),
            confirmations: Mutex::default(),
        }
    }

    /// From now on notes who hears that `stock` units are left.
    pub(crate) fn expect_stock(&self, stock: i32) {
        *lock(&self.stock) = (Some(stock), Vec::with_capacity(self.sockets));
    }

    /// Waits until as many updates as there are sockets were heard. One task may wait at a time.
    pub(crate) async fn everyone(&self) {
        self.everyone.notified().await;
    }

    /// When the stock expected last was heard, in the order of hearing; no longer waits for it.
    pub(crate) fn take_stock(&self) -> Vec<Instant> {
        mem::take(&mut *lock(&self.stock)).1
    }

    /// How many confirmations were heard since they were last taken.
    pub(crate) fn confirmed_so_far(&self) -> usize {
        lock(&self.confirmations).len()
    }

    /// The confirmations since this was last asked.
    pub(crate) fn take_confirmations(&self) -> Vec<(JobId, Instant)> {
        mem::take(&mut *lock(&self.confirmations))
    }

    fn stock(&self, stock: i32, at: Instant) {
        let mut expected = lock(&self.stock);
        if expected.0 == Some(stock) {
            expected.1.push(at);
            if expected.1.len() == self.sockets {
                self.everyone.notify_one();
            }
        }
    }

    fn confirmed(&self, job: JobId, at: Instant) {
        lock(&self.confirmations).push((job, at));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_has_heard_when_each_socket_has() {
        let heard = Heard::new(2);
        heard.expect_stock(7);
        let now = Instant::now();
        heard.stock(8, now);
        heard.stock(7, now);
        assert_eq!(heard.take_stock().len(), 1, "another figure does not count");
        heard.expect_stock(6);
        heard.stock(6, now);
        heard.stock(6, now);
        heard.everyone().await;
        assert_eq!(heard.take_stock(), [now, now]);
    }
}
