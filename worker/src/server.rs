//! The worker process: connections, probes, and a roster until it is told to stop.

use std::{io, net::SocketAddr, time::Duration};

use flashsale_ledger::{Ledger, LedgerClient, LedgerConfig, LedgerError, OpenError};
use flashsale_queue::connect::{
    self, ConnectError, SharedConnection, check_writable, wait_for_rights,
};
use flashsale_telemetry::{
    listen,
    probes::{self, Probes, ReadinessHandle},
    process::{self, Outcome},
};
use flashsale_transport::TlsSource;
use prometheus::{IntGauge, Registry};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{ConnectionArgs, LaneArgs, ProbeArgs},
    metrics::Metrics,
    roster::{Limits, Resources, Roster},
};

/// How often readiness asks whether Redis and PostgreSQL take writes. That also has the connections
/// of an idle worker replaced before they are needed.
const CHECK: Duration = Duration::from_secs(2);

/// How long the roster may give no sign of life before the process counts as dead. It waits for each
/// command to Redis for half a second at most, so that an outage of the stores keeps it from nothing:
/// a restart would not mend those.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// How long a worker may take to end once it is told to: the calls in work have limits of two
/// seconds, so this is reached only where something hangs. Below what `spec.worker` of a sale gives
/// its pods by default, and `flashsale up` its children.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Why a worker cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ledger cannot be opened as configured.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A metric cannot be registered.
    #[error("the metrics could not be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The probes' port cannot be had.
    #[error("cannot listen on {0} for probes ({1}); choose another with --probes-listen")]
    Listen(SocketAddr, #[source] io::Error),
}

/// Runs a worker in a runtime of its own until the process is asked to stop. The binary polls no future itself,
/// since that would compile the worker a second time.
pub fn serve(connections: ConnectionArgs, lanes: LaneArgs, probe_args: ProbeArgs) -> Outcome {
    process::serve(Runtime::new()?, STOP_LIMIT, async |stop| {
        Ok(run(connections, lanes, probe_args, stop).await?)
    })
}

/// Runs a worker until `stop` is cancelled; returns when every lane is given back.
pub async fn run(
    connections: ConnectionArgs,
    lanes: LaneArgs,
    probe_args: ProbeArgs,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let resources = connect_all(&connections, lanes.lanes, metrics)?;
    let probes = Probes::new(registry);
    tokio::spawn(check_queue(
        resources.queue.clone(),
        probes.readiness("redis"),
    ));
    // An idle worker asks PostgreSQL for nothing else, and would not know that it is away.
    tokio::spawn(check_ledger(
        resources.ledger.clone(),
        probes.readiness("postgresql"),
        resources.metrics.ledger_up.clone(),
    ));
    let address = probe_args.probes_listen;
    let listener = listen(address).map_err(|error| ServerError::Listen(address, error))?;
    let probes_stop = CancellationToken::new();
    let heartbeat = probes.heartbeat("roster", LONGEST_SILENCE);
    let probing = tokio::spawn(probes::serve(listener, probes, probes_stop.clone()));
    let limits = Limits {
        sales: lanes.sales,
        lanes: lanes.lanes as usize,
        batch_size: lanes.batch_size.map(|size| size as usize),
    };
    tracing::info!(owner = resources.owner, lanes = limits.lanes, probes = %address,
        "worker {} drives up to {} lanes", resources.owner, limits.lanes);
    Roster::new(resources, limits, stop)
        .with_heartbeat(heartbeat)
        .run()
        .await;
    tracing::info!("every lane is given back, the worker ends");
    probes_stop.cancel();
    // The probes have nothing to lose.
    let _ = probing.await;
    Ok(())
}

fn connect_all(
    connections: &ConnectionArgs,
    lanes: u32,
    metrics: Metrics,
) -> Result<Resources, ServerError> {
    let redis_tls = TlsSource::directory(connections.redis_tls.as_deref());
    let client = connect::redis_client_with(&connections.redis_url, &redis_tls)?;
    let queue = connect::shared(&client)?;
    let ledger = Ledger::open(&LedgerConfig {
        url: connections.database_url.clone(),
        tls: TlsSource::directory(connections.database_tls.as_deref()),
        // One for each lane, one for a batch sent ahead, and one for readiness.
        connections: lanes + 2,
        transaction_pooler: connections.database_transaction_pooler,
        ping_before_use: false,
        bounds: None,
    })?;
    let owner = format!("worker-{}", uuid::Uuid::new_v4().simple());
    Ok(Resources {
        queue,
        ledger,
        metrics,
        owner,
    })
}

async fn check_queue(mut queue: SharedConnection, handle: ReadinessHandle) {
    wait_for_rights(&queue, |error| handle.not_ready(error.to_string())).await;
    loop {
        match check_writable(&mut queue).await {
            Ok(()) => handle.ready(),
            Err(error) => handle.not_ready(error.to_string()),
        }
        tokio::time::sleep(CHECK).await;
    }
}

async fn check_ledger(ledger: Ledger, handle: ReadinessHandle, up: IntGauge) {
    let mut told = None;
    loop {
        let answered = can_settle(&ledger).await;
        up.set(i64::from(answered.is_ok()));
        match answered {
            Ok(()) => {
                handle.ready();
                told = None;
            }
            Err(error) => {
                let message = error.to_string();
                // Before the first buy, and once: neither comes by itself.
                let is_for_people = matches!(
                    error,
                    LedgerError::MissingRight { .. } | LedgerError::SchemaMissing(_)
                );
                if is_for_people && told.as_ref() != Some(&message) {
                    tracing::error!("nothing can be settled: {message}");
                    told = Some(message.clone());
                }
                handle.not_ready(message);
            }
        }
        tokio::time::sleep(CHECK).await;
    }
}

/// Whether the ledger takes writes, from this role too.
async fn can_settle(ledger: &Ledger) -> Result<(), LedgerError> {
    ledger.check_writable().await?;
    ledger.check_rights(LedgerClient::Worker).await
}
