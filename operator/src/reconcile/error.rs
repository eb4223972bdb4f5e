//! Why a visit failed.

use super::{apply, build, status};
use crate::metrics::Reconciles;

/// Why a visit failed. Each is worth another try, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object could not be fetched as it is stored.
    #[error("the object could not be fetched: {0}")]
    Fetch(kube::Error),
    /// A Secret could not be read.
    #[error("{0}")]
    Secret(String),
    /// No Deployment can be made of the object.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// The world could not be made as the object says.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The status could not be written.
    #[error(transparent)]
    Status(#[from] status::Error),
    /// The object could not be deleted.
    #[error("the sale is over, but the object could not be deleted: {0}")]
    Delete(kube::Error),
    /// It could not be written who looks after the object.
    #[error("it could not be written that this operator looks after the object: {0}")]
    Claim(kube::Error),
    /// The finalizer could not be set or taken off.
    #[error("the finalizer could not be written: {0}")]
    Finalizer(kube::Error),
}

impl Error {
    /// Counts it for the step that failed.
    pub(super) fn count(&self, reconciles: &Reconciles) {
        let step = match self {
            Self::Fetch(_) | Self::Secret(_) => &reconciles.dereference,
            Self::Build(_) => &reconciles.build,
            Self::Apply(_) => &reconciles.apply,
            Self::Status(_) | Self::Claim(_) => &reconciles.status,
            Self::Delete(_) | Self::Finalizer(_) => &reconciles.finalize,
        };
        step.inc();
    }

    /// Whether somebody else wrote to the object since it was read, which is nobody's fault.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Delete(kube::Error::Api(status)) | Self::Finalizer(kube::Error::Api(status))
            | Self::Claim(kube::Error::Api(status)) if status.code == 409)
    }

    /// Whether the Deployment is being written or deleted by somebody else, which passes.
    pub(super) fn is_race(&self) -> bool {
        matches!(self, Self::Apply(apply::Error::Deployment(kube::Error::Api(status)))
            if matches!(status.code, 404 | 409))
    }
}
