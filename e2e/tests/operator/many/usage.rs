//! What the operator uses, of its own process, of Redis and of the API server.

use std::{collections::BTreeMap, fmt, fs, time::Instant};

use flashsale_e2e::{cluster::ControlPlane, operator::Operator, services::Services};

use crate::figures::sample;

/// Clock ticks a second in `/proc`, the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// As of one moment, or between two.
pub(crate) struct Usage {
    at: Instant,
    seconds: f64,
    /// Resident memory in millions of bytes.
    pub(crate) memory_mb: f64,
    /// Processor time in seconds.
    cpu_seconds: f64,
    /// Part of one core, in hundredths.
    pub(crate) cpu_percent: f64,
    redis_commands: f64,
    visits: f64,
    /// Time of all visits, many of which are made at once.
    visit_seconds: f64,
}

impl Usage {
    /// Now.
    pub(crate) async fn read(operator: &Operator, services: &Services) -> Self {
        let mut queue = services.queue.clone();
        let info: redis::RedisResult<String> = redis::cmd("INFO")
            .arg("stats")
            .query_async(&mut queue)
            .await;
        let info = info.unwrap();
        let commands = info
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        let bytes = u32::try_from(operator.process.resident_memory().unwrap() / 1_000).unwrap();
        let metrics = operator.metrics().await;
        let visits = |what| {
            let series = format!("flashsale_operator_reconcile_duration_seconds_{what}");
            sample(&metrics, &series).unwrap()
        };
        Self {
            at: Instant::now(),
            visits: visits("count"),
            visit_seconds: visits("sum"),
            seconds: 0.0,
            memory_mb: f64::from(bytes) / 1_000.0,
            cpu_seconds: cpu_seconds(operator.process.pid()),
            cpu_percent: 0.0,
            redis_commands: commands.unwrap().trim().parse().unwrap(),
        }
    }

    /// From `before` until this moment; memory is that of this moment.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        self.seconds = (self.at - before.at).as_secs_f64();
        self.cpu_seconds -= before.cpu_seconds;
        self.cpu_percent = 100.0 * self.cpu_seconds / self.seconds;
        self.redis_commands -= before.redis_commands;
        self.visits -= before.visits;
        self.visit_seconds -= before.visit_seconds;
        self
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.0} MB, {:.1} % of one core, {:.1} visits/s of {:.0} ms; Redis, its workers and \
             shoppers included: {:.0} commands/s",
            self.memory_mb,
            self.cpu_percent,
            self.visits / self.seconds,
            1_000.0 * self.visit_seconds / self.visits.max(1.0),
            self.redis_commands / self.seconds
        )
    }
}

/// User and system time of a process.
fn cpu_seconds(pid: i32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name stands in parentheses and may hold anything; fields 14 and 15 come after it.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split(' ').collect();
    let ticks = |field: usize| fields[field - 2].parse::<f64>().unwrap();
    (ticks(14) + ticks(15)) / TICKS
}

/// Requests that the API server has answered, by verb and resource; those of everybody.
pub(crate) struct Requests {
    at: Instant,
    counts: BTreeMap<String, f64>,
}

impl Requests {
    /// So far.
    pub(crate) async fn read(cluster: &ControlPlane) -> Self {
        let answer = cluster.kubectl(&["get", "--raw", "/metrics"]).await;
        let text = String::from_utf8_lossy(&answer.stdout);
        let mut counts = BTreeMap::new();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("apiserver_request_total{"));
        for line in lines {
            let (labels, count) = line.rsplit_once("} ").unwrap();
            let of = |name: &str| {
                let found = labels.split(',').find_map(|label| {
                    let value = label.strip_prefix(name)?.strip_prefix("=\"")?;
                    value.strip_suffix('"')
                });
                found.unwrap_or_default().to_owned()
            };
            let what = format!("{} {}/{}", of("verb"), of("resource"), of("subresource"));
            *counts.entry(what).or_default() += count.parse::<f64>().unwrap();
        }
        Self {
            at: Instant::now(),
            counts,
        }
    }

    /// Requests per second since `before`, without watches, which are counted when they end.
    pub(crate) fn per_second_since(&self, before: &Self) -> f64 {
        let counted = |requests: &Self| -> f64 {
            let asked = requests.counts.iter();
            asked
                .filter(|(what, _)| !what.starts_with("WATCH "))
                .map(|(_, count)| count)
                .sum()
        };
        (counted(self) - counted(before)) / (self.at - before.at).as_secs_f64()
    }

    /// Prints what came since `before`, a second.
    pub(crate) fn print_since(&self, before: &Self) {
        let seconds = (self.at - before.at).as_secs_f64();
        println!("requests to the API server a second, of everybody:");
        for (what, count) in &self.counts {
            let rate = (count - before.counts.get(what).unwrap_or(&0.0)) / seconds;
            if rate >= 0.05 {
                println!("  {rate:6.2} {}", what.trim_end_matches('/'));
            }
        }
    }
}
