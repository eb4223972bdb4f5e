//! Socket.io: what shoppers are told without asking.

mod connection;
pub(crate) mod endings;
mod handshake;
mod payload;
mod polls;
mod presence;
mod refusal;
mod request;
mod sessions;

use std::{sync::Arc, time::Duration};

use flashsale_domain::{
    event::{OrdersChanged, Settled},
    id::{JobId, ProductId, UserId},
};
use prometheus::IntCounter;
use socketioxide::{SocketIo, TransportType, extract::SocketRef, layer::SocketIoLayer};
use tokio::time::sleep;

use crate::{
    catalogue::Catalogue,
    config::SocketConfig,
    identity::{Identity, Validity},
    metrics::SocketMetrics,
    orders::{OrderStateName, OrderView},
    stocks::Stocks,
};

pub(crate) use handshake::{Origins, check};
pub use payload::{
    Event, LaneProgress, OrderCancelled, OrderConfirmed, OrderPaid, OrderRejected, SaleStatus,
    StockUpdate,
};
pub(crate) use polls::end_abandoned;
use presence::Presence;
pub(crate) use refusal::explain;
pub(crate) use request::trim;
pub(crate) use sessions::{NotJoined, Session, Sessions, limit_sessions};

/// Packets that may wait for one socket. A socket that reads slower misses what comes then; it
/// learns outcomes by `GET /orders/{jobId}` and the stock by the next update.
const PACKETS_WAITING: usize = 1024;

/// Largest message of a client in bytes: a handshake with a token. Clients have nothing else to
/// say.
const MAX_CLIENT_MESSAGE: usize = 16 * 1024;

/// Bytes that a socket reads at a time, kept for each as long as it lives. Clients say little more
/// than that they are still there; a longer message makes room for itself.
const READ_BUFFER: usize = 512;

/// Sockets that are closed at a time at least, at the end.
const FEW: usize = 20;

/// Pause between those that are closed at a time.
const STEP: Duration = Duration::from_millis(100);

/// A handle on all sockets of this gateway; clones share them.
#[derive(Debug, Clone)]
pub struct Sockets {
    io: SocketIo,
    presence: Arc<Presence<SocketRef>>,
    sessions: Sessions,
    metrics: SocketMetrics,
}

/// The way to the sockets.
#[derive(Clone)]
pub struct SocketLayer {
    /// The socket layer itself.
    pub(crate) engine: SocketIoLayer,
    /// What limits the sessions that begin there.
    pub(crate) sessions: Sessions,
}

impl Sockets {
    /// All sockets, and the layers through which they connect.
    pub(crate) fn new(
        identity: Identity,
        catalogue: Catalogue,
        stocks: Stocks,
        metrics: SocketMetrics,
        config: &SocketConfig,
        sessions: Sessions,
    ) -> (Self, SocketLayer) {
        let presence = Arc::new(Presence::default());
        let welcome = connection::Welcome {
            identity,
            catalogue,
            stocks,
            presence: Arc::clone(&presence),
            metrics: metrics.clone(),
        };
        let builder = SocketIo::builder()
            .connect_timeout(config.socket_connect_timeout)
            .max_buffer_size(PACKETS_WAITING)
            .max_payload(MAX_CLIENT_MESSAGE as u64)
            .ws_read_buffer_size(READ_BUFFER)
            .ws_max_message_size(MAX_CLIENT_MESSAGE)
            .ws_max_frame_size(MAX_CLIENT_MESSAGE)
            .with_state(welcome);
        let builder = if config.websocket_only {
            builder.transports([TransportType::Websocket])
        } else {
            builder
        };
        let (engine, io) = builder.build_layer();
        connection::register(&io);
        let sockets = Self {
            io,
            presence,
            sessions: sessions.clone(),
            metrics,
        };
        (sockets, SocketLayer { engine, sessions })
    }

    /// How many sockets are connected here.
    pub fn count(&self) -> usize {
        self.presence.count()
    }

    /// Disconnects sockets whose token has ended by `is_ended`. One that has no room for the packet is
    /// left for the next time.
    fn end_where(&self, is_ended: impl Fn(&Validity) -> bool) {
        for socket in self.presence.ended(is_ended) {
            match socket.disconnect() {
                Ok(()) => self.metrics.ended.inc(),
                Err(error) => tracing::debug!(%error, "a socket did not end: {error}"),
            }
        }
    }

    /// Tells everyone how much is left.
    pub async fn tell_stock(&self, product: &ProductId, stock: i32) {
        self.metrics.stock_updates.inc();
        let update = StockUpdate {
            product_id: product.clone(),
            stock,
        };
        self.emit_to_all(&update).await;
    }

    /// Tells everyone how far a lane is.
    pub async fn tell_lane_progress(&self, lane: &LaneProgress) {
        self.metrics.lane_progress.inc();
        self.emit_to_all(lane).await;
    }

    /// Tells everyone where a sale stands.
    pub async fn tell_sale_status(&self, status: &SaleStatus) {
        self.metrics.sale_statuses.inc();
        self.emit_to_all(status).await;
    }

    /// Tells the shoppers of a settled batch, those connected here, what became of their buys.
    pub fn tell_owners(&self, settled: &Settled) {
        if self.presence.is_empty() {
            return;
        }
        for (at, (user, job_id, order_id)) in settled.confirmed.iter().enumerate() {
            let state = if settled.states.is_empty() {
                "c"
            } else {
                settled.states.get(at).map_or("", String::as_str)
            };
            let order = (*job_id, *order_id, state);
            self.tell_order(user, &settled.product, order, Since::Settlement);
        }
        for (user, job_id, outcome) in &settled.rejected {
            self.tell_owner(user, &self.metrics.orders_rejected, || OrderRejected {
                job_id: *job_id,
                product_id: settled.product.clone(),
                reason: *outcome,
            });
        }
    }

    /// Tells the shoppers of orders that were paid or cancelled, those connected here.
    pub fn tell_changed(&self, changed: &OrdersChanged) {
        if self.presence.is_empty() {
            return;
        }
        for (user, job_id, order_id, state) in &changed.orders {
            let order = (*job_id, *order_id, state.as_str());
            self.tell_order(user, &changed.product, order, Since::Change);
        }
    }

    /// Tells a shopper who is connected here where their order stands. Of one whose state is not
    /// readable nothing is said: `GET /orders/{jobId}` asks the ledger.
    fn tell_order(
        &self,
        user: &UserId,
        product: &ProductId,
        (job_id, order_id, state): (JobId, i64, &str),
        since: Since,
    ) {
        let sockets = self.presence.of(user);
        if sockets.is_empty() {
            return;
        }
        let Some(order) = OrderView::read(order_id, state) else {
            tracing::warn!(
                order_id,
                "a worker's message has no readable state of order {order_id}; do all processes run one version?"
            );
            return;
        };
        let product_id = product.clone();
        let metrics = &self.metrics;
        match (order.state, since) {
            (OrderStateName::Pending, _) | (OrderStateName::Completed, Since::Settlement) => {
                let confirmed = OrderConfirmed {
                    job_id,
                    order_id,
                    product_id,
                    expires_at: order.expires_at,
                };
                emit(&sockets, &metrics.orders_confirmed, &confirmed);
            }
            (OrderStateName::Completed, Since::Change) => {
                let paid = OrderPaid {
                    job_id,
                    order_id,
                    product_id,
                };
                emit(&sockets, &metrics.orders_paid, &paid);
            }
            (OrderStateName::Cancelled, _) => {
                let cancelled = OrderCancelled {
                    job_id,
                    order_id,
                    product_id,
                    reason: order.reason,
                };
                emit(&sockets, &metrics.orders_cancelled, &cancelled);
            }
        }
    }

    /// Tells a shopper who is connected here, and counts that.
    fn tell_owner<E: Event>(&self, user: &UserId, told: &IntCounter, event: impl FnOnce() -> E) {
        let sockets = self.presence.of(user);
        if !sockets.is_empty() {
            emit(&sockets, told, &event());
        }
    }

    /// The Socket.io server itself, for namespaces beside that of the shoppers.
    pub(crate) fn server(&self) -> &SocketIo {
        &self.io
    }

    /// Closes the sockets over WebSocket, a few at a time over `spread`; their clients will connect to
    /// another gateway, and not all at once.
    pub async fn close_gradually(&self, spread: Duration) {
        let sockets = self.io.sockets();
        let steps = (spread.as_millis() / STEP.as_millis()).max(1);
        let steps = usize::try_from(steps).unwrap_or(usize::MAX);
        let at_a_time = sockets.len().div_ceil(steps).max(FEW);
        let mut batches = sockets.chunks(at_a_time).peekable();
        while let Some(batch) = batches.next() {
            for socket in batch {
                self.sessions.close(socket);
            }
            if batches.peek().is_some() {
                sleep(STEP).await;
            }
        }
    }

    /// Closes every socket; their clients will connect to another gateway.
    pub async fn close(&self) {
        self.io.close().await;
    }

    async fn emit_to_all<E: Event>(&self, event: &E) {
        if let Err(error) = self.io.emit(E::NAME, event).await {
            // Sockets that are full or just closing; the others have it.
            tracing::debug!(%error, event = E::NAME, "an event did not reach every socket: {error}");
        }
    }
}

/// What a message about an order comes from.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// It was settled.
    Settlement,
    /// It was paid or cancelled.
    Change,
}

/// Tells all sockets of one shopper, and counts that once.
fn emit<E: Event>(sockets: &[SocketRef], told: &IntCounter, event: &E) {
    told.inc();
    for socket in sockets {
        if let Err(error) = socket.emit(E::NAME, event) {
            tracing::debug!(%error, event = E::NAME, "an event did not reach its owner: {error}");
        }
    }
}
