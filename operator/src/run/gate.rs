//! Lets requests of the controller through: at the pace that the API server can bear, writes only while
//! this operator leads, and none that nobody answers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service, ServiceExt as _};

use super::pace::Pace;
use crate::lease::Fence;

/// Why a request was not made, or was given up.
#[derive(Debug, thiserror::Error)]
enum GateError {
    #[error("not written: this operator does not lead")]
    Closed,
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Overdue(Duration),
}

/// A layer of a client.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    fence: Fence,
    pace: Pace,
    /// Time to the head of an answer, for writes.
    write: Duration,
    /// The same for reads. Watches take as long as they like.
    read: Duration,
}

impl Gate {
    pub(super) fn new(fence: Fence, write: Duration, read: Duration) -> Self {
        Self {
            fence,
            pace: Pace::new(),
            write,
            read,
        }
    }

    /// How long a request of this kind may take, if it may be made; `None`: for ever.
    fn admit(&self, kind: Kind) -> Result<Option<Duration>, GateError> {
        match kind {
            Kind::Watch => Ok(None),
            Kind::Read => Ok(Some(self.read)),
            Kind::Write | Kind::Scale if self.fence.is_open() => Ok(Some(self.write)),
            Kind::Write | Kind::Scale => Err(GateError::Closed),
        }
    }
}

/// What is asked of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Watch,
    Read,
    Write,
    /// Replicas are written at once: the control loop makes one such write per sale and look.
    Scale,
}

impl Kind {
    fn of(request: &Request<Body>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let is_watch = || query.split('&').any(|parameter| parameter == "watch=true");
        match *request.method() {
            Method::GET if is_watch() => Self::Watch,
            Method::GET => Self::Read,
            _ if request.uri().path().ends_with("/scale") => Self::Scale,
            _ => Self::Write,
        }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated {
            gate: self.clone(),
            inner,
        }
    }
}

/// The client behind the gate.
#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    /// Each call asks a clone of the service behind the gate.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (gate, inner) = (self.gate.clone(), self.inner.clone());
        let kind = Kind::of(&request);
        Box::pin(async move {
            if matches!(kind, Kind::Read | Kind::Write) {
                gate.pace.take().await;
            }
            // Asked afterwards: the fence may have closed meanwhile.
            let limit = gate.admit(kind)?;
            let answer = inner.oneshot(request);
            let Some(limit) = limit else {
                return answer.await.map_err(Into::into);
            };
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(GateError::Overdue(limit).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::service_fn;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    async fn send(fence: Fence, method: Method, query: &str) -> Result<(), String> {
        let server = service_fn(async |_: Request<Body>| {
            tokio::time::sleep(LIMIT * 3).await;
            Ok::<_, Infallible>(())
        });
        let request = Request::builder()
            .method(method)
            .uri(format!("https://cluster/apis{query}"))
            .body(Body::empty())
            .unwrap();
        let gated = Gate::new(fence, LIMIT * 10, LIMIT).layer(server);
        gated
            .oneshot(request)
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn writes_pass_only_through_an_open_fence() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(send(Fence::open(), method.clone(), "").await, Ok(()));
            let error = send(Fence::closed(), method, "").await.unwrap_err();
            assert_eq!(error, GateError::Closed.to_string());
        }
    }

    #[tokio::test]
    async fn reads_pass_always_and_only_watches_may_last() {
        let watch = "?limit=5&watch=true";
        assert_eq!(send(Fence::closed(), Method::GET, watch).await, Ok(()));
        let error = send(Fence::closed(), Method::GET, "?limit=5").await;
        assert_eq!(error, Err(GateError::Overdue(LIMIT).to_string()));
    }
}
