//! What every request passes: its id, its count, its line in the log.
//!
//! A hand-written service around the router, since the same as middleware would cost the hot
//! path several allocations a request. For the same reason a buy need not pass the router.

mod access_log;
mod clients;
mod head;
pub(crate) mod leftover;
pub(crate) mod log_budget;
mod rate_limit;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{Router, response::Response, routing::future::RouteFuture};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use pin_project_lite::pin_project;
use tower::Service as _;

use crate::{
    app::{self, Gateway},
    buy,
    config::ClientConfig,
    metrics::{RequestCounters, RouteLabel},
    problem::Refusal,
    request_id::{self, REQUEST_ID},
    server::{Client, Link, Phase, Proxies},
    sockets::SocketLayer,
    storefront::FromShop,
};

use clients::Clients;
use log_budget::LogBudget;

/// Lines about failed requests of this process.
static FAILURES: LogBudget = LogBudget::new();

/// The whole HTTP service.
#[derive(Debug, Clone)]
pub struct Front {
    router: Router,
    /// Answers buys past the router, where no layer of the router has a part in them.
    buys: Option<Gateway>,
    requests: RequestCounters,
    clients: Arc<Clients>,
    /// The connection that requests arrive on.
    link: Arc<Link>,
}

impl Front {
    /// The service of all routes of `gateway`; pages of `cors_origins` may call it.
    #[must_use]
    pub fn new(
        gateway: Gateway,
        sockets: SocketLayer,
        cors_origins: &[HeaderValue],
        clients: &ClientConfig,
    ) -> Self {
        Self {
            clients: Arc::new(Clients::new(clients, cors_origins, gateway.metrics.clone())),
            requests: gateway.metrics.requests.clone(),
            buys: cors_origins.is_empty().then(|| gateway.clone()),
            router: app::router(gateway, sockets, cors_origins),
            link: Arc::default(),
        }
    }

    /// The same for the requests of one connection.
    pub(crate) fn on(&self, link: Arc<Link>) -> Self {
        Self {
            link,
            ..self.clone()
        }
    }

    /// The proxies whose clients' requests these are.
    pub(crate) fn proxies(&self) -> Arc<Proxies> {
        Arc::clone(&self.clients.proxies)
    }

    fn answer(&self, seen: &Seen, request: Request<Incoming>) -> Answering {
        let is_admitted = self.clients.admit(seen);
        if let Some(answer) = head::answer(&request) {
            let answer = Some(answer);
            return Answering::Settled { answer };
        }
        if !is_admitted {
            return routed(&self.clients.refusals, request);
        }
        match &self.buys {
            Some(gateway) if seen.route == RouteLabel::Buy && seen.method == Method::POST => {
                let answer = Box::pin(buy::answer(gateway.clone(), request));
                Answering::Direct { answer }
            }
            _ => routed(&self.router, request),
        }
    }
}

fn routed(router: &Router, request: Request<Incoming>) -> Answering {
    let mut router = router.clone();
    if request.body().is_end_stream() {
        Answering::Routed {
            answer: router.call(request),
        }
    } else {
        Answering::Direct {
            answer: Box::pin(leftover::routed(router, request)),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Observed;

    fn call(&self, mut request: Request<Incoming>) -> Observed {
        let route = RouteLabel::of(request.uri().path());
        let is_poll = route == RouteLabel::Socket && request.method() == Method::GET;
        self.link.enter(if is_poll {
            Phase::Waiting
        } else {
            Phase::Answering
        });
        let client = self.clients.of(&self.link, request.headers());
        if route == RouteLabel::Socket {
            request.extensions_mut().insert(Arc::clone(&self.link));
        }
        if matches!(route, RouteLabel::Socket | RouteLabel::Operations)
            && let Some(client) = client
        {
            request.extensions_mut().insert(client);
        }
        let seen = Seen {
            id: request_id::of(request.headers()),
            client,
            route,
            method: request.method().clone(),
            path: access_log::path(self.clients.is_logged, request.uri()),
            started: Instant::now(),
            requests: self.requests.clone(),
            link: Arc::clone(&self.link),
        };
        Observed {
            answer: self.answer(&seen, request),
            seen,
        }
    }
}

pin_project! {
    /// A request being answered.
    pub struct Observed {
        #[pin]
        answer: Answering,
        seen: Seen,
    }
}

pin_project! {
    /// Where an answer comes from.
    #[project = AnsweringProjection]
    enum Answering {
        Settled {
            answer: Option<Response>,
        },
        Direct {
            answer: Pin<Box<dyn Future<Output = Response> + Send>>,
        },
        Routed {
            #[pin]
            answer: RouteFuture<Infallible>,
        },
    }
}

impl Future for Answering {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnsweringProjection::Settled { answer } => answer
                .take()
                .map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            AnsweringProjection::Direct { answer } => answer.as_mut().poll(context).map(Ok),
            AnsweringProjection::Routed { answer } => answer.poll(context),
        }
    }
}

/// What is remembered of a request until it is answered.
struct Seen {
    id: HeaderValue,
    client: Option<Client>,
    route: RouteLabel,
    method: Method,
    /// For the access log, where there is one.
    path: Option<Box<str>>,
    started: Instant,
    requests: RequestCounters,
    link: Arc<Link>,
}

impl Future for Observed {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(context))?;
        let seen = this.seen;
        seen.link.enter(match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => Phase::Upgraded,
            _ => Phase::Idle,
        });
        seen.settle_route(&response);
        seen.requests.count(seen.route, response.status());
        seen.log(&response);
        access_log::write(seen, response.status());
        response.headers_mut().insert(REQUEST_ID, seen.id.clone());
        Poll::Ready(Ok(response))
    }
}

impl Seen {
    /// Whether it was the shop that answered is seen by the answer alone.
    fn settle_route(&mut self, response: &Response) {
        let is_open = self.route == RouteLabel::Other;
        if is_open && response.extensions().get::<FromShop>().is_some() {
            self.route = RouteLabel::Shop;
        }
    }

    fn log(&self, response: &Response) {
        let status = response.status();
        if status.is_server_error() {
            self.log_failure(status.as_u16(), response.extensions().get());
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let (request_id, method, route, duration_ms) = self.fields();
            let status = status.as_u16();
            tracing::debug!(
                request_id,
                client = self.client.map(tracing::field::display),
                method,
                route,
                status,
                duration_ms,
                "{method} {route} was answered {status}"
            );
        }
    }

    fn log_failure(&self, status: u16, refusal: Option<&Refusal>) {
        let Some(left_out) = FAILURES.spend(Instant::now()) else {
            return;
        };
        let (request_id, method, route, duration_ms) = self.fields();
        let (problem, detail) = match refusal {
            Some(refusal) => (refusal.kind.slug(), refusal.detail.as_ref()),
            None => ("none", "no reason given"),
        };
        tracing::warn!(
            request_id,
            client = self.client.map(tracing::field::display),
            method,
            route,
            status,
            duration_ms,
            problem,
            detail,
            left_out,
            "{method} {route} failed with {status}: {detail}"
        );
    }

    fn fields(&self) -> (&str, &str, &'static str, f64) {
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        (
            self.id.to_str().unwrap_or_default(),
            self.method.as_str(),
            self.route.as_str(),
            duration_ms,
        )
    }
}
