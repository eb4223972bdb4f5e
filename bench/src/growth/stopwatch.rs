//! Processor time of the servers and of one child between two moments.

use crate::{children::Child, error::BenchError, stores::Stores};

/// Seconds of processor time, each since it started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seconds {
    /// Of the child.
    pub child: f64,
    /// Of PostgreSQL, all its processes.
    pub postgres: f64,
    /// Of Redis.
    pub redis: f64,
}

/// Reads all three; a child that is not there yet has used nothing.
pub fn look(stores: &Stores, child: Option<&Child>) -> Result<Seconds, BenchError> {
    Ok(Seconds {
        child: child.map_or(Ok(0.0), Child::processor_seconds)?,
        postgres: stores.postgres_seconds()?,
        redis: stores.redis_seconds()?,
    })
}

impl Seconds {
    /// What was used since `before`, in microseconds for each of `count` things.
    #[must_use]
    pub fn each_since(self, before: Self, count: u32) -> Self {
        let each = |after: f64, before: f64| (after - before) * 1e6 / f64::from(count);
        Self {
            child: each(self.child, before.child),
            postgres: each(self.postgres, before.postgres),
            redis: each(self.redis, before.redis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_before_does_not_count() {
        let seconds = |child, postgres, redis| Seconds {
            child,
            postgres,
            redis,
        };
        let used = seconds(1.5, 2.0, 4.0).each_since(seconds(1.0, 1.0, 1.0), 1_000_000);
        assert_eq!(used, seconds(0.5, 1.0, 3.0));
    }
}
