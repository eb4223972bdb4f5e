//! Ready means: the API server answers, and knows FlashSales. The same for leader and standby, since
//! a standby has to be able to take over at once.

use std::time::Duration;

use flashsale_telemetry::probes::{Heartbeat, ReadinessHandle};
use kube::Client;
use tokio::time::sleep;

use super::definition;

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(5);

/// A look is bounded, so a longer silence means that nothing runs in this process any more.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps readiness up to date until the process ends.
pub(super) async fn watch(
    client: Client,
    namespaces: Vec<String>,
    readiness: ReadinessHandle,
    heartbeat: Heartbeat,
) {
    loop {
        match definition::look(&client, &namespaces).await {
            Ok(()) => readiness.ready(),
            Err(missing) => readiness.not_ready(missing.to_string()),
        }
        heartbeat.beat();
        sleep(PERIOD).await;
    }
}
