//! Waiting until children can do their work.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use flashsale_testbed::process::Process;
use tokio::time::sleep;

use super::{ToolError, fleet::Fleet};
use crate::{http_client::Connection, load::target::Target};

/// A child that is not ready by then is broken; it takes a fraction of a second.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is asked.
const INTERVAL: Duration = Duration::from_millis(20);

/// Comes back when every child of the fleet says that it is ready.
pub(super) async fn wait(fleet: &Fleet) -> Result<(), ToolError> {
    let deadline = Instant::now() + PATIENCE;
    for (process, probes) in fleet.running() {
        wait_for(process, probes, deadline).await?;
    }
    Ok(())
}

async fn wait_for(
    process: &Process,
    probes: SocketAddr,
    deadline: Instant,
) -> Result<(), ToolError> {
    let not_ready = |what| ToolError::NotReady {
        name: process.name().to_owned(),
        what,
        log_file: process.log_file().display().to_string(),
        log: process.log_tail(),
    };
    let mut connection = Connection::new(
        Target::parse(&format!("http://{probes}"))
            .map_err(|_| not_ready("has no address for its probes"))?,
    );
    loop {
        if let Ok(reply) = connection.get("/readyz").await
            && reply.status.is_success()
        {
            return Ok(());
        }
        if !process.is_running() {
            return Err(not_ready("ended instead of starting"));
        }
        if Instant::now() >= deadline {
            return Err(not_ready("does not become ready"));
        }
        sleep(INTERVAL).await;
    }
}
