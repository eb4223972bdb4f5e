//! Patience at the turnstile.

use std::time::Duration;

use clap::Args;

/// How long buys wait for Redis, and how many may.
///
/// A buy waits at most `intake` and then at most `turnstile`: the defaults answer every buy within
/// 0.9 seconds, whatever Redis does. Waiting for replicas is part of the latter.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Intake")]
pub struct IntakeConfig {
    /// Milliseconds that one call of the turnstile may take before its buys are answered 503.
    #[arg(
        long,
        env = "FLASHSALE_TURNSTILE_TIMEOUT_MILLIS",
        value_name = "MILLIS",
        default_value_t = 450,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub turnstile_timeout_millis: u64,

    /// Milliseconds that a call of the turnstile waits for the replicas that
    /// `spec.durability.redisReplicas` asks for, before its buys are answered 503. Less than
    /// --turnstile-timeout-millis.
    #[arg(
        long,
        env = "FLASHSALE_REPLICA_TIMEOUT_MILLIS",
        value_name = "MILLIS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=60_000)
    )]
    pub replica_timeout_millis: u64,

    /// Milliseconds that a buy may wait for its call before it is answered 503. It is answered so at
    /// once when, by how fast buys are taken, it would wait for more than half of this.
    #[arg(
        long,
        env = "FLASHSALE_INTAKE_TIMEOUT_MILLIS",
        value_name = "MILLIS",
        default_value_t = 450,
        value_parser = clap::value_parser!(u64).range(10..=60_000)
    )]
    pub intake_timeout_millis: u64,

    /// Buys of one sale that may wait for their call; further ones are answered 503 at once.
    #[arg(
        long,
        env = "FLASHSALE_INTAKE_BACKLOG",
        value_name = "BUYS",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub intake_backlog: u32,

    /// Buys of all sales together that may wait for their call; further ones are answered 503 at
    /// once. Each takes about 1 kB of memory.
    #[arg(
        long,
        env = "FLASHSALE_INTAKE_TOTAL_BACKLOG",
        value_name = "BUYS",
        default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    pub intake_total_backlog: u32,
}

/// Replicas would be waited for longer than a call may take.
#[derive(Debug, thiserror::Error)]
#[error(
    "--replica-timeout-millis ({replica}) must be less than --turnstile-timeout-millis ({turnstile}), which includes it"
)]
pub struct BadReplicaTimeout {
    replica: u64,
    turnstile: u64,
}

impl IntakeConfig {
    /// How long a call waits for replicas.
    ///
    /// # Errors
    /// When that is not less than a call may take.
    pub fn replica_timeout(&self) -> Result<Duration, BadReplicaTimeout> {
        let (replica, turnstile) = (self.replica_timeout_millis, self.turnstile_timeout_millis);
        if replica < turnstile {
            Ok(Duration::from_millis(replica))
        } else {
            Err(BadReplicaTimeout { replica, turnstile })
        }
    }

    /// How long a call may take.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.turnstile_timeout_millis)
    }

    /// How long a buy may wait for its call.
    #[must_use]
    pub fn queue_timeout(&self) -> Duration {
        Duration::from_millis(self.intake_timeout_millis)
    }

    /// How many buys may wait.
    #[must_use]
    pub fn backlog(&self) -> usize {
        usize::try_from(self.intake_backlog).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        intake: IntakeConfig,
    }

    #[test]
    fn replicas_are_waited_for_within_a_call() {
        let parse = |replica: &str| {
            let replica = format!("--replica-timeout-millis={replica}");
            Arguments::parse_from(["gateway", &replica]).intake
        };
        let limit = parse("449").replica_timeout().unwrap();
        assert_eq!(limit, Duration::from_millis(449));
        let error = parse("450").replica_timeout().unwrap_err().to_string();
        assert!(
            error.contains("--turnstile-timeout-millis (450)"),
            "{error}"
        );
    }
}
