//! What a user may choose, one struct a topic. Every flag has an environment variable, see
//! [`flags::complete`].

mod clients;
mod connections;
mod flags;
mod hidden;
mod http;
mod identity;
mod intake;
mod operations;
mod pass;
mod payments;
mod sockets;
mod stores;

use clap::{Parser, Subcommand};
use flashsale_telemetry::logging::LogArgs;

pub use clients::{ClientConfig, ProxyHeader};
pub use connections::ConnectionConfig;
pub(crate) use flags::is_loopback;
pub use hidden::Hidden;
pub use http::HttpConfig;
pub use identity::{AuthMode, IdentityConfig};
pub use intake::{BadReplicaTimeout, IntakeConfig};
pub use operations::{BadOperationsToken, OperationsConfig};
pub use pass::{BadPassSecret, PassConfig, VerifierKind};
pub use payments::PaymentConfig;
pub use sockets::SocketConfig;
pub use stores::StoresConfig;

const EXAMPLE: &str = "\
Examples:
  One machine, without authentication:
    flashsale-gateway --auth-mode off \\
      --redis-url redis://127.0.0.1:6379/ \\
      --database-url postgres://flashsale:secret@127.0.0.1/flashsale

  Shoppers with bearer tokens of an identity provider:
    flashsale-gateway --jwks https://id.example.com/.well-known/jwks.json \\
      --jwt-issuer https://id.example.com/ --jwt-audience shop \\
      --redis-url rediss://:secret@redis.example.com:6380/ \\
      --database-url 'postgres://flashsale:secret@db.example.com/flashsale?sslmode=verify-full'

  Buy by hand:
    curl -i localhost:8080/buy -H 'Content-Type: application/json' \\
      -H 'Idempotency-Key: my-first-pair' -d '{\"productId\":\"sneaker-001\",\"userId\":\"me\"}'";

/// Takes the buys of a flash sale: HTTP and Socket.io in front of the turnstile.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "flashsale-gateway",
    version,
    after_help = EXAMPLE,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    mut_args(flags::complete)
)]
pub struct Arguments {
    /// Something else than serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How it serves.
    #[command(flatten)]
    pub config: Config,
}

/// What the binary does besides serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print the OpenAPI 3.1 document of the HTTP interface and exit.
    ///
    /// Example: flashsale-gateway openapi > openapi.json
    Openapi,
}

/// Everything that serving needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Ports, limits, cross-origin rules.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Whose requests they are.
    #[command(flatten)]
    pub clients: ClientConfig,
    /// How many connections, and for how long.
    #[command(flatten)]
    pub connections: ConnectionConfig,
    /// How many sockets.
    #[command(flatten)]
    pub sockets: SocketConfig,
    /// Redis and PostgreSQL.
    #[command(flatten)]
    pub stores: StoresConfig,
    /// Patience at the turnstile.
    #[command(flatten)]
    pub intake: IntakeConfig,
    /// Who shoppers are.
    #[command(flatten)]
    pub identity: IdentityConfig,
    /// Who may buy in sales that ask for a pass.
    #[command(flatten)]
    pub pass: PassConfig,
    /// Where orders are paid.
    #[command(flatten)]
    pub payments: PaymentConfig,
    /// Who may see and mend the running of a sale.
    #[command(flatten)]
    pub operations: OperationsConfig,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_name_their_units_and_have_variables() {
        for flag in Arguments::command().get_arguments() {
            let Some(long) = flag
                .get_long()
                .filter(|long| *long != "help" && *long != "version")
            else {
                continue;
            };
            assert!(flag.get_env().is_some(), "{long}");
            let unit = flag.get_value_names().unwrap_or_default().first();
            for (value, suffix) in [("SECONDS", "-seconds"), ("MILLIS", "-millis")] {
                let is_named = long.ends_with(suffix);
                assert_eq!(unit.is_some_and(|unit| unit == value), is_named, "{long}");
            }
        }
    }

    #[test]
    fn what_is_true_or_false_may_stand_without_a_value() {
        let access_log = |flag: &[&str]| {
            let rest = [
                "flashsale-gateway",
                "--auth-mode",
                "off",
                "--redis-url",
                "redis://a",
            ];
            let rest = [&rest[..], &["--database-url", "postgres://a/b"], flag].concat();
            Arguments::try_parse_from(rest).map(|arguments| arguments.config.clients.access_log)
        };
        assert!(!access_log(&[]).unwrap());
        assert!(access_log(&["--access-log"]).unwrap());
        assert!(access_log(&["--access-log=true"]).unwrap());
        assert!(!access_log(&["--access-log", "false"]).unwrap());
        access_log(&["--access-log=1"]).unwrap_err();
    }

    #[test]
    fn the_openapi_command_needs_no_addresses() {
        let arguments = Arguments::try_parse_from(["flashsale-gateway", "openapi"]).unwrap();
        assert_eq!(arguments.command, Some(Command::Openapi));
    }

    #[test]
    fn serving_needs_both_addresses() {
        let error = Arguments::try_parse_from(["flashsale-gateway", "--auth-mode", "off"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("--redis-url"), "{error}");
        assert!(error.contains("--database-url"), "{error}");
    }

    #[test]
    fn every_flag_has_a_variable_and_a_doc_line() {
        for argument in Arguments::command().get_arguments() {
            let id = argument.get_id().as_str();
            if matches!(id, "help" | "version") {
                continue;
            }
            let variable = argument.get_env().unwrap_or_default().to_string_lossy();
            assert!(variable.starts_with("FLASHSALE_"), "{id}: {variable}");
            assert!(argument.get_help().is_some(), "{id} has no help");
        }
    }
}
