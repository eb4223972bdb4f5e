//! What every request passes: its id, its count, its line in the log.
//!
//! A hand-written service around the router, since the same as middleware would cost the hot
//! path several allocations a request. For the same reason a buy need not pass the router.

mod access_log;
mod clients;
mod head;
mod rate_limit;
mod seen;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{Router, extract::FromRef as _, response::Response, routing::future::RouteFuture};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use pin_project_lite::pin_project;
use tower::Service as _;

use crate::{
    body::leftover,
    buy::Checkout,
    client::{Link, Phase, Proxies},
    config::ClientConfig,
    metrics::{Metrics, RequestCounters, RouteLabel},
    request_id::{self, REQUEST_ID},
    routes,
    sockets::SocketLayer,
    state::Gateway,
};

use clients::Clients;
use seen::Seen;

/// The whole HTTP service.
#[derive(Debug, Clone)]
pub struct Front {
    router: Router,
    /// Answers buys past the router, where no layer of the router has a part in them.
    buys: Option<Checkout>,
    requests: RequestCounters,
    clients: Arc<Clients>,
    /// The connection that requests arrive on.
    link: Arc<Link>,
}

impl Front {
    /// The service of all routes of `gateway`; pages of `cors_origins` may call it.
    pub fn new(
        gateway: Gateway,
        sockets: SocketLayer,
        cors_origins: &[HeaderValue],
        clients: &ClientConfig,
        metrics: &Metrics,
    ) -> Self {
        Self {
            clients: Arc::new(Clients::new(clients, cors_origins, metrics)),
            requests: metrics.requests.clone(),
            buys: cors_origins
                .is_empty()
                .then(|| Checkout::from_ref(&gateway)),
            router: routes::router(gateway, sockets, cors_origins),
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
            Some(checkout) if seen.route == RouteLabel::Buy && seen.method == Method::POST => {
                let answer = Box::pin(checkout.clone().answer(request));
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
