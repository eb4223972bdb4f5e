//! Lets requests of the controller through: at the pace that the API server can bear, writes only while
//! this operator leads, and none that nobody answers.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, BodyStream, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Layer, Service, ServiceExt as _};

use super::pace::Pace;
use crate::lease::Fence;

/// Time for the rest of an answer. A page of a list may be tens of megabytes.
const BODY: Duration = Duration::from_mins(1);

/// Why a request was not made, or was given up.
#[derive(Debug, thiserror::Error)]
enum GateError {
    #[error("not written: this operator does not lead")]
    Closed,
    #[error("not asked: this operator made too many requests to ask one more within {} s", .0.as_secs())]
    TooMany(Duration),
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Overdue(Duration),
    #[error("the API server began an answer and did not finish it within {} s", .0.as_secs())]
    Unfinished(Duration),
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
    /// Time for the rest of an answer.
    body: Duration,
}

impl Gate {
    pub(super) fn new(fence: Fence, write: Duration, read: Duration) -> Self {
        Self {
            fence,
            pace: Pace::new(),
            write,
            read,
            body: BODY,
        }
    }

    /// How long a request of this kind may take, if it may be made; `None`: for ever.
    fn admit(&self, kind: Kind) -> Result<Option<Duration>, GateError> {
        match kind {
            Kind::Watch => Ok(None),
            Kind::Read => Ok(Some(self.read)),
            Kind::Write | Kind::Event | Kind::Scale if self.fence.is_open() => Ok(Some(self.write)),
            Kind::Write | Kind::Event | Kind::Scale => Err(GateError::Closed),
        }
    }

    /// Waits until a request of this kind has its turn.
    async fn wait(&self, kind: Kind) -> Result<(), GateError> {
        let limit = match kind {
            Kind::Watch | Kind::Scale => return Ok(()),
            Kind::Event => {
                let spare = self.pace.take_spare();
                let spare = tokio::time::timeout(self.write, spare).await;
                return spare.map_err(|_| GateError::TooMany(self.write));
            }
            Kind::Read => self.read,
            Kind::Write => self.write,
        };
        if self.pace.take(limit).await {
            Ok(())
        } else {
            Err(GateError::TooMany(limit))
        }
    }
}

/// What is asked of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Watch,
    Read,
    Write,
    /// Events give way to everything else.
    Event,
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
            _ if request.uri().path().contains("/apis/events.k8s.io/") => Self::Event,
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

/// What an answer says, as it arrives.
type Answer = UnsyncBoxBody<Bytes, BoxError>;

impl<S, B> Service<Request<Body>> for Gated<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    /// Each call asks a clone of the service behind the gate.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (gate, inner) = (self.gate.clone(), self.inner.clone());
        let kind = Kind::of(&request);
        Box::pin(async move {
            gate.wait(kind).await?;
            // Asked afterwards: the fence may have closed meanwhile.
            let limit = gate.admit(kind)?;
            let answer = inner.oneshot(request);
            let Some(limit) = limit else {
                let answer = answer.await.map_err(Into::into)?;
                return Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()));
            };
            match tokio::time::timeout(limit, answer).await {
                Ok(answer) => {
                    let answer = answer.map_err(Into::into)?;
                    Ok(answer.map(|body| within(gate.body, body)))
                }
                Err(_) => Err(GateError::Overdue(limit).into()),
            }
        })
    }
}

/// `body`, which ends with an error if it takes longer than `limit`.
fn within<B>(limit: Duration, body: B) -> Answer
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let deadline = Instant::now() + limit;
    let frames = Box::pin(BodyStream::new(body));
    let frames = stream::unfold(Some(frames), move |frames| async move {
        let mut frames = frames?;
        match timeout_at(deadline, frames.next()).await {
            Ok(frame) => Some((frame?.map_err(Into::into), Some(frames))),
            Err(_) => Some((Err(GateError::Unfinished(limit).into()), None)),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Frame;

    use tower::service_fn;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    async fn send(fence: Fence, method: Method, query: &str) -> Result<(), String> {
        let gate = Gate::new(fence, LIMIT * 10, LIMIT);
        send_through(&gate, method, query).await
    }

    async fn send_through(gate: &Gate, method: Method, path: &str) -> Result<(), String> {
        let server = service_fn(async |_: Request<Body>| {
            tokio::time::sleep(LIMIT * 3).await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let answer = gate.layer(server).oneshot(request(method, path)).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    fn request(method: Method, path: &str) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(format!("https://cluster/apis{path}"))
            .body(Body::empty())
            .unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_is_begun_and_not_finished_is_given_up_unless_it_is_a_watch() {
        let gate = Gate {
            body: LIMIT,
            ..Gate::new(Fence::open(), LIMIT, LIMIT)
        };
        let server = service_fn(async |_: Request<Body>| {
            let begun = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("begun")))]);
            let body = StreamBody::new(begun.chain(stream::pending()));
            Ok::<_, Infallible>(Response::new(body))
        });
        let collected = async |path| {
            let answer = gate.layer(server).oneshot(request(Method::GET, path)).await;
            answer.unwrap().into_body().collect().await.map(drop)
        };
        let list = tokio::time::timeout(Duration::from_secs(10), collected("?limit=5"));
        let error = list.await.expect("it is given up").unwrap_err();
        assert_eq!(error.to_string(), GateError::Unfinished(LIMIT).to_string());
        let watch = collected("?watch=true");
        assert!(tokio::time::timeout(LIMIT * 5, watch).await.is_err());
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

    /// A gate through which one request passes, and another one every `each`.
    fn paced(fence: Fence, each: Duration, reserved: u32) -> Gate {
        Gate {
            fence,
            pace: Pace::of(each, 1, reserved),
            write: Duration::from_secs(10),
            read: Duration::from_secs(10),
            body: BODY,
        }
    }

    #[tokio::test]
    async fn reads_and_writes_keep_the_pace_and_replicas_and_watches_do_not() {
        let gate = paced(Fence::open(), Duration::from_hours(1), 0);
        let send = |method: Method, path: &'static str| send_through(&gate, method, path);
        assert_eq!(send(Method::PATCH, "/a").await, Ok(()));
        let refused = Err(GateError::TooMany(gate.write).to_string());
        assert_eq!(send(Method::PATCH, "/a").await, refused);
        assert_eq!(send(Method::GET, "/a?limit=5").await, refused);
        assert_eq!(send(Method::PATCH, "/a/scale").await, Ok(()));
        assert_eq!(send(Method::GET, "/a?watch=true").await, Ok(()));
    }

    #[tokio::test]
    async fn an_event_waits_where_others_may_need_the_token() {
        let gate = paced(Fence::open(), Duration::from_hours(1), 1);
        let event = "/events.k8s.io/v1/namespaces/shop/events";
        let event = send_through(&gate, Method::POST, event);
        assert!(tokio::time::timeout(LIMIT, event).await.is_err());
        assert_eq!(send_through(&gate, Method::PATCH, "/a").await, Ok(()));
    }

    #[tokio::test]
    async fn a_write_whose_turn_comes_after_the_fence_closed_is_not_made() {
        let fence = Fence::open();
        let gate = paced(fence.clone(), Duration::from_secs(2), 0);
        assert_eq!(send_through(&gate, Method::PATCH, "/a").await, Ok(()));
        let (waited, ()) = tokio::join!(send_through(&gate, Method::PATCH, "/a"), async {
            fence.close();
        });
        assert_eq!(waited, Err(GateError::Closed.to_string()));
    }
}
