//! Stores that send without end, beside a sale with honest ones.

mod servers;

use std::{
    fs,
    time::{Duration, Instant},
};

use flashsale_e2e::{
    operator::{Operator, Stage, one_product, with},
    services::Services,
};
use serde_json::{Value, json};

use self::servers::{Endless, Hostile};
use crate::market::Market;

/// Less than the chart allows the operator.
const LIMIT_BYTES: u64 = 256 * MIB;

const MIB: u64 = 1024 * 1024;

/// Busy lanes of the sale with honest stores, and so its workers.
const LANES: usize = 4;
const WORKERS: i32 = 4;

/// How long the stores are tried again and again.
const SIEGE: Duration = Duration::from_secs(30);

/// All at once, since they are to take the operator down together.
#[tokio::test(flavor = "multi_thread")]
async fn stores_that_send_without_end_cost_their_own_sales_and_no_other() {
    let stage = Stage::set(Services::start().await).await;
    let limit = LIMIT_BYTES.to_string();
    let operator = stage
        .operator_with("operator", &["--memory-limit-bytes", &limit])
        .await;
    let worker = json!({
        "minReplicas": 0, "maxReplicas": 9, "targetQueueDepth": 10, "lanesPerWorker": 1,
        "scaleDownStabilizationSeconds": 0,
    });
    let well = Market::open(&stage, "well", LANES, worker).await;
    well.occupy(&stage.services).await;

    tokio::select! {
        () = besiege(&stage, &operator, &well) => {}
        used = more_than(&operator, LIMIT_BYTES) => panic!("{} MiB", used / MIB),
    }
    let most = memory(&operator, "VmHWM:");
    println!("the operator had {} MiB at most", most / MIB);
    assert!(most < LIMIT_BYTES, "{} MiB", most / MIB);
    operator.terminate().await;
}

async fn besiege(stage: &Stage, operator: &Operator, well: &Market) {
    let redis = [Endless::BulkString, Endless::Array, Endless::Vectors];
    let postgres = [Endless::Message, Endless::Settings, Endless::Rows];
    let mut sales = Vec::new();
    for (store, condition, kinds) in [
        ("redis", "QueueReachable", redis),
        ("database", "DatabaseReachable", postgres),
    ] {
        for kind in kinds {
            let name = format!("{store}-{kind:?}").to_lowercase();
            let server = Hostile::start(kind).await;
            stage.write_secret(&name, &server.url()).await;
            let spec = with(one_product(&name, 5), &chooses(store, &name));
            stage.create(&name, spec).await;
            sales.push((name, condition, server));
        }
    }
    for (name, condition, ..) in &sales {
        let message = stage.until_condition(name, condition, "False", "").await;
        println!("{name}: {message}");
    }
    let start = Instant::now();
    while start.elapsed() < SIEGE {
        well.fill(&stage.services, 0..LANES, 10).await;
        stage.until_replicas("well", WORKERS).await;
        well.empty(&stage.services).await;
        stage.until_replicas("well", 0).await;
        println!("{} MiB", memory(operator, "VmRSS:") / MIB);
    }
    // What each is told for depends on how fast it sends: that it sent too much, or that no answer came. The
    // relay's own tests hold the words.
    for (name, condition, server) in &sales {
        let message = stage.until_condition(name, condition, "False", "").await;
        println!(
            "{name}, connected to {} times: {message}",
            server.connections()
        );
        assert!(server.connections() >= 2, "{name} is tried again");
    }
}

/// Waits until the operator has more than `limit` bytes; answers how many.
async fn more_than(operator: &Operator, limit: u64) -> u64 {
    loop {
        let used = memory(operator, "VmRSS:");
        if used > limit {
            return used;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The reference to the Secret `name` as the address of `store`.
fn chooses(store: &str, name: &str) -> Value {
    json!({ format!("{store}SecretRef"): {"name": name, "key": "url"} })
}

/// Bytes, by the line of `/proc/PID/status` that begins with `what`.
fn memory(operator: &Operator, what: &str) -> u64 {
    let path = format!("/proc/{}/status", operator.process.pid());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<u64>().unwrap() * 1024
}
