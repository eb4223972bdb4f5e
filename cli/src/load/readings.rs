//! What a history needs beside the buys: Redis's clock, the sales as gateways tell them, and how
//! buys are answered for that were acknowledged a while ago.

use std::{collections::HashMap, sync::Arc, time::Duration};

use flashsale_domain::id::SaleId;
use flashsale_queue::{catalogue, connect::SharedConnection};
use jiff::Timestamp;
use rand::Rng as _;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    book::Book,
    offers::{SaleView, SalesView},
    record,
    target::Target,
};
use crate::{
    history::{Asked, Entry, EventSource, HistoryWriter, ProductOffer},
    http_client::Connection,
};

/// How often clock and sales are read. A step of Redis's clock goes unnoticed for this long.
const READ_EVERY: Duration = Duration::from_millis(500);

/// How often a buy is asked for: often enough to see an outcome change within a run of seconds,
/// too seldom to be a load.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Reads until it is dropped.
#[derive(Debug)]
pub struct Readings {
    /// Asks for buys.
    _polling: JoinSet<()>,
    /// Reads clock and sales until it is told to end.
    reading: JoinHandle<()>,
    end: CancellationToken,
}

impl Drop for Readings {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Readings {
    /// Takes the first readings, then goes on beside the load.
    pub async fn start(
        targets: &[Target],
        redis: Option<SharedConnection>,
        book: &Arc<Book>,
        history: &Arc<HistoryWriter>,
    ) -> Self {
        let mut reader = Reader {
            gateways: targets.iter().cloned().map(Connection::new).collect(),
            next: 0,
            redis,
            history: Arc::clone(history),
            told: HashMap::new(),
        };
        reader.read().await;
        let end = CancellationToken::new();
        let reading = tokio::spawn({
            let end = end.clone();
            async move {
                let mut ticks = interval(READ_EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while end.run_until_cancelled(ticks.tick()).await.is_some() {
                    reader.read().await;
                }
                reader.read().await;
            }
        });
        let gateways = targets.iter().cloned().map(Connection::new).collect();
        let mut polling = JoinSet::new();
        polling.spawn(poll(gateways, Arc::clone(book), Arc::clone(history)));
        Self {
            _polling: polling,
            reading,
            end,
        }
    }

    /// Takes a last reading: what happened since the one before is known by it.
    pub async fn finish(mut self) {
        self.end.cancel();
        // It only reads; that it ended is all there is to know.
        let _ = (&mut self.reading).await;
    }
}

/// Reads clock and sales.
struct Reader {
    gateways: Vec<Connection>,
    /// The gateway to ask next; they take turns.
    next: usize,
    redis: Option<SharedConnection>,
    history: Arc<HistoryWriter>,
    /// Each sale as it was told last.
    told: HashMap<SaleId, SaleView>,
}

impl Reader {
    /// One reading. What cannot be reached is left out: the next one is soon.
    async fn read(&mut self) {
        if let Some(redis) = &mut self.redis {
            let sent_us = self.history.now_us();
            match catalogue::clock(redis).await {
                Ok(redis_at) => self.history.note(Entry::Clock {
                    sent_us,
                    redis_at,
                    source: Asked::Redis,
                }),
                Err(error) => tracing::debug!(%error, "no clock for now: {error}"),
            }
        }
        let gateway = self.next % self.gateways.len().max(1);
        self.next += 1;
        let Some(connection) = self.gateways.get_mut(gateway) else {
            return;
        };
        let sent_us = self.history.now_us();
        let Ok(reply) = connection.get("/sales").await else {
            return;
        };
        let Ok(view) = serde_json::from_slice::<SalesView>(&reply.body) else {
            return;
        };
        if let (None, Some(server_time)) = (&self.redis, view.server_time) {
            self.history.note(Entry::Clock {
                sent_us,
                redis_at: server_time.as_microsecond(),
                source: Asked::Gateway,
            });
        }
        for sale in view.sales {
            self.note(gateway, sale);
        }
    }

    /// Notes what is new about a sale.
    fn note(&mut self, gateway: usize, sale: SaleView) {
        let before = self.told.insert(sale.sale.clone(), sale.clone());
        if before.as_ref().map(SaleView::but_stock) != Some(sale.but_stock()) {
            self.history.note(sale.entry(gateway));
            return;
        }
        let before = before.into_iter().flat_map(|before| before.products);
        for (product, before) in sale.products.into_iter().zip(before) {
            if let (Some(stock), true) = (product.stock, product.stock != before.stock) {
                self.history.note(Entry::Stock {
                    source: EventSource::Sales,
                    sale: Some(sale.sale.to_string()),
                    product: product.product_id.to_string(),
                    stock,
                    version: None,
                    confirmed: None,
                });
            }
        }
    }
}

impl SaleView {
    fn but_stock(&self) -> Self {
        let mut view = self.clone();
        for product in &mut view.products {
            product.stock = None;
        }
        view
    }

    fn entry(&self, gateway: usize) -> Entry {
        let products = self.products.iter().map(|product| ProductOffer {
            product: product.product_id.to_string(),
            stock: product.stock,
            max_per_user: product.max_per_user,
        });
        Entry::Sale {
            sale: self.sale.to_string(),
            opens_at: self.opens_at.map(Timestamp::as_microsecond),
            closes_at: self.closes_at.map(Timestamp::as_microsecond),
            products: products.collect(),
            gateway,
        }
    }
}

/// Asks gateways in turn for buys that were acknowledged, drawn at random: an outcome that changes
/// after it was told is seen by nobody else.
async fn poll(mut gateways: Vec<Connection>, book: Arc<Book>, history: Arc<HistoryWriter>) {
    let mut ticks = interval(POLL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for gateway in &mut gateways {
            ticks.tick().await;
            let Some(job) = book.draw_acknowledged(rand::rng().random()) else {
                continue;
            };
            let sent_us = history.now_us();
            let reply = gateway.get(&format!("/orders/{job}")).await;
            let reply = reply.map_err(|error| error.to_string());
            record::poll(&history, sent_us, job, &reply);
        }
    }
}
