//! The stock Socket.io client of npm, as a child process that prints what it hears.

use std::{path::Path, time::Duration};

use flashsale_testbed::{binaries, launch::Launch, process::Process};
use serde_json::Value;

use crate::{patience::until, services::Services};

/// How long an event may take to arrive.
const HEARD: Duration = Duration::from_secs(10);

/// A connected client.
pub struct Listener {
    process: Process,
}

impl Listener {
    /// Connects to the gateway at `url` as `user`, over `transport` (websocket or polling).
    pub async fn connect(services: &Services, url: &str, transport: &str, user: &str) -> Self {
        let listener = Self::start(services, url, &[transport, user]).await;
        let connected = listener.event("connect").await;
        assert_eq!(connected["transport"], transport);
        listener
    }

    /// Knocks at the operations of the gateway at `url` with `token`; whether it is let in shows
    /// in the events `connect` and `connect_error`.
    pub async fn operations(services: &Services, url: &str, transport: &str, token: &str) -> Self {
        let namespace = format!("{url}/operations");
        Self::start(services, &namespace, &[transport, "operator", token]).await
    }

    async fn start(services: &Services, url: &str, arguments: &[&str]) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript");
        assert!(
            directory.join("node_modules/socket.io-client").exists(),
            "install the client first: npm ci --prefix e2e/javascript"
        );
        let node = binaries::on_path("node").expect("node is not on PATH");
        let name = format!("listener-{}", arguments.join("-"));
        let log = services.data_dir.path().join(format!("{name}.log"));
        let launch = Launch::new(name, node, log)
            .arg(directory.join("listen.mjs"))
            .arg(url)
            .args(arguments);
        Self {
            process: Process::start(launch).await.unwrap(),
        }
    }

    /// Every event so far: its name and its data.
    pub fn events(&self) -> Vec<(String, Value)> {
        let log = std::fs::read_to_string(self.process.log_file()).unwrap_or_default();
        let complete = log.rsplit_once('\n').map_or("", |(lines, _)| lines);
        complete
            .lines()
            .filter_map(|line| {
                let mut line: Value = serde_json::from_str(line).ok()?;
                Some((line["event"].as_str()?.to_owned(), line["data"].take()))
            })
            .collect()
    }

    /// All data of the events `name` so far.
    pub fn heard(&self, name: &str) -> Vec<Value> {
        self.events()
            .into_iter()
            .filter(|(event, _)| event == name)
            .map(|(_, data)| data)
            .collect()
    }

    /// The first event `name`, waiting for it.
    pub async fn event(&self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// The first event `name` whose data fits, waiting for it.
    pub async fn event_where(&self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(
            &format!("{name} in {}", self.process.log_file().display()),
            HEARD,
            || async { self.heard(name).iter().any(&fits) },
        )
        .await;
        self.heard(name)
            .into_iter()
            .find(|data| fits(data))
            .unwrap()
    }
}
