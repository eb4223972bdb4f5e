//! Makes the pods of a worker Deployment ready or not, as a node would; there is no node here.

pub(crate) use flashsale_e2e::readiness::{make_ready, make_unready};
