//! The controller: watches FlashSales and their worker Deployments, visits each object when
//! something about it changes, and keeps the pulse of all of them.

use std::{sync::Arc, time::Duration};

use flashsale_telemetry::probes::Probes;
use flashsale_transport::ReplyBounds;
use futures_util::{StreamExt, future::try_join_all, stream};
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v1::HorizontalPodAutoscaler};
use kube::{
    Api, Client, ResourceExt as _,
    core::PartialObjectMeta,
    runtime::{
        Config, Controller,
        controller::Error,
        reflector::{self, ObjectRef},
        watcher,
    },
};
use tokio::sync::{OnceCell, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    autoscalers::Autoscalers,
    backoff::Backoff,
    config::Settings,
    context::{Context, Watched},
    events::Publisher,
    lease::Fence,
    metrics::Metrics,
    ownership::Ownership,
    pulse,
    reconcile::{after_error, build::MANAGED_BY, reconcile},
    roster::Roster,
    secrets::Secrets,
    stores::StoreCache,
    watch::watch,
    written_statuses::WrittenStatuses,
};

/// Visits at once: most of a visit is waiting for stores and the API server.
const CONCURRENT_VISITS: u16 = 16;

/// How long visits in work may take once the controller is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A pulse that rests for longer hangs, and only a new process can help.
const PULSE_PATIENCE: Duration = Duration::from_mins(1);

/// What the controller works with.
#[derive(Clone)]
pub struct Setup {
    /// The API server.
    pub client: Client,
    /// What was set on the command line.
    pub settings: Settings,
    /// Namespace and name of the Lease that this operator holds; none without an election.
    pub installation: Option<String>,
    /// Open while this operator leads.
    pub fence: Fence,
    /// Where events go.
    pub events: Publisher,
    /// What Prometheus sees.
    pub metrics: Metrics,
    /// What all stores together may send, of whichever namespace.
    pub reply_bounds: ReplyBounds,
    /// Where the pulse shows that it beats.
    pub probes: Probes,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A part that runs as long as the controller has ended without being asked to.
    #[error("the {0} ended without being asked to; the process ends so that another takes over")]
    Ended(&'static str),
}

/// Reconciles until `stop`, then lets what is in work finish. Where several namespaces are to be watched,
/// each has a controller of its own: nobody needs the right to watch more than those.
pub async fn run(setup: Setup, stop: CancellationToken) -> Result<(), ControllerError> {
    if setup.settings.namespaces.is_empty() {
        return Box::pin(watch_in(None, setup, stop)).await;
    }
    let namespaces = setup.settings.namespaces.clone();
    let controllers = namespaces.into_iter().map(|namespace| {
        let (setup, stop) = (setup.clone(), stop.clone());
        Box::pin(watch_in(Some(namespace), setup, stop))
    });
    try_join_all(controllers).await.map(drop)
}

/// The controller of one namespace, or of all.
async fn watch_in(
    namespace: Option<String>,
    setup: Setup,
    stop: CancellationToken,
) -> Result<(), ControllerError> {
    let (visits, asked) = mpsc::unbounded_channel();
    let client = setup.client.clone();
    let heartbeat = setup.probes.heartbeat("pulse", PULSE_PATIENCE);
    let (sales, changed_sales) = watch(
        api::<Watched>(&client, namespace.as_deref()),
        watcher::Config::default(),
        "FlashSales",
    );
    let (label, value) = MANAGED_BY;
    let (deployments, changed_deployments) = watch(
        api::<Deployment>(&client, namespace.as_deref()),
        watcher::Config::default().labels(&format!("{label}={value}")),
        "Deployments",
    );
    let context = Arc::new(context(
        namespace.clone(),
        setup,
        visits,
        &sales,
        deployments,
    ));
    let asked = stream::unfold(asked, async |mut asked| {
        let object = asked.recv().await?;
        Some((object, asked))
    });
    let controller = Controller::for_stream(changed_sales, sales)
        .with_config(Config::default().concurrency(CONCURRENT_VISITS))
        .owns_stream(changed_deployments)
        .reconcile_on(asked)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            reconcile,
            |object, error, context| after_error(&object, error, &context),
            context.clone(),
        )
        .for_each(async |visited| {
            if let Err(error) = visited {
                log_failure(&error);
            }
        });
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_PATIENCE).await;
    };
    let stopped = |part| {
        if stop.is_cancelled() {
            Ok(())
        } else {
            Err(ControllerError::Ended(part))
        }
    };
    let autoscalers =
        api::<PartialObjectMeta<HorizontalPodAutoscaler>>(&context.client, namespace.as_deref());
    let ask_visits = |namespace: &str| ask_visits(&context, namespace);
    let autoscalers = context.autoscalers.watch(autoscalers, ask_visits);
    tokio::select! {
        () = controller => stopped("controller"),
        () = until_stop(autoscalers, &stop) => stopped("watch of autoscalers"),
        () = until_stop(pulse::run(context.clone(), heartbeat, stop.clone()), &stop) => stopped("pulse"),
        () = until_stop(pulse::rounds::run(context.clone(), stop.clone()), &stop) => stopped("rounds"),
        () = until_stop(pulse::shortfalls::run(context.clone(), stop.clone()), &stop) => stopped("shortfalls"),
        () = overdue => Ok(()),
    }
}

/// Logs what goes wrong in the controller itself. Failed visits and watches are logged where they fail, and an
/// object may be gone between its change and its visit.
fn log_failure<E, Q>(error: &Error<E, Q>)
where
    E: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    if !matches!(
        error,
        Error::ObjectNotFound(_) | Error::ReconcilerFailed(..)
    ) {
        tracing::error!(%error, "the controller failed: {error}");
    }
}

/// What the visits and the pulse of one controller share. It asks for visits through `visits`.
fn context(
    namespace: Option<String>,
    setup: Setup,
    visits: mpsc::UnboundedSender<ObjectRef<Watched>>,
    sales: &reflector::Store<Watched>,
    deployments: reflector::Store<Deployment>,
) -> Context {
    let client = setup.client;
    Context {
        sales: sales.clone(),
        roster: Roster::default(),
        statuses: WrittenStatuses::default(),
        backoff: Backoff::default(),
        stores: StoreCache::new(setup.reply_bounds),
        secrets: Secrets::new(client.clone()),
        autoscalers: Autoscalers::new(client.clone()),
        deployments_seen: seen(&deployments),
        deployments,
        budgets: OnceCell::new(),
        namespace,
        ownership: Ownership::new(
            client.clone(),
            setup.settings.class.clone(),
            setup.installation,
        ),
        visits,
        client,
        settings: setup.settings,
        fence: setup.fence,
        events: setup.events,
        metrics: setup.metrics,
    }
}

/// Asks for a visit of each sale of `namespace`: an autoscaler may aim at its workers now, or does not
/// any more.
fn ask_visits(context: &Context, namespace: &str) {
    for sale in context.sales.state() {
        if sale.namespace().as_deref() == Some(namespace) {
            // The receiver lives as long as the controller.
            let _ = context.visits.send(ObjectRef::from_obj(&*sale));
        }
    }
}

/// Cancelled once `store` is filled. The store itself wakes only one of those that wait for it.
fn seen(store: &reflector::Store<Deployment>) -> CancellationToken {
    let seen = CancellationToken::new();
    let (store, filled) = (store.clone(), seen.clone());
    tokio::spawn(async move {
        if store.wait_until_ready().await.is_ok() {
            filled.cancel();
        }
    });
    seen
}

/// Waits for ever after `task` has ended as asked, so that the controller may finish its visits.
async fn until_stop(task: impl Future<Output = ()>, stop: &CancellationToken) {
    task.await;
    if stop.is_cancelled() {
        std::future::pending::<()>().await;
    }
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
