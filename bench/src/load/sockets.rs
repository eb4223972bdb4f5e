//! Shoppers' sockets: thousands of Socket.io clients in one process, one task each, over WebSocket.
//!
//! They share the cores with what they measure, so each does little: it answers pings, notes when
//! a stock update and when a confirmation came, and keeps nothing else.

use std::{mem, net::SocketAddr, sync::Arc, time::Instant};

use flashsale_domain::id::JobId;
use flashsale_testbed::socket_io::{Socket, SocketError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Duration, timeout},
};

use crate::error::{Error, Result, broke, too_late};

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
        let users = (0..count).map(|index| format!("user_{index:017x}"));
        let users: Arc<[String]> = users.collect();
        let connecting = timeout(CONNECT_TIMEOUT, connect_all(address, &users));
        let sockets = connecting
            .await
            .map_err(|_| too_late(format!("{count} sockets did not connect"), CONNECT_TIMEOUT))??;
        let heard = Arc::new(Heard::new(users.len()));
        let mut listening = JoinSet::new();
        for socket in sockets {
            listening.spawn(listen(socket, Arc::clone(&heard)));
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
    let connect = |user: String| {
        let base = address.to_string();
        tokio::spawn(async move { Socket::connect(address, &base, &user).await })
    };
    stream::iter(users.iter().cloned().map(connect))
        .buffer_unordered(HANDSHAKES)
        .map(|ended| ended.map_err(broke("a socket's task"))?.map_err(failed))
        .try_collect()
        .await
}

/// Notes what the gateway says, until the socket ends.
async fn listen(mut socket: Socket, heard: Arc<Heard>) -> Error {
    loop {
        let event = match socket.event().await {
            Ok(event) => event,
            Err(error) => return error.into(),
        };
        match Event::read(&event) {
            Event::Stock(stock) => heard.stock(stock, Instant::now()),
            Event::Confirmed(job) => heard.confirmed(job, Instant::now()),
            Event::Unwanted => return SocketError::Refused(event).into(),
            Event::Other => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// A product has so many units left.
    Stock(i32),
    /// A buy became an order.
    Confirmed(JobId),
    /// A buy ended without an order, or this is no event: no measurement wants either.
    Unwanted,
    /// Something else.
    Other,
}

/// The payload of an event; each name has some of the fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    stock: Option<i32>,
    job_id: Option<JobId>,
}

impl Event {
    fn read(json: &str) -> Self {
        let Ok((name, payload)) = serde_json::from_str::<(&str, Payload)>(json) else {
            return Self::Unwanted;
        };
        match (name, payload.stock, payload.job_id) {
            ("stock-update", Some(stock), _) => Self::Stock(stock),
            ("order_confirmed", _, Some(job)) => Self::Confirmed(job),
            ("lane-progress" | "sale-status", ..) => Self::Other,
            _ => Self::Unwanted,
        }
    }
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
        *self.stock.lock() = (Some(stock), Vec::with_capacity(self.sockets));
    }

    /// Waits until as many updates as there are sockets were heard. One task may wait at a time.
    pub(crate) async fn everyone(&self) {
        self.everyone.notified().await;
    }

    /// When the stock expected last was heard, in the order of hearing; no longer waits for it.
    pub(crate) fn take_stock(&self) -> Vec<Instant> {
        mem::take(&mut *self.stock.lock()).1
    }

    /// How many confirmations were heard since they were last taken.
    pub(crate) fn confirmed_so_far(&self) -> usize {
        self.confirmations.lock().len()
    }

    /// The confirmations since this was last asked.
    pub(crate) fn take_confirmations(&self) -> Vec<(JobId, Instant)> {
        mem::take(&mut *self.confirmations.lock())
    }

    fn stock(&self, stock: i32, at: Instant) {
        let mut expected = self.stock.lock();
        if expected.0 == Some(stock) {
            expected.1.push(at);
            if expected.1.len() == self.sockets {
                self.everyone.notify_one();
            }
        }
    }

    fn confirmed(&self, job: JobId, at: Instant) {
        self.confirmations.lock().push((job, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_known_by_their_name() {
        let job = "01900000-0000-7000-8000-000000000001";
        let confirmed = format!(r#"["order_confirmed",{{"jobId":"{job}","orderId":7}}]"#);
        let rejected = format!(r#"["order_rejected",{{"jobId":"{job}","reason":"failed"}}]"#);
        let is_confirmed = Event::Confirmed(JobId(job.parse().unwrap()));
        for (json, event) in [
            (
                r#"["stock-update",{"productId":"p","stock":5}]"#,
                Event::Stock(5),
            ),
            (confirmed.as_str(), is_confirmed),
            (rejected.as_str(), Event::Unwanted),
            (r#"["sale-status",{"sale":"s"}]"#, Event::Other),
            ("[", Event::Unwanted),
        ] {
            assert_eq!(Event::read(json), event, "{json}");
        }
    }

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
