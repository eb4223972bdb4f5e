//! The operations interface: the running of all sales for who has the operations token, and what
//! can be done about dead letters. Off unless a token is configured.
//!
//! Figures come from many processes. Each gateway and worker tells of itself once a second
//! (`flashsale_core::figures`; here `publisher`), workers tell of each settled batch anyway, and
//! the catalogue looks at the lanes anyway. A gateway with a token also listens to the first of
//! these; what it hears in a second becomes that second's figures (`tally`), two minutes of which
//! are kept (`history`). No buy passes any of it.

mod access;
pub mod dead_letters;
mod figures;
mod fleet;
mod history;
mod namespace;
mod publisher;
mod seconds;
mod tally;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    Json, Router,
    extract::State,
    middleware::map_response,
    response::Response,
    routing::{get, post},
};
use flashsale_core::{connect::QueuePool, event::Settled, figures::ProcessFigures};
use http::{HeaderValue, header::CACHE_CONTROL};
use prometheus::IntCounter;
use socketioxide::SocketIo;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    app::Gateway,
    catalogue::Catalogue,
    config::Hidden,
    problem::{Problem, ProblemDocument, unavailable},
    server::Client,
    stocks::Stocks,
};

use access::AccessCheck;
pub use access::{NotAdmitted, Operator};
use dead_letters::calls;
pub use figures::{Figures, LaneFigures, SaleFigures};
use fleet::Fleet;
pub use fleet::{DrivenLane, GatewayView, WorkerView};
use history::History;
pub use history::{HistoryView, SaleHistory};
pub use publisher::Publisher;
use tally::Second;
pub use tally::{BatchCounts, OutcomeCounts};

/// A handle on operations; clones are one.
#[derive(Debug, Clone)]
pub struct Operations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: AccessCheck,
    catalogue: Catalogue,
    stocks: Stocks,
    /// For dead letters.
    pool: QueuePool,
    state: Mutex<LiveState>,
}

/// What was heard of all processes.
#[derive(Debug, Default)]
struct LiveState {
    fleet: Fleet,
    /// The second that is going on.
    counting: Second,
    /// The last full second.
    last: Arc<Second>,
    history: History,
}

impl Operations {
    /// Operations for who has `token`; others are counted in `refused`.
    #[must_use]
    pub fn new(
        token: Hidden,
        refused: IntCounter,
        catalogue: Catalogue,
        stocks: Stocks,
        pool: QueuePool,
    ) -> Self {
        Self(Arc::new(Inner {
            access: AccessCheck::new(token, refused),
            catalogue,
            stocks,
            pool,
            state: Mutex::default(),
        }))
    }

    /// Lets in who brings the token; the log names `client` otherwise.
    pub(crate) fn admit(
        &self,
        token: Option<&str>,
        client: Option<Client>,
    ) -> Result<(), NotAdmitted> {
        self.0.access.admit(token, client)
    }

    /// Opens the Socket.io namespace.
    pub fn open_namespace(&self, io: &SocketIo) {
        namespace::open(io, self);
    }

    /// Takes what a process tells of itself.
    pub fn hear(&self, message: &[u8]) -> Result<(), serde_json::Error> {
        let figures = ProcessFigures::parse(message)?;
        let now = Instant::now();
        let mut state = self.state();
        match figures {
            ProcessFigures::Worker(worker) => state.fleet.hear_worker(worker, now),
            ProcessFigures::Gateway(gateway) => {
                state.fleet.hear_gateway(&gateway, now);
                for (sale, buys) in gateway.buys {
                    state.counting.add_buys(sale, buys);
                }
            }
        }
        Ok(())
    }

    /// Takes a settled batch.
    pub fn hear_settled(&self, settled: &Settled) {
        self.state().counting.add_settled(settled);
    }

    /// Ends each second, and tells it to who listens on `io`, until `shutdown`.
    pub async fn run(self, io: SocketIo, shutdown: CancellationToken) {
        loop {
            let wait = seconds::until(self.0.catalogue.clock().now(), seconds::ENDING);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
            self.end_second();
            namespace::tell(&io, &self).await;
        }
    }

    fn end_second(&self) {
        let last = Arc::new(std::mem::take(&mut self.state().counting));
        let samples = self.samples(&last);
        let at = self.0.catalogue.clock().now();
        let mut state = self.state();
        state.fleet.forget_silent(Instant::now());
        state.history.push(at, &samples);
        state.last = last;
    }

    fn pool(&self) -> &QueuePool {
        &self.0.pool
    }

    fn state(&self) -> MutexGuard<'_, LiveState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls.
pub fn routes() -> Router<Gateway> {
    Router::new()
        .route("/operations/figures", get(figures))
        .route("/operations/history", get(history))
        .route("/operations/sales/{sale}/dead-letters", get(calls::list))
        .route(
            "/operations/sales/{sale}/dead-letters/replay",
            post(calls::replay),
        )
        .route(
            "/operations/sales/{sale}/dead-letters/discard",
            post(calls::discard),
        )
        .layer(map_response(unstored))
}

/// Figures are of this instant, and nobody else's business.
async fn unstored(mut response: Response) -> Response {
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

/// The running of all sales, as of now.
///
/// The same is told each second as the event `figures` of the Socket.io namespace `/operations`
/// (handshake `auth: { token }`).
#[utoipa::path(
    get,
    path = "/operations/figures",
    operation_id = "figures",
    tag = "operations",
    responses(
        (status = 200, description = "All sales and processes", body = Figures),
        (status = 401, description = "unauthorized",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
        (status = 404, description = "not-found: operations are off",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: the sales were never read yet",
            body = ProblemDocument<'_>, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds"))),
    ),
    security(("operations" = []))
)]
pub async fn figures(
    Operator(operations): Operator,
    State(gateway): State<Gateway>,
) -> Result<Json<Figures>, Problem> {
    let known = gateway.catalogue.be_known().await;
    known.map_err(|error| unavailable(error.to_string()))?;
    Ok(Json(operations.figures()))
}

/// The last two minutes of every sale in which something happened, one figure a second.
#[utoipa::path(
    get,
    path = "/operations/history",
    operation_id = "history",
    tag = "operations",
    responses(
        (status = 200, description = "The history, as this gateway heard it", body = HistoryView),
        (status = 401, description = "unauthorized",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
        (status = 404, description = "not-found: operations are off",
            body = ProblemDocument<'_>, content_type = "application/problem+json"),
    ),
    security(("operations" = []))
)]
pub async fn history(Operator(operations): Operator) -> Json<HistoryView> {
    Json(operations.state().history.view())
}
