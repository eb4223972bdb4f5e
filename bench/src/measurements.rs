//! The measurements.

pub(crate) mod acknowledgement;
pub(crate) mod broadcast;
pub(crate) mod confirmation;
pub(crate) mod growth;
pub(crate) mod memory;
pub(crate) mod peer;
pub(crate) mod settlement;
pub(crate) mod tls;
pub(crate) mod tokens;
