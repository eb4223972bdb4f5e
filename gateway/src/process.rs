//! The process: everything built, started, and stopped in order.

mod background_thread;
mod ending;

use std::{io, net::SocketAddr, sync::Arc};

use flashsale_ledger::{Ledger, OpenError};
use flashsale_queue::connect::{self, ConnectError, QueuePool, SharedConnection, wait_for_rights};
use flashsale_telemetry::{
    open_files,
    probes::{self, Probes, ReadinessHandle},
    process::{self, Outcome},
};
use prometheus::Registry;
use tokio::{
    net::TcpListener,
    runtime::{Handle, Runtime},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    body::Limits,
    buy::{self, Checkout},
    catalogue::{Catalogue, Refresher},
    config::{BadOperationsToken, BadReplicaTimeout, Config, ConnectionConfig},
    events::EventsTask,
    front::Front,
    identity::{Identity, IdentityConfigError, JwksRefresher},
    intake::Intake,
    lane_collector::LaneCollector,
    lane_ticker,
    metrics::Metrics,
    openapi::ApiDocument,
    operations::{AnswerLog, Operations, Publisher, namespace},
    orders::{OrderLookup, rights},
    pass::{PassConfigError, Passes},
    payments::{self, Payments, ProvidersError},
    routes,
    sale_status::SaleStatusTask,
    server::{ConnectionLimits, Server, Times},
    session::SessionOptions,
    sockets::{Sessions, SocketLayer, Sockets, endings},
    state::{Gateway, Parts},
    stock_ticker,
    stocks::Stocks,
    storefront::Storefront,
};

use background_thread::BackgroundThread;
use ending::{Ending, Tasks, say_goodbye};

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address of a store cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ledger cannot be opened as configured.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Identity cannot work as configured.
    #[error(transparent)]
    Identity(#[from] IdentityConfigError),
    /// The operations token cannot be used.
    #[error(transparent)]
    OperationsToken(#[from] BadOperationsToken),
    /// Passes cannot work as configured.
    #[error(transparent)]
    Passes(#[from] PassConfigError),
    /// Payment providers cannot be used as configured.
    #[error(transparent)]
    Payments(#[from] ProvidersError),
    /// Replicas would be waited for too long.
    #[error(transparent)]
    ReplicaTimeout(#[from] BadReplicaTimeout),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}; is something else there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The background thread cannot be started.
    #[error("the background thread could not be started: {0}")]
    Thread(io::Error),
    /// The OpenAPI document cannot be written.
    #[error("the OpenAPI document could not be written: {0}")]
    Document(io::Error),
    /// Two metrics have one name.
    #[error("metrics could not be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A gateway that listens, not yet answering.
#[derive(Debug)]
pub struct Process {
    config: Config,
    server: Server,
    address: SocketAddr,
    probes: Probes,
    probes_listener: TcpListener,
    probes_address: SocketAddr,
    serving: ReadinessHandle,
    background: Background,
    thread: BackgroundThread,
}

/// The tasks beside the server.
#[derive(Debug)]
struct Background {
    refresher: Refresher,
    events: EventsTask,
    statuses: SaleStatusTask,
    identity: Identity,
    jwks: Option<JwksRefresher>,
    ledger: Ledger,
    payments: Payments,
    operations: Option<Operations>,
    publisher: Publisher,
    catalogue: Catalogue,
    stocks: Stocks,
    sockets: Sockets,
}

/// Runs a gateway in a runtime of its own until the process is asked to stop. The binary polls no future itself,
/// since that would compile the gateway a second time.
pub fn serve(config: Config) -> Outcome {
    process::serve(Runtime::new()?, config.http.stop_limit(), async |stop| {
        Process::start(config).await?.run(stop).await;
        Ok(())
    })
}

impl Process {
    /// Builds everything and listens. Needs neither Redis nor PostgreSQL to be there yet.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        let probes = Probes::new(registry.clone());
        let serving = probes.readiness("serving");
        let limits = connection_limits(&config.connections);
        let thread = BackgroundThread::start().map_err(StartError::Thread)?;
        let built = build(&config, &metrics, limits, &probes, thread.handle()).await?;
        let catalogue = built.background.catalogue.clone();
        registry.register(Box::new(LaneCollector(catalogue)))?;
        let (listener, address) = listen(config.http.listen)?;
        let (probes_listener, probes_address) = {
            let _runtime = thread.handle().enter();
            listen(config.http.probes_listen)?
        };
        let front = Front::new(
            built.gateway,
            built.layer,
            &config.http.cors_origins,
            &config.clients,
            &metrics,
        );
        Ok(Self {
            server: Server::new(listener, front, limits, times(&config), metrics.connections),
            config,
            address,
            probes,
            probes_listener,
            probes_address,
            serving,
            background: built.background,
            thread,
        })
    }

    /// Where shoppers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where probes connect.
    pub fn probes_address(&self) -> SocketAddr {
        self.probes_address
    }

    /// Answers until `shutdown` and the delay after it, then stops accepting, closes the sockets a
    /// few at a time, finishes what is in flight and ends, all within the grace.
    pub async fn run(self, shutdown: CancellationToken) {
        let sockets = self.background.sockets.clone();
        let tellers = Tasks::new(&self.probes, Handle::current());
        let readers = Tasks::new(&self.probes, self.thread.handle().clone());
        let stop_probes = CancellationToken::new();
        let answers = self.background.publisher.answers.clone();
        self.background.spawn(&tellers, &readers);
        let probes = probes::serve(self.probes_listener, self.probes, stop_probes.clone());
        let probes = self.thread.handle().spawn(probes);
        tracing::info!(
            address = %self.address, probes = %self.probes_address,
            "selling on http://{}, probes on http://{}", self.address, self.probes_address
        );
        self.serving.ready();
        let last_call = CancellationToken::new();
        let delay = self.config.http.shutdown_delay;
        let (open, ()) = tokio::join!(
            self.server
                .accept_until(last_call.clone(), self.config.connections.memory_limit()),
            say_goodbye(shutdown, &self.serving, delay, last_call),
        );
        let ending = Ending {
            sockets,
            tellers,
            readers,
            answers,
            open,
        };
        ending.within(self.config.http.shutdown_grace).await;
        stop_probes.cancel();
        // Probes that failed have said so; there is nothing left to watch.
        let _ = probes.await;
        tracing::info!("stopped");
    }
}

impl Background {
    fn spawn(self, tellers: &Tasks, readers: &Tasks) {
        readers.spawn_beating("catalogue", |beat| self.refresher.run(beat));
        if let Some(jwks) = self.jwks {
            readers.spawn("jwks", jwks.run());
        }
        readers.spawn_once(rights::check(self.ledger));
        let queue = self.events.queue.clone();
        readers.spawn_once(async move { wait_for_rights(&queue, |_| {}).await });
        readers.spawn("publisher", self.publisher.run());
        if self.payments.has_providers() {
            let payments = self.payments;
            readers.spawn_beating("payments", |beat| payments::chores::run(payments, beat));
        }
        if let Some(operations) = self.operations {
            let server = self.sockets.server().clone();
            tellers.spawn("operations", namespace::run(operations, server));
        }
        if !self.identity.is_off() {
            let sockets = self.sockets.clone();
            tellers.spawn("endings", endings::run(sockets, self.identity));
        }
        tellers.spawn_beating("connections", ending::beat);
        tellers.spawn("events", self.events.run());
        tellers.spawn("statuses", self.statuses.run());
        tellers.spawn(
            "lanes",
            lane_ticker::run(self.catalogue, self.sockets.clone()),
        );
        tellers.spawn("stocks", stock_ticker::run(self.stocks, self.sockets));
    }
}

/// What is there before anything listens.
struct Built {
    gateway: Gateway,
    layer: SocketLayer,
    background: Background,
}

async fn build(
    config: &Config,
    metrics: &Metrics,
    limits: ConnectionLimits,
    probes: &Probes,
    background: &Handle,
) -> Result<Built, StartError> {
    let queue = queue_connection(config, background)?;
    let pool = connect::pool(&queue, config.stores.redis_connections);
    let turnstile = metrics.turnstile.clone();
    let intake = Intake::new(queue.clone(), &config.intake, turnstile, background.clone())?;
    let stocks = Stocks::default();
    let (refresher, catalogue) = Refresher::new(
        queue.clone(),
        Arc::new(intake),
        stocks.clone(),
        metrics.buys.clone(),
        probes.readiness("redis"),
    );
    let check = || probes.readiness("jwks");
    let identity_metrics = (metrics.tokens.clone(), metrics.jwks.clone());
    let (identity, jwks) = Identity::new(&config.identity, identity_metrics, check).await?;
    let (sockets, layer) = Sockets::new(
        identity.clone(),
        catalogue.clone(),
        stocks.clone(),
        metrics.sockets.clone(),
        &config.sockets,
        Sessions::new(&config.sockets, limits.total, metrics.sessions.clone()),
    );
    let ledger = Ledger::open(&config.stores.ledger())?;
    let operations = operations(config, metrics, &catalogue, &stocks, &pool, &ledger)?;
    if let Some(operations) = &operations {
        namespace::open(sockets.server(), operations);
    }
    let providers = config.payments.payment_providers.as_deref();
    let (payments_ledger, metered) = (ledger.clone(), metrics.payments.clone());
    let payments = Payments::new(providers, payments_ledger, catalogue.clone(), metered)?;
    let events = EventsTask {
        queue,
        catalogue: catalogue.clone(),
        stocks: stocks.clone(),
        sockets: sockets.clone(),
        operations: operations.clone(),
        metrics: metrics.events.clone(),
    };
    let background = Background {
        refresher,
        events,
        statuses: SaleStatusTask::new(catalogue.clone(), stocks.clone(), sockets.clone()),
        identity: identity.clone(),
        jwks,
        ledger: ledger.clone(),
        payments: payments.clone(),
        operations: operations.clone(),
        publisher: publisher(metrics, &catalogue, &pool),
        catalogue: catalogue.clone(),
        stocks: stocks.clone(),
        sockets,
    };
    let orders = OrderLookup::new(pool, ledger, catalogue.clone());
    let gateway = gateway(
        config,
        catalogue,
        stocks,
        identity,
        (orders, payments),
        operations,
        metrics,
    )?;
    Ok(Built {
        gateway,
        layer,
        background,
    })
}

/// The connection to Redis, kept up by the background thread.
fn queue_connection(
    config: &Config,
    background: &Handle,
) -> Result<SharedConnection, ConnectError> {
    let _runtime = background.enter();
    let url = config.stores.redis_url();
    let client = connect::redis_client_with(url, &config.stores.redis_tls())?;
    SharedConnection::with_response_timeout(client, config.intake.turnstile_timeout)
}

fn gateway(
    config: &Config,
    catalogue: Catalogue,
    stocks: Stocks,
    identity: Identity,
    (orders, payments): (OrderLookup, Payments),
    operations: Option<Operations>,
    metrics: &Metrics,
) -> Result<Gateway, StartError> {
    let passes = Arc::new(Passes::new(&config.pass, metrics.passes.clone())?);
    let limits = Limits {
        body_bytes: config.http.body_limit_bytes,
        request_patience: config.http.request_timeout,
    };
    let checkout = Checkout::from(buy::Parts {
        identity: identity.clone(),
        catalogue: catalogue.clone(),
        passes: Arc::clone(&passes),
        limits,
        buys: metrics.buys.clone(),
        ack_seconds: metrics.turnstile.ack_seconds.clone(),
    });
    let document = routes::document().map_err(io::Error::from);
    let document = document.and_then(ApiDocument::new);
    Ok(Gateway::from(Parts {
        checkout,
        catalogue,
        stocks,
        identity,
        orders,
        passes,
        payments,
        session: SessionOptions {
            sign_in_url: config.http.sign_in_url.as_deref().map(Arc::from),
            has_operations: operations.is_some(),
        },
        operations,
        storefront: Arc::new(Storefront::embedded()),
        document: document.map_err(StartError::Document)?,
        limits,
    }))
}

/// Operations, where there is a token for them.
fn operations(
    config: &Config,
    metrics: &Metrics,
    catalogue: &Catalogue,
    stocks: &Stocks,
    pool: &QueuePool,
    ledger: &Ledger,
) -> Result<Option<Operations>, BadOperationsToken> {
    let token = config.operations.token()?;
    Ok(token.map(|token| {
        Operations::new(
            token.clone(),
            metrics.operations_refused.clone(),
            catalogue.clone(),
            stocks.clone(),
            pool.clone(),
            ledger.clone(),
        )
    }))
}

/// What tells operations of this gateway, wherever they are.
fn publisher(metrics: &Metrics, catalogue: &Catalogue, pool: &QueuePool) -> Publisher {
    let name = format!("gateway-{}", Uuid::new_v4().simple());
    Publisher {
        pool: pool.clone(),
        clock: catalogue.clock.clone(),
        answers: AnswerLog::new(pool.clone(), name.clone(), metrics.buys.clone()),
        name,
        sockets: metrics.sockets.connected.clone(),
    }
}

/// How many connections there may be, with what the process may use as of now.
fn connection_limits(config: &ConnectionConfig) -> ConnectionLimits {
    let open_files = open_files::limit().unwrap_or(open_files::SMALLEST_USUAL);
    let limits = ConnectionLimits::new(config, open_files, config.memory_limit());
    tracing::info!(
        total = limits.total,
        per_address = limits.per_address,
        "at most {} connections, {} from one address",
        limits.total,
        limits.per_address
    );
    limits
}

fn times(config: &Config) -> Times {
    Times {
        idle: config.http.idle_timeout,
        head: config.connections.head_timeout,
        write: config.connections.write_timeout,
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { address, error };
    let listener = flashsale_telemetry::listen(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
