//! The operator process: probes, the way to the API server, the wait for the custom resource, the
//! election, and then the controller for as long as this operator leads.

mod access;
mod definition;
mod gate;
mod pace;
mod readiness;

use std::{net::SocketAddr, time::Duration};

use flashsale_telemetry::{
    listen, memory,
    probes::{self, Probes},
    process::{self, Outcome},
};
use flashsale_transport::ReplyBounds;
use prometheus::Registry;
use tokio::{runtime, time::timeout};
use tokio_util::sync::CancellationToken;

use self::access::Access;
use crate::{
    config::{ConfigError, OperatorArgs},
    controller::{self, ControllerError, Setup},
    events::Publisher,
    lease::{Elector, Fence, Leadership, Loss},
    metrics::Metrics,
};

/// The work waits for other machines most of the time; more threads would only take memory.
const THREADS: usize = 2;

/// How long stopping may take, whatever hangs; the chart gives the pod 20 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// How long the controller may finish what is in work. With a standby's look at the lease this
/// stays under three seconds from SIGTERM to the next leader.
const STOP_PATIENCE: Duration = Duration::from_millis(1200);

/// The election beats at least once in a request and a wait, which is well below.
const LEASE_PATIENCE: Duration = Duration::from_mins(1);

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot run as it was told to.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A metric cannot be registered.
    #[error("the metrics could not be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The probes' port cannot be had.
    #[error("cannot listen on {0} for probes ({1}); choose another with --probes-listen")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// There is no way to the API server.
    #[error(transparent)]
    Access(#[from] access::AccessError),
    /// Another may lead now.
    #[error("leadership is lost, nothing is written any more and the process ends: {0}")]
    Lost(#[from] Loss),
    /// The controller ended by itself.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

/// Runs the operator in a runtime of its own until the process is asked to stop. The binary polls no future
/// itself, since that would compile the operator a second time.
pub fn serve(arguments: OperatorArgs) -> Outcome {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?;
    process::serve(runtime, STOP_LIMIT, async |stop| {
        Ok(Box::pin(run(arguments, stop)).await?)
    })
}

/// Runs the operator until `stop` is cancelled, leadership is lost, or the controller fails.
///
/// # Errors
/// See [`RunError`]; the process should end with a failure, so that it is started anew.
pub async fn run(arguments: OperatorArgs, stop: CancellationToken) -> Result<(), RunError> {
    let settings = arguments.settings()?;
    let lease = arguments.lease()?;
    let identity = arguments.identity()?;
    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let probes = serve_probes(arguments.probes_listen, registry)?;
    let access = Access::infer().await?;
    let fence = lease.as_ref().map_or_else(Fence::open, |_| Fence::closed());
    let client = access.fenced_client(fence.clone(), lease.as_ref())?;
    tracing::info!(identity, namespaces = ?settings.namespaces, probes = %arguments.probes_listen,
        "operator {identity} starts");

    let own = access.client()?;
    let namespaces = settings.namespaces.clone();
    tokio::spawn(readiness::watch(
        own.clone(),
        namespaces.clone(),
        probes.readiness("kubernetes"),
        probes.heartbeat("readiness", readiness::PATIENCE),
    ));
    if !definition::wait(&own, &namespaces, &stop).await {
        return Ok(());
    }
    let installation = lease.as_ref().map(|lease| {
        let own = own.default_namespace();
        let namespace = lease.namespace.as_deref().unwrap_or(own);
        format!("{namespace}/{}", lease.name)
    });
    let setup = Setup {
        installation,
        fence: fence.clone(),
        events: Publisher::new(client.clone(), identity.clone()),
        client,
        reply_bounds: reply_bounds(settings.memory_limit),
        settings,
        metrics,
        probes: probes.clone(),
    };
    let Some(lease) = lease else {
        return work(setup, stop).await;
    };
    let elector = Elector::new(own, lease, identity)
        .with_fence(fence)
        .with_heartbeat(probes.heartbeat("lease", LEASE_PATIENCE));
    match elector.elect(&stop).await {
        Some(leadership) => lead(setup, leadership, stop).await,
        None => Ok(()),
    }
}

/// What stores may send to a process that may have `memory_limit` bytes, if there is a limit.
fn reply_bounds(memory_limit: Option<u64>) -> ReplyBounds {
    memory_limit.map_or_else(ReplyBounds::default, |limit| {
        ReplyBounds::within(limit, memory::resident_bytes)
    })
}

/// Answers probes until the process ends.
fn serve_probes(address: SocketAddr, registry: Registry) -> Result<Probes, RunError> {
    let listener = listen(address).map_err(|error| RunError::Listen(address, error))?;
    let probes = Probes::new(registry);
    tokio::spawn(probes::serve(
        listener,
        probes.clone(),
        CancellationToken::new(),
    ));
    Ok(probes)
}

/// Works without asking anybody.
async fn work(setup: Setup, stop: CancellationToken) -> Result<(), RunError> {
    tracing::warn!("working without a lease: nothing keeps a second operator from working too");
    setup.metrics.leader.set(1);
    Ok(controller::run(setup, stop).await?)
}

/// Works for as long as the lease is held. Whichever ends first, the work or the lease, ends both:
/// a leader that does nothing would keep others from working.
async fn lead(
    setup: Setup,
    mut leadership: Leadership,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let metrics = setup.metrics.clone();
    metrics.leader.set(1);
    let outcome = {
        let mut controller = std::pin::pin!(controller::run(setup, stop.clone()));
        tokio::select! {
            // A lost lease counts before anything else.
            biased;
            loss = leadership.lost() => {
                metrics.leader.set(0);
                // Dropping the controller stops it; the fence is closed already.
                tracing::error!(%loss, "leadership is lost: {loss}");
                return Err(loss.into());
            }
            outcome = &mut controller => outcome,
            () = stop.cancelled() => timeout(STOP_PATIENCE, controller).await.unwrap_or_else(|_| {
                tracing::warn!("what was in work is broken off; the next leader does it again");
                Ok(())
            }),
        }
    };
    metrics.leader.set(0);
    leadership.release().await;
    Ok(outcome?)
}
