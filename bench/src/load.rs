//! Load generators.

pub(crate) mod open_loop;
pub(crate) mod prefill;
pub(crate) mod sockets;
pub(crate) mod wrk;
