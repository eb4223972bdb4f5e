//! Patience at the turnstile.

use std::time::Duration;

use clap::Args;

use super::flags::{count, millis, number};

/// How long buys wait for Redis, and how many may.
///
/// A buy waits at most `intake` and then at most `turnstile`: the defaults answer every buy within
/// 0.9 seconds, whatever Redis does. Waiting for replicas is part of the latter.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Intake")]
pub struct IntakeConfig {
    /// Milliseconds that one call of the turnstile may take before its buys are answered 503.
    #[arg(long, value_name = "MILLIS", default_value = "450", value_parser = millis(10..=60_000))]
    pub turnstile_timeout: Duration,

    /// Milliseconds that a call of the turnstile waits for the replicas that
    /// `spec.durability.redisReplicas` asks for, before its buys are answered 503. Less than
    /// --turnstile-timeout-millis.
    #[arg(long, value_name = "MILLIS", default_value = "100", value_parser = millis(1..=60_000))]
    replica_timeout: Duration,

    /// Milliseconds that a buy may wait for its call before it is answered 503. It is answered so at
    /// once when, by how fast buys are taken, it would wait for more than half of this.
    #[arg(long, value_name = "MILLIS", default_value = "450", value_parser = millis(10..=60_000))]
    pub intake_timeout: Duration,

    /// Buys of one sale that may wait for their call; further ones are answered 503 at once.
    #[arg(long, value_name = "BUYS", default_value_t = 20_000, value_parser = count(1..=1_000_000))]
    pub intake_backlog: usize,

    /// Buys of all sales together that may wait for their call; further ones are answered 503 at
    /// once. Each takes about 1 kB of memory.
    #[arg(
        long,
        value_name = "BUYS",
        default_value_t = 50_000,
        value_parser = number(1..=10_000_000)
    )]
    pub intake_total_backlog: u32,
}

/// Replicas would be waited for longer than a call may take.
#[derive(Debug, thiserror::Error)]
#[error(
    "--replica-timeout-millis ({}) must be less than --turnstile-timeout-millis ({}), which includes it",
    .replica.as_millis(),
    .turnstile.as_millis()
)]
pub struct BadReplicaTimeout {
    replica: Duration,
    turnstile: Duration,
}

impl IntakeConfig {
    /// How long a call waits for replicas.
    ///
    /// # Errors
    /// When that is not less than a call may take.
    pub fn replica_timeout(&self) -> Result<Duration, BadReplicaTimeout> {
        let (replica, turnstile) = (self.replica_timeout, self.turnstile_timeout);
        if replica < turnstile {
            Ok(replica)
        } else {
            Err(BadReplicaTimeout { replica, turnstile })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    #[command(mut_args(super::super::flags::complete))]
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
