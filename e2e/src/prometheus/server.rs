//! A Prometheus of the test's own, which scrapes every second.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    time::Duration,
};

use flashsale_testbed::{launch::Launch, ports::free_port, process::Process};
use jiff::Timestamp;
use serde_json::Value;

use super::{files, program};
use crate::{
    patience::until,
    processes::{client, get},
};

/// How long Prometheus may take to be ready on a machine busy with other tests.
const READY: Duration = Duration::from_secs(30);

/// A process to scrape, labelled as a `PodMonitor` of the chart would.
#[derive(Debug, Clone)]
pub struct Target {
    /// `gateway`, `worker` or `operator`.
    pub component: &'static str,
    /// Namespace of its pod.
    pub namespace: String,
    /// Its port of health and metrics.
    pub probes_port: u16,
}

/// From when to when is looked, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The first instant.
    pub from: i64,
    /// The last.
    pub to: i64,
}

impl Span {
    /// From `from` until now.
    pub fn since(from: Timestamp) -> Self {
        Self {
            from: from.as_second(),
            to: Timestamp::now().as_second(),
        }
    }
}

/// One series of an answer.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its values, those that are no number left out.
    pub values: Vec<f64>,
}

/// A running Prometheus with the rules of the chart.
pub struct Prometheus {
    /// The process; its log tells why it would not start.
    pub process: Process,
    url: String,
}

impl Prometheus {
    /// Starts it with its files in `directory`, and waits until it answers.
    pub async fn start(directory: &Path, targets: &[Target]) -> Self {
        let port = free_port().unwrap();
        let config = directory.join("prometheus.yml");
        std::fs::write(&config, configuration(targets)).unwrap();
        let log = directory.join("prometheus.log");
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let launch = Launch::new("prometheus", program("prometheus"), log)
            .arg(flag("config.file", &config))
            .arg(flag("storage.tsdb.path", &directory.join("prometheus")))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn");
        let prometheus = Self {
            process: Process::start(launch).await.unwrap(),
            url: format!("http://127.0.0.1:{port}"),
        };
        let ready = format!("{}/-/ready", prometheus.url);
        until("Prometheus is ready", READY, || async {
            let tail = prometheus.process.log_tail();
            assert!(prometheus.process.is_running(), "it ended: {tail}");
            get(&ready).await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        prometheus
    }

    /// What `expression` gave each second of `span`.
    ///
    /// # Errors
    /// What Prometheus has against the expression.
    pub async fn range(&self, expression: &str, span: Span) -> Result<Vec<Series>, String> {
        let (from, to) = (span.from.to_string(), span.to.to_string());
        let parameters = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", "1"),
        ];
        let data = self.ask("query_range", &parameters).await?;
        Ok(data["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(series)
            .collect())
    }

    /// The names of all metrics that were scraped or recorded.
    pub async fn names(&self) -> BTreeSet<String> {
        let names = self.ask("label/__name__/values", &[]).await.unwrap();
        let names = names.as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// Every rule as Prometheus sees it.
    pub async fn rules(&self) -> Vec<Value> {
        let rules = self.ask("rules", &[]).await.unwrap();
        let groups = rules["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    /// The alerts that are `pending` or `firing`: name and state.
    pub async fn alerts(&self) -> BTreeMap<String, String> {
        let alerts = self.ask("alerts", &[]).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let alerts = alerts["alerts"].as_array().unwrap().iter();
        alerts
            .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"])))
            .collect()
    }

    async fn ask(&self, call: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("{}/api/v1/{call}", self.url);
        let url = reqwest::Url::parse_with_params(&url, parameters).unwrap();
        let answer = client().get(url).send().await.unwrap();
        let mut answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if answer["status"] == "success" {
            Ok(answer["data"].take())
        } else {
            Err(answer["error"].to_string())
        }
    }
}

fn series(result: &Value) -> Series {
    let labels = result["metric"].as_object().unwrap().iter();
    let values = result["values"].as_array().unwrap().iter();
    Series {
        labels: labels
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        values: values
            .map(|sample| sample[1].as_str().unwrap().parse().unwrap())
            .filter(|value: &f64| !value.is_nan())
            .collect(),
    }
}

fn configuration(targets: &[Target]) -> String {
    let mut text = "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n".to_owned();
    text.push_str("rule_files:\n");
    for file in files("charts/flashsale/rules") {
        writeln!(text, "  - {}", file.display()).unwrap();
    }
    text.push_str("scrape_configs:\n");
    let mut components: BTreeMap<&str, Vec<&Target>> = BTreeMap::new();
    for target in targets {
        components.entry(target.component).or_default().push(target);
    }
    for (component, targets) in components {
        let head = format!("  - job_name: flashsale-{component}\n    static_configs:");
        writeln!(text, "{head}").unwrap();
        for (number, target) in targets.into_iter().enumerate() {
            writeln!(
                text,
                "      - {{targets: [\"127.0.0.1:{}\"], labels: {{namespace: {}, pod: {component}-{number}}}}}",
                target.probes_port, target.namespace
            )
            .unwrap();
        }
    }
    text
}
