//! Figures out of metrics and of measurements.

use std::time::Duration;

/// The value of one series in the text that Prometheus scrapes, written as it stands there, e.g.
/// `up{sale="a"}`.
pub(crate) fn sample(metrics: &str, series: &str) -> Option<f64> {
    metrics.lines().find_map(|line| {
        let value = line.strip_prefix(series)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    })
}

/// A wait of up to a second: a spike may come at any moment between two looks.
pub(crate) fn random_phase() -> Duration {
    let random = uuid::Uuid::new_v4().as_u128() % 1_000;
    Duration::from_millis(u64::try_from(random).unwrap())
}

/// Milliseconds, for people.
pub(crate) fn in_ms(durations: &[Duration]) -> String {
    let figures = durations.iter().map(|took| took.as_millis().to_string());
    figures.collect::<Vec<_>>().join(" ")
}

/// The load of the machine over the last minute, which every figure depends on.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}
