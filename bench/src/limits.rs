//! The limits of this machine that measurements are held against.

pub(crate) mod empty_route;
pub(crate) mod pgbench;
pub(crate) mod plain_batches;
pub(crate) mod plain_writes;
pub(crate) mod redis_benchmark;
