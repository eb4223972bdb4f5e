//! Sales and lanes, as last observed. Values that could not be read are left out, never shown as 0.

use flashsale_domain::lifecycle::{Phase, Readings};
use jiff::Timestamp;
use prometheus::{
    Gauge, GaugeVec, IntGauge, IntGaugeVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::catalogue::{Catalogue, Observed, SaleEntry};

/// Shows the sales in force and the last observation of their lanes at each scrape.
#[derive(Debug)]
pub struct LaneCollector {
    catalogue: Catalogue,
    descriptions: Vec<Desc>,
}

impl LaneCollector {
    /// Names of everything that this collector can show.
    pub const NAMES: [&'static str; 9] = [
        "flashsale_gateway_observation_up",
        "flashsale_gateway_lane_jobs",
        "flashsale_gateway_lane_oldest_job_age_seconds",
        "flashsale_gateway_lane_driven",
        "flashsale_gateway_stock_units",
        "flashsale_gateway_dead_letters",
        "flashsale_gateway_sale_open",
        "flashsale_gateway_sale_opens_at_seconds",
        "flashsale_gateway_sale_closes_at_seconds",
    ];

    /// A collector of what `catalogue` holds.
    pub fn new(catalogue: Catalogue) -> prometheus::Result<Self> {
        let families = Families::new()?;
        let descriptions = families
            .all()
            .into_iter()
            .flat_map(|family| family.desc())
            .cloned()
            .collect();
        Ok(Self {
            catalogue,
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
        let observed = self.catalogue.observed();
        let observed = observed.borrow();
        families.up.set(i64::from(observed.is_current));
        if observed.is_current {
            families.fill(&observed);
            let now = self.catalogue.clock().now();
            for sale in self.catalogue.snapshot().sales() {
                families.fill_schedule(sale, now);
            }
        }
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
    open: IntGaugeVec,
    opens_at: GaugeVec,
    closes_at: GaugeVec,
}

impl Families {
    fn new() -> prometheus::Result<Self> {
        let [
            up,
            jobs,
            oldest,
            driven,
            stock,
            dead,
            open,
            opens_at,
            closes_at,
        ] = LaneCollector::NAMES;
        let sale = &["sale"];
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
            dead: IntGaugeVec::new(Opts::new(dead, "Jobs in the dead-letter lane."), sale)?,
            open: IntGaugeVec::new(
                Opts::new(
                    open,
                    "1 while schedule and switches of the sale let buys in, else 0.",
                ),
                sale,
            )?,
            opens_at: GaugeVec::new(
                Opts::new(
                    opens_at,
                    "When the sale opens, since the Unix epoch; absent when it is open at once.",
                ),
                sale,
            )?,
            closes_at: GaugeVec::new(
                Opts::new(
                    closes_at,
                    "When the sale closes, since the Unix epoch; absent when nobody said.",
                ),
                sale,
            )?,
        })
    }

    fn all(&self) -> [&dyn Collector; 9] {
        [
            &self.up,
            &self.jobs,
            &self.oldest,
            &self.driven,
            &self.stock,
            &self.dead,
            &self.open,
            &self.opens_at,
            &self.closes_at,
        ]
    }

    fn fill(&self, observed: &Observed) {
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

    /// What is known of a sale from its record alone.
    fn fill_schedule(&self, sale: &SaleEntry, now: Timestamp) {
        let labels = &[sale.id().as_str()];
        let is_open = sale.phase(Readings::default(), now) == Phase::Open;
        self.open.with_label_values(labels).set(i64::from(is_open));
        let schedule = sale.sale().schedule;
        for (instant, gauge) in [
            (schedule.opens_at, &self.opens_at),
            (schedule.closes_at, &self.closes_at),
        ] {
            if let Some(instant) = instant {
                let seconds = instant.as_duration().as_secs_f64();
                gauge.with_label_values(labels).set(seconds);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_metrics_has_a_row_for_each() {
        let page = include_str!("../../docs/metrics.md");
        for name in LaneCollector::NAMES {
            let row = format!("| `{name}` |");
            assert!(page.contains(&row), "docs/metrics.md lacks {name}");
        }
    }
}
