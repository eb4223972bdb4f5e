//! Sales and lanes, as last observed. Values that could not be read are left out, never shown as 0.

use std::time::Duration;

use flashsale_domain::lifecycle::{Phase, Readings};
use flashsale_telemetry::Register;
use jiff::Timestamp;
use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::catalogue::{Catalogue, Observed, SaleEntry};

/// Shows the sales in force and the last observation of their lanes at each scrape.
#[derive(Debug)]
pub struct LaneCollector(pub Catalogue);

impl Collector for LaneCollector {
    /// None in advance: of sales that are not there, nothing is shown. A registry takes one such collector.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Self(catalogue) = self;
        // Fresh for one scrape, so that nothing of a withdrawn sale stays.
        let registry = Registry::new();
        let families = match LaneMetrics::new(Register::new(&registry, "gateway")) {
            Ok(families) => families,
            Err(error) => {
                tracing::error!(%error, "the lanes cannot be shown: {error}");
                return Vec::new();
            }
        };
        let observed = catalogue.observed.borrow();
        families.up.set(i64::from(observed.is_current));
        if observed.is_current {
            families.fill(&observed);
            let now = catalogue.clock.now();
            for sale in catalogue.snapshot().sales() {
                families.fill_schedule(sale, now);
            }
        }
        registry.gather()
    }
}

const SALE: &[&str] = &["sale"];
const LANE: &[&str] = &["sale", "product"];

flashsale_telemetry::metrics! {
    /// Sales and lanes.
    struct LaneMetrics {
        up: gauge("observation_up", "1 when the lanes could be read at the last look, else 0."),
        jobs: gauges("lane_jobs", "Jobs in the lane: waiting or being settled.", LANE),
        oldest: float_gauges("lane_oldest_job_age_seconds",
            "Age of the oldest job in the lane; absent when it is empty.", LANE),
        driven: gauges("lane_driven", "1 when a worker holds the lane's lease, else 0.", LANE),
        stock: gauges("stock_units",
            "Units left, as the ledger told last; absent until it did.", LANE),
        dead: gauges("dead_letters", "Jobs in the dead-letter lane.", SALE),
        open: gauges("sale_open",
            "1 while schedule and switches of the sale let buys in, else 0.", SALE),
        opens_at: float_gauges("sale_opens_at_seconds",
            "When the sale opens, since the Unix epoch; absent when it is open at once.", SALE),
        closes_at: float_gauges("sale_closes_at_seconds",
            "When the sale closes, since the Unix epoch; absent when nobody said.", SALE),
    }
}

impl LaneMetrics {
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
                if let Some(since) = lane.oldest_ms {
                    let age = age(since, observed.at).as_secs_f64();
                    self.oldest.with_label_values(labels).set(age);
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

/// From `since_ms` to `now`, both by Redis's clock; zero where that was set back.
fn age(since_ms: i64, now: Timestamp) -> Duration {
    let age = now.as_millisecond().saturating_sub(since_ms).max(0);
    Duration::from_millis(age.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_for_months_is_as_old_as_it_is() {
        let months = Duration::from_hours(24 * 100);
        let now = Timestamp::UNIX_EPOCH + months;
        assert_eq!(age(0, now), months);
        assert_eq!(age(1, Timestamp::UNIX_EPOCH), Duration::ZERO);
    }

    #[test]
    fn the_page_on_metrics_has_a_row_for_each() {
        let registry = Registry::new();
        let LaneMetrics {
            up: _,
            jobs,
            oldest,
            driven,
            stock,
            dead,
            open,
            opens_at,
            closes_at,
        } = LaneMetrics::new(Register::new(&registry, "gateway")).unwrap();
        for of_lanes in [jobs, driven, stock] {
            of_lanes.with_label_values(&["drop", "sneaker"]);
        }
        oldest.with_label_values(&["drop", "sneaker"]);
        for of_sales in [dead, open] {
            of_sales.with_label_values(&["drop"]);
        }
        for of_sales in [opens_at, closes_at] {
            of_sales.with_label_values(&["drop"]);
        }
        let page = include_str!("../../docs/metrics.md");
        let families = registry.gather();
        assert_eq!(families.len(), 9);
        for family in families {
            let row = format!("| `{}` |", family.name());
            assert!(page.contains(&row), "docs/metrics.md lacks {row}");
        }
    }
}
