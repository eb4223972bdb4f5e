//! A request that failed: those who waited for its answer share the failure, so that they do not wait
//! for the API server one after the other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a failure is shared.
pub const SHARED: Duration = Duration::from_secs(2);

/// The last failure of a request, if there was one.
#[derive(Debug, Default)]
pub struct Failure(Option<(Instant, Arc<kube::Error>)>);

impl Failure {
    /// The failure, unless it is older than `age`.
    pub fn within(&self, age: Duration) -> Option<Arc<kube::Error>> {
        let (at, error) = self.0.as_ref()?;
        (at.elapsed() < age).then(|| error.clone())
    }

    /// Remembers that the request has failed just now.
    pub fn remember(&mut self, error: kube::Error) -> Arc<kube::Error> {
        let error = Arc::new(error);
        self.0 = Some((Instant::now(), error.clone()));
        error
    }
}
