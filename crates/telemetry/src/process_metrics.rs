//! What Prometheus's client libraries tell of a process, by the names they all share
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
//!
//! Read from `/proc` here, since the `prometheus` crate's own collector brings another crate to
//! read the same five numbers. A number that cannot be read is left out: absent is not 0.

use std::fs;

use prometheus::{Counter, Gauge, core::Collector as _, proto::MetricFamily};

use crate::memory;

/// Ticks a second in which `/proc` gives times. Linux has fixed it at 100 for every architecture
/// we run on (`USER_HZ`, `proc(5)`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Positions in `/proc/self/stat` behind the command's closing bracket, from 0 (`proc(5)` counts
/// from 1 and starts before it, so its field 14 is our 11).
const USER_TIME: usize = 11;
/// See [`USER_TIME`]: field 15.
const SYSTEM_TIME: usize = 12;
/// See [`USER_TIME`]: field 22, in ticks since the machine started.
const START_TIME: usize = 19;

/// The process's metrics as of now.
pub(crate) fn gather() -> Vec<MetricFamily> {
    let stat = read("/proc/self/stat");
    [
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            resident_bytes(),
        ),
        counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            stat.as_deref().and_then(cpu_seconds),
        ),
        gauge(
            "process_open_fds",
            "Number of open file descriptors.",
            open_files(),
        ),
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            read("/proc/self/limits")
                .as_deref()
                .and_then(max_open_files),
        ),
        gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            start_seconds(stat.as_deref(), read("/proc/stat").as_deref()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn gauge(name: &str, help: &str, value: Option<f64>) -> Option<MetricFamily> {
    let gauge = Gauge::new(name, help).ok()?;
    gauge.set(value?);
    gauge.collect().pop()
}

fn counter(name: &str, help: &str, value: Option<f64>) -> Option<MetricFamily> {
    let counter = Counter::new(name, help).ok()?;
    counter.inc_by(value?);
    counter.collect().pop()
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn resident_bytes() -> Option<f64> {
    memory::resident_bytes().map(|bytes| bytes as f64)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    let ticks = stat_field(stat, USER_TIME)? + stat_field(stat, SYSTEM_TIME)?;
    Some(ticks / TICKS_PER_SECOND)
}

/// Counts without the descriptor that is open for the counting.
fn open_files() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(f64::from(u32::try_from(open.saturating_sub(1)).ok()?))
}

/// The soft limit, the first of two in its line. Without a limit the line says `unlimited`, which is
/// no number to compare with.
fn max_open_files(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn start_seconds(stat: Option<&str>, machine: Option<&str>) -> Option<f64> {
    let booted: f64 = machine?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(booted + stat_field(stat?, START_TIME)? / TICKS_PER_SECOND)
}

/// The command's name may hold spaces and brackets, so counting starts behind its last bracket.
fn stat_field(stat: &str, position: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(position)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a ) b) S 1 77 77 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 1 0 12000 1 2";

    #[test]
    fn times_are_read_behind_the_name_of_the_command() {
        assert_eq!(cpu_seconds(STAT), Some(2.0));
        assert_eq!(
            start_seconds(Some(STAT), Some("cpu 1\nbtime 1700000000\n")),
            Some(1_700_000_120.0)
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(cpu_seconds("77 (a"), None);
        assert!(gauge("g", "h", None).is_none());
    }

    #[test]
    fn the_limit_of_open_files_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             7                    8                    processes \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(max_open_files(limits), Some(1024.0));
        assert_eq!(
            max_open_files("Max open files unlimited unlimited files"),
            None
        );
        assert_eq!(max_open_files(""), None);
    }

    #[test]
    fn this_process_has_all_five() {
        assert_eq!(gather().len(), 5);
    }
}
