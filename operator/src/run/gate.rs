//! Lets requests of the controller through: writes only while this operator leads, and none that
//! nobody answers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

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
    /// Time to the head of an answer, for writes.
    write: Duration,
    /// The same for reads. Watches take as long as they like.
    read: Duration,
}

impl Gate {
    pub(super) fn new(fence: Fence, write: Duration, read: Duration) -> Self {
        Self { fence, write, read }
    }

    /// How long `request` may take, if it may be made; `None`: for ever.
    fn admit(&self, request: &Request<Body>) -> Result<Option<Duration>, GateError> {
        if *request.method() != Method::GET {
            return if self.fence.is_open() {
                Ok(Some(self.write))
            } else {
                Err(GateError::Closed)
            };
        }
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|parameter| parameter == "watch=true");
        Ok((!is_watch).then_some(self.read))
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
    S: Service<Request<Body>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limit = match self.gate.admit(&request) {
            Ok(limit) => limit,
            Err(closed) => return Box::pin(async { Err(closed.into()) }),
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
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

    use tower::{ServiceExt as _, service_fn};

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
