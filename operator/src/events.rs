//! What the operator tells people through Kubernetes events: one list of reasons, one publisher.

mod budget;
mod note;
mod publisher;
mod reason;
mod series;

pub use self::{
    note::counted,
    publisher::{Draft, Publisher},
    reason::{Kind, Reason},
};
