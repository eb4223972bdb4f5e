//! The lanes, as last observed. Values that could not be read are left out, never shown as 0.

use jiff::Timestamp;
use prometheus::{
    Gauge, GaugeVec, IntGauge, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::sync::watch;

use crate::catalogue::Observed;

/// Shows the last observation of all lanes at each scrape.
#[derive(Debug)]
pub struct LaneCollector {
    observed: watch::Receiver<Observed>,
    descriptions: Vec<Desc>,
}

impl LaneCollector {
    /// Names of everything that this collector can show.
    pub const NAMES: [&'static str; 6] = [
        "flashsale_gateway_observation_up",
        "flashsale_gateway_lane_jobs",
        "flashsale_gateway_lane_oldest_job_age_seconds",
        "flashsale_gateway_lane_driven",
        "flashsale_gateway_stock_units",
        "flashsale_gateway_dead_letters",
    ];

    /// A collector of what `observed` holds.
    pub fn new(observed: watch::Receiver<Observed>) -> prometheus::Result<Self> {
        let families = Families::new()?;
        let descriptions = families
            .all()
            .into_iter()
            .flat_map(|family| family.desc())
            .cloned()
            .collect();
        Ok(Self {
            observed,
            descriptions,
        })
    }
}

impl Collector for LaneCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(families) = Families::new() else {
            return Vec::new();
        };
        families.fill(&self.observed.borrow());
        families
            .all()
            .into_iter()
            .flat_map(Collector::collect)
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

/// Fresh gauges for one scrape, so that nothing of a withdrawn sale stays.
struct Families {
    up: IntGauge,
    jobs: IntGaugeVec,
    oldest: GaugeVec,
    driven: IntGaugeVec,
    stock: IntGaugeVec,
    dead: IntGaugeVec,
}

impl Families {
    fn new() -> prometheus::Result<Self> {
        let [up, jobs, oldest, driven, stock, dead] = LaneCollector::NAMES;
        let lane = &["sale", "product"];
        Ok(Self {
            up: IntGauge::new(
                up,
                "1 when the lanes could be read at the last look, else 0.",
            )?,
            jobs: IntGaugeVec::new(
                Opts::new(jobs, "Jobs in the lane: waiting or being settled."),
                lane,
            )?,
            oldest: GaugeVec::new(
                Opts::new(
                    oldest,
                    "Age of the oldest job in the lane; absent when it is empty.",
                ),
                lane,
            )?,
            driven: IntGaugeVec::new(
                Opts::new(driven, "1 when a worker holds the lane's lease, else 0."),
                lane,
            )?,
            stock: IntGaugeVec::new(
                Opts::new(
                    stock,
                    "Units left, as the ledger told last; absent until it did.",
                ),
                lane,
            )?,
            dead: IntGaugeVec::new(Opts::new(dead, "Jobs in the dead-letter lane."), &["sale"])?,
        })
    }

    fn all(&self) -> [&dyn Collector; 6] {
        [
            &self.up,
            &self.jobs,
            &self.oldest,
            &self.driven,
            &self.stock,
            &self.dead,
        ]
    }

    fn fill(&self, observed: &Observed) {
        self.up.set(i64::from(observed.is_current));
        if !observed.is_current {
            return;
        }
        for sale in &observed.sales {
            let sale_id = sale.sale.as_str();
            self.dead
                .with_label_values(&[sale_id])
                .set(whole(sale.dead));
            for lane in &sale.lanes {
                let labels = &[sale_id, lane.product.as_str()];
                self.jobs.with_label_values(labels).set(whole(lane.depth));
                self.driven
                    .with_label_values(labels)
                    .set(i64::from(lane.driver.is_some()));
                if let Some(stock) = lane.stock.stock {
                    self.stock.with_label_values(labels).set(i64::from(stock));
                }
                if let Some(age) = lane.oldest_ms.and_then(|since| age(since, observed.at)) {
                    set_seconds(&self.oldest.with_label_values(labels), age);
                }
            }
        }
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Milliseconds from `since_ms` to `now`, both by Redis's clock.
fn age(since_ms: i64, now: Timestamp) -> Option<u32> {
    u32::try_from(now.as_millisecond().saturating_sub(since_ms).max(0)).ok()
}

fn set_seconds(gauge: &Gauge, milliseconds: u32) {
    gauge.set(f64::from(milliseconds) / 1000.0);
}
