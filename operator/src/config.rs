//! What can be set about the operator.

mod allowed;
mod checked;

use std::net::{IpAddr, SocketAddr};

use clap::{ArgAction, Args, builder::PossibleValuesParser};

pub use self::{
    allowed::{Allowed, PERMITTABLE, Pattern},
    checked::{ConfigError, LeaseSettings, LeaseTimings, Settings, WorkerDefaults},
};

/// Everything that can be set, as it is typed.
#[derive(Debug, Clone, Args)]
pub struct OperatorArgs {
    /// Watch the FlashSales of this namespace alone. May be repeated. Without it: of all namespaces.
    #[arg(
        long = "namespace",
        env = "FLASHSALE_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,

    /// Look after FlashSales with this `spec.operatorClass` alone. Without it: after those without a
    /// class.
    #[arg(
        long = "operator-class",
        env = "FLASHSALE_OPERATOR_CLASS",
        value_name = "CLASS"
    )]
    class: Option<String>,

    #[command(flatten)]
    worker: WorkerArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Address of `/healthz`, `/readyz` and `/metrics`. `[::]` is every address of this host, over
    /// IPv6 and IPv4; 0.0.0.0 where the system has no IPv6.
    #[arg(long, env = "FLASHSALE_PROBES_LISTEN", default_value = "[::]:9091")]
    pub probes_listen: SocketAddr,

    /// Memory in bytes that the operator may have: above five eighths of it, the stores that send the
    /// most are disconnected. Default: the limit of its control group, which is a container's memory
    /// limit.
    #[arg(
        long,
        env = "FLASHSALE_MEMORY_LIMIT_BYTES",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    memory_limit_bytes: Option<u64>,

    #[command(flatten)]
    allowed: Allowed,

    #[command(flatten)]
    lease: LeaseArgs,
}

/// What the workers of every sale have in common.
#[derive(Debug, Clone, Args)]
struct WorkerArgs {
    /// Image of the worker pods, which holds `/flashsale-worker`.
    #[arg(
        long = "worker-image",
        env = "FLASHSALE_WORKER_IMAGE",
        value_name = "IMAGE",
        required = true
    )]
    image: Option<String>,

    /// When a node pulls that image.
    #[arg(
        long = "worker-image-pull-policy",
        env = "FLASHSALE_WORKER_IMAGE_PULL_POLICY",
        value_name = "POLICY",
        default_value = "IfNotPresent",
        value_parser = PossibleValuesParser::new(["Always", "IfNotPresent", "Never"])
    )]
    pull_policy: String,

    /// Secret with which nodes pull that image, in the namespace of the sale; may be given several
    /// times.
    #[arg(
        long = "worker-image-pull-secret",
        env = "FLASHSALE_WORKER_IMAGE_PULL_SECRET",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pull_secrets: Vec<String>,

    /// Address on which worker pods answer probes. `::` is every address of the pod, over IPv6 and
    /// IPv4; 0.0.0.0 where the node has no IPv6.
    #[arg(
        long = "worker-listen-address",
        env = "FLASHSALE_WORKER_LISTEN_ADDRESS",
        value_name = "ADDRESS",
        default_value = "::"
    )]
    listen_address: IpAddr,

    /// Further field of `spec.worker.podTemplate` that sales may set. Such a field can give their workers
    /// Secrets or rights that the author of a sale does not have. May be repeated.
    #[arg(
        long = "worker-pod-template-permit",
        env = "FLASHSALE_WORKER_POD_TEMPLATE_PERMIT",
        value_name = "FIELD",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(PERMITTABLE)
    )]
    permitted: Vec<String>,

    /// User that worker pods run as. Empty: the platform chooses one, as `OpenShift` does.
    #[arg(
        long = "worker-run-as-user",
        env = "FLASHSALE_WORKER_RUN_AS_USER",
        value_name = "UID",
        default_value = NOBODY,
        value_parser = |text: &str| ProcessId::parse(text, 1)
    )]
    run_as_user: ProcessId,

    /// Group that worker pods run as, and that may read the keys of certificates. Empty: the platform
    /// chooses one.
    #[arg(
        long = "worker-run-as-group",
        env = "FLASHSALE_WORKER_RUN_AS_GROUP",
        value_name = "GID",
        default_value = NOBODY,
        value_parser = |text: &str| ProcessId::parse(text, 0)
    )]
    run_as_group: ProcessId,
}

/// Nobody in particular, as in the image.
const NOBODY: &str = "65532";

/// A user or group; none when the platform chooses it.
#[derive(Debug, Clone, Copy)]
struct ProcessId(Option<i64>);

impl ProcessId {
    /// Reads an id of at least `least`, or nothing.
    fn parse(text: &str, least: i64) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let range = least..=i64::from(i32::MAX);
        let id = text.parse().ok().filter(|id| range.contains(id));
        let id =
            id.ok_or_else(|| format!("write a number from {least} to {}, or nothing", i32::MAX))?;
        Ok(Self(Some(id)))
    }
}

/// Where a sale that names no Secrets of its own finds its stores.
#[derive(Debug, Clone, Args)]
struct SecretArgs {
    /// Secret with the address of PostgreSQL under the key `url`, for sales without
    /// `spec.databaseSecretRef`.
    #[arg(
        long = "database-secret",
        env = "FLASHSALE_DATABASE_SECRET",
        value_name = "NAME",
        default_value = "flashsale-database"
    )]
    database: String,

    /// Secret with the address of PostgreSQL that workers get, under the key `url`, with a role that
    /// may settle and no more (`flashsale migrate --create-roles`). For sales that name no Secret of
    /// PostgreSQL themselves. Without it: `--database-secret`.
    #[arg(
        long = "worker-database-secret",
        env = "FLASHSALE_WORKER_DATABASE_SECRET",
        value_name = "NAME"
    )]
    worker_database: Option<String>,

    /// Secret with the address of Redis under the key `url`, for sales without
    /// `spec.redisSecretRef`.
    #[arg(
        long = "redis-secret",
        env = "FLASHSALE_REDIS_SECRET",
        value_name = "NAME",
        default_value = "flashsale-redis"
    )]
    redis: String,
}

/// Which of several operators works.
#[derive(Debug, Clone, Args)]
struct LeaseArgs {
    /// Whether to work only while holding the lease, so that several operators can stand by. With
    /// `false` nothing keeps two of them from working at once: for a single one by hand.
    #[arg(
        long,
        env = "FLASHSALE_LEADER_ELECT",
        default_value_t = true,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    leader_elect: bool,

    /// Name of the Lease that the operators of one installation share.
    #[arg(
        long,
        env = "FLASHSALE_LEASE_NAME",
        value_name = "NAME",
        default_value = "flashsale-operator"
    )]
    lease_name: String,

    /// Namespace of the Lease. Without it: the one the operator runs in.
    #[arg(long, env = "FLASHSALE_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,

    /// Who holds the lease; no two processes may share it. Without it: the host's name and
    /// something random.
    #[arg(long, env = "FLASHSALE_IDENTITY")]
    identity: Option<String>,

    /// A standby takes over when it saw the lease unchanged for this long.
    #[arg(
        long,
        env = "FLASHSALE_LEASE_DURATION_SECONDS",
        value_name = "SECONDS",
        default_value_t = 15
    )]
    lease_duration_seconds: u16,

    /// A leader that could not renew for this long stops and ends. Less than the lease's duration,
    /// so that it has stopped before another starts.
    #[arg(
        long,
        env = "FLASHSALE_RENEW_DEADLINE_SECONDS",
        value_name = "SECONDS",
        default_value_t = 10
    )]
    renew_deadline_seconds: u16,

    /// How often the leader renews; a released lease is taken over within this.
    #[arg(
        long,
        env = "FLASHSALE_RETRY_PERIOD_SECONDS",
        value_name = "SECONDS",
        default_value_t = 2
    )]
    retry_period_seconds: u16,
}

#[cfg(test)]
mod tests;
