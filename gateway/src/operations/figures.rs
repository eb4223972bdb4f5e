//! What operations are shown: all sales and processes, as of one moment.

use std::collections::HashMap;

use flashsale_domain::{
    id::SaleId,
    observation::{LaneObservation, SaleObservation},
};
use flashsale_queue::figures::BuysByAnswer;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    fleet::{GatewayView, WorkerView},
    history::Sample,
    tally::{BatchCounts, OutcomeCounts, Second},
};
use crate::{
    catalogue::{Catalogue, Observed, SaleEntry},
    schemas,
    stocks::Stocks,
};

/// The running of all sales, as of one moment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The clock by which sales open and close (RFC 3339): Redis's.
    #[schema(format = DateTime)]
    pub server_time: String,
    /// False when Redis did not answer at the last look: then the lanes' figures are old.
    pub is_current: bool,
    /// Gateways heard from in the last 5 seconds, by name.
    pub gateways: Vec<GatewayView>,
    /// Workers heard from in the last 5 seconds, by name.
    pub workers: Vec<WorkerView>,
    /// The sales in force, by name.
    pub sales: Vec<SaleFigures>,
}

/// The running of one sale.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleFigures {
    /// Its name.
    #[schema(example = "sneaker-drop")]
    pub sale: String,
    /// `Scheduled`, `Open`, `SoldOut`, `Suspended`, `Draining` or `Closed`.
    #[schema(schema_with = schemas::sale_status)]
    pub status: &'static str,
    /// First instant of the sale; null when it is open since ever.
    #[schema(required = true, format = DateTime)]
    pub opens_at: Option<String>,
    /// First instant after the sale; null when it has no end.
    #[schema(required = true, format = DateTime)]
    pub closes_at: Option<String>,
    /// Its lanes, in the order of its products.
    pub lanes: Vec<LaneFigures>,
    /// Letters in its dead-letter lane.
    pub dead_letters: u64,
    /// Orders that wait for their payment; null when the operator has not told lately. Not there in a sale
    /// without payment.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_orders: Option<Option<u64>>,
    /// Buys of the last full second over all gateways, by answer: `queued`, `replayed` or the slug
    /// of a problem. Only those there were.
    pub buys: BuysByAnswer,
    /// Jobs that ended in the last full second.
    pub outcomes: OutcomeCounts,
    /// Batches that were settled in the last full second.
    pub batches: BatchCounts,
}

/// The lane of one product.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaneFigures {
    /// The product.
    #[schema(example = "sneaker-001")]
    pub product_id: String,
    /// What shoppers read.
    pub name: String,
    /// Units left; null as long as nobody has told.
    #[schema(required = true)]
    pub stock: Option<i32>,
    /// Jobs in the lane, waiting or being settled.
    pub depth: u64,
    /// Jobs of the lane that have ended since the sale began.
    pub settled: u64,
    /// Age in milliseconds of the oldest job in the lane; null when it is empty.
    #[schema(required = true)]
    pub oldest_age_ms: Option<u64>,
    /// Name of the worker that drives the lane; null when none does.
    #[schema(required = true)]
    pub driver: Option<String>,
}

impl Figures {
    /// The figures of all sales in `catalogue` as of now, and what processes have told.
    pub(super) fn new(
        catalogue: &Catalogue,
        stocks: &Stocks,
        last: &Second,
        gateways: Vec<GatewayView>,
        workers: Vec<WorkerView>,
    ) -> Self {
        let observed = catalogue.observed.borrow();
        let moment = Moment {
            now: catalogue.clock.now(),
            by_sale: by_sale(&observed),
            observed: &observed,
            stocks,
            last,
        };
        let snapshot = catalogue.snapshot();
        let sales = snapshot.sales().iter();
        Self {
            server_time: moment.now.to_string(),
            is_current: observed.is_current,
            gateways,
            workers,
            sales: sales.filter_map(|entry| moment.sale(entry)).collect(),
        }
    }
}

/// What the history keeps of the second `last`, for every sale in force.
pub(super) fn samples(observed: &Observed, last: &Second) -> HashMap<SaleId, Sample> {
    let sales = observed.sales.iter();
    let sample = |sale: &SaleObservation| {
        let tally = last.of(&sale.sale);
        Sample {
            confirmed: tally.outcomes.confirmed,
            queued: tally.queued(),
            refused: tally.refused(),
            depth: sale.depth(),
        }
    };
    sales
        .map(|sale| (sale.sale.clone(), sample(sale)))
        .collect()
}

/// All that one moment's figures are made of.
struct Moment<'a> {
    now: Timestamp,
    observed: &'a Observed,
    by_sale: HashMap<&'a SaleId, &'a SaleObservation>,
    stocks: &'a Stocks,
    last: &'a Second,
}

fn by_sale(observed: &Observed) -> HashMap<&SaleId, &SaleObservation> {
    let sales = observed.sales.iter();
    sales.map(|sale| (&sale.sale, sale)).collect()
}

impl Moment<'_> {
    /// The figures of a sale; none in the instant between its announcement and the first look at
    /// its lanes, since a depth that nobody has read is not 0.
    fn sale(&self, entry: &SaleEntry) -> Option<SaleFigures> {
        let seen = self.by_sale.get(entry.id())?;
        let schedule = entry.sale().schedule;
        let readings = self.observed.readings(entry, self.stocks);
        let tally = self.last.of(entry.id());
        let names: HashMap<_, _> = entry
            .sale()
            .products
            .iter()
            .map(|product| (&product.id, product.name.as_str()))
            .collect();
        let lanes = seen.lanes.iter().map(|lane| {
            let name = names.get(&lane.product).copied();
            self.lane(lane, name.unwrap_or_default())
        });
        Some(SaleFigures {
            sale: entry.id().to_string(),
            status: entry.phase(readings, self.now).as_str(),
            opens_at: schedule.opens_at.map(|at| at.to_string()),
            closes_at: schedule.closes_at.map(|at| at.to_string()),
            lanes: lanes.collect(),
            dead_letters: seen.dead,
            // As old as the last look, and what Redis forgets meanwhile cannot be seen.
            pending_orders: entry.sale().payment.as_ref().map(|_| {
                let pending = seen.pending;
                pending.filter(|_| self.observed.is_current)
            }),
            buys: tally.buys,
            outcomes: tally.outcomes,
            batches: tally.batches,
        })
    }

    fn lane(&self, lane: &LaneObservation, name: &str) -> LaneFigures {
        let looked_ms = self.observed.at.as_millisecond();
        let age = |since: i64| u64::try_from(looked_ms.saturating_sub(since)).unwrap_or(0);
        LaneFigures {
            product_id: lane.product.to_string(),
            name: name.to_owned(),
            stock: self.stocks.of(lane.product.as_str()),
            depth: lane.depth,
            settled: lane.stock.settled,
            oldest_age_ms: lane.oldest_ms.map(age),
            driver: lane.driver.clone(),
        }
    }
}
