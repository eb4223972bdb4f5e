//! The way to the API server.

use std::time::Duration;

use kube::{Client, Config, client::ClientBuilder};
use tower::buffer::BufferLayer;

use super::gate::Gate;
use crate::{config::LeaseSettings, lease::Fence};

/// The API server is near; a connection that takes longer will not come.
const CONNECT: Duration = Duration::from_secs(5);

/// Silence within the answer to a watch, which may be silent for almost five minutes. Other answers have
/// a limit of their own (`gate.rs`).
const SILENCE: Duration = Duration::from_mins(6);

/// Time to the head of an answer without a lease; with one, a write has less.
const ANSWER: Duration = Duration::from_secs(10);

/// Requests that wait for the connection at most; there are never as many.
const REQUESTS: usize = 1_024;

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Neither a pod's account nor a kubeconfig.
    #[error(
        "no way to the API server: run in a pod with a service account, or set KUBECONFIG ({0})"
    )]
    Config(#[from] kube::config::InferConfigError),
    /// The way is described, but cannot be used.
    #[error("the API server's address or certificates cannot be used: {0}")]
    Client(#[from] kube::Error),
}

/// How the API server is reached: by `KUBECONFIG`, or with the account of the pod.
pub(super) struct Access(Config);

impl Access {
    /// Finds the way; does not go it yet.
    pub(super) async fn infer() -> Result<Self, AccessError> {
        let mut config = Config::infer().await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(SILENCE);
        // Otherwise the time that a connection lay idle would count as silence.
        config.reset_reader_on_write = true;
        // Everybody who asks tries again by themselves. Another layer of growing delays would keep the
        // watches blind for a while after the API server is back.
        config.default_retry = false;
        Ok(Self(config))
    }

    /// A client for the operator's own affairs: lease, readiness, the wait for the definition.
    /// Each of them bounds its requests itself.
    pub(super) fn client(&self) -> Result<Client, AccessError> {
        Ok(Client::try_from(self.0.clone())?)
    }

    /// A client that writes only while `fence` is open. A write is given up within the time by
    /// which the lease outlasts leadership.
    pub(super) fn fenced_client(
        &self,
        fence: Fence,
        lease: Option<&LeaseSettings>,
    ) -> Result<Client, AccessError> {
        let write = lease.map_or(ANSWER, |lease| {
            let timings = lease.timings;
            timings.duration.saturating_sub(timings.renew_deadline)
        });
        let gate = Gate::new(fence, write.min(ANSWER), ANSWER);
        Ok(ClientBuilder::try_from(self.0.clone())?
            // What waits for its turn at the gate holds nothing up.
            .with_layer(&BufferLayer::new(REQUESTS))
            .with_layer(&gate)
            .build())
    }
}
