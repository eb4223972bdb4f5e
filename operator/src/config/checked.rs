//! Settings that were checked; what is wrong is said before anything starts.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use flashsale_telemetry::memory;

use super::{Allowed, OperatorArgs};

/// A namespace or the name of a Secret, an image pull secret or a Lease is at most this long.
const LONGEST_NAME: usize = 253;

/// What the controller has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The namespaces to watch, each once; none: all.
    pub namespaces: Vec<String>,
    /// The class of FlashSales to look after; `None`: those without a class.
    pub class: Option<String>,
    /// What the workers of every sale have in common.
    pub worker: WorkerDefaults,
    /// Name of the Secret with PostgreSQL's address, unless the sale names another.
    pub database_secret: String,
    /// Name of the Secret with PostgreSQL's address for workers, unless the sale names one; `None`:
    /// the one above.
    pub worker_database_secret: Option<String>,
    /// Name of the Secret with Redis's address, unless the sale names another.
    pub redis_secret: String,
    /// What FlashSales may name.
    pub allowed: Allowed,
    /// Bytes of memory that the process may have, if there is a limit.
    pub memory_limit: Option<u64>,
}

/// What the workers of every sale have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerDefaults {
    /// Image that holds `/flashsale-worker`.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: String,
    /// Names of the Secrets to pull it with, in the sale's namespace.
    pub pull_secrets: Vec<String>,
    /// Address on which their pods answer probes.
    pub listen_address: IpAddr,
    /// Fields of a sale's pod template that count besides those of the list.
    pub permitted: BTreeSet<String>,
    /// User that they run as; none: the platform chooses one.
    pub run_as_user: Option<i64>,
    /// Group that they run as; none: the platform chooses one.
    pub run_as_group: Option<i64>,
}

#[cfg(test)]
impl Settings {
    /// Those of an operator of all namespaces, with the Secrets `owner` and `cache`.
    pub(crate) fn example() -> Self {
        Self {
            namespaces: Vec::new(),
            class: None,
            worker: WorkerDefaults {
                image: "flashsale:test".to_owned(),
                pull_policy: "Never".to_owned(),
                pull_secrets: Vec::new(),
                listen_address: std::net::Ipv6Addr::UNSPECIFIED.into(),
                permitted: BTreeSet::new(),
                run_as_user: None,
                run_as_group: None,
            },
            database_secret: "owner".to_owned(),
            worker_database_secret: None,
            redis_secret: "cache".to_owned(),
            allowed: Allowed::default(),
            memory_limit: None,
        }
    }
}

/// How operators agree on which of them works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSettings {
    /// Name of the Lease.
    pub name: String,
    /// Its namespace; `None`: the one the operator runs in.
    pub namespace: Option<String>,
    /// How long everything may take.
    pub timings: LeaseTimings,
}

/// How long everything about a lease may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimings {
    /// A standby takes over when it saw the lease unchanged for this long. Whole seconds.
    pub duration: Duration,
    /// A leader that could not renew for this long stops.
    pub renew_deadline: Duration,
    /// How often a leader renews. A standby looks after half to three quarters of it, at random.
    pub retry_period: Duration,
}

/// Why the operator cannot run as it was told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Workers without an image.
    #[error("no worker image: give --worker-image, e.g. ghcr.io/flashsale/flashsale:0.1.0")]
    NoWorkerImage,
    /// Something that Kubernetes takes for no name.
    #[error(
        "{flag} `{value}` is no name in Kubernetes: write lower-case letters, digits, `-` and `.`, \
         beginning and ending with a letter or digit"
    )]
    Name {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// The holder of a lease needs a name.
    #[error("--identity is empty: leave it out, or give each operator another")]
    NoIdentity,
    /// Two operators could work at once.
    #[error(
        "--lease-duration-seconds ({duration}) must be more than --renew-deadline-seconds \
         ({deadline}): a leader must have stopped before another starts"
    )]
    ShortLease {
        /// For how long others leave the lease alone, in seconds.
        duration: u16,
        /// For how long a leader works without a renewal, in seconds.
        deadline: u16,
    },
    /// The lease could be lost for nothing.
    #[error(
        "--renew-deadline-seconds ({deadline}) must be more than 1.2 times --retry-period-seconds \
         ({retry}): one slow answer must not cost the lease"
    )]
    ShortDeadline {
        /// For how long a leader works without a renewal, in seconds.
        deadline: u16,
        /// How often it renews, in seconds.
        retry: u16,
    },
    /// A wait of nothing.
    #[error("--retry-period-seconds must be at least 1: 0 would ask the API server without pause")]
    NoRetryPeriod,
}

impl OperatorArgs {
    /// What the controller has to know.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let image = self.worker.image.clone().unwrap_or_default();
        if image.trim().is_empty() {
            return Err(ConfigError::NoWorkerImage);
        }
        let secrets = &self.secrets;
        let pull_secrets = &self.worker.pull_secrets;
        let mut namespaces = self.namespaces.clone();
        for name in &namespaces {
            check_name("--namespace", name)?;
        }
        namespaces.sort_unstable();
        namespaces.dedup();
        if let Some(name) = &self.class {
            check_name("--operator-class", name)?;
        }
        check_name("--database-secret", &secrets.database)?;
        if let Some(name) = &secrets.worker_database {
            check_name("--worker-database-secret", name)?;
        }
        check_name("--redis-secret", &secrets.redis)?;
        for name in pull_secrets {
            check_name("--worker-image-pull-secret", name)?;
        }
        Ok(Settings {
            namespaces,
            class: self.class.clone(),
            worker: WorkerDefaults {
                image,
                pull_policy: self.worker.pull_policy.clone(),
                pull_secrets: pull_secrets.clone(),
                listen_address: self.worker.listen_address,
                permitted: self.worker.permitted.iter().cloned().collect(),
                run_as_user: self.worker.run_as_user.0,
                run_as_group: self.worker.run_as_group.0,
            },
            database_secret: secrets.database.clone(),
            worker_database_secret: secrets.worker_database.clone(),
            redis_secret: secrets.redis.clone(),
            allowed: self.allowed.clone(),
            memory_limit: self.memory_limit_bytes.or_else(memory::limit_bytes),
        })
    }

    /// How operators agree on which of them works; `None`: this one works without asking.
    pub fn lease(&self) -> Result<Option<LeaseSettings>, ConfigError> {
        let lease = &self.lease;
        if !lease.leader_elect {
            return Ok(None);
        }
        check_name("--lease-name", &lease.lease_name)?;
        if let Some(name) = &lease.lease_namespace {
            check_name("--lease-namespace", name)?;
        }
        check_timings(
            lease.lease_duration_seconds,
            lease.renew_deadline_seconds,
            lease.retry_period_seconds,
        )?;
        Ok(Some(LeaseSettings {
            name: lease.lease_name.clone(),
            namespace: lease.lease_namespace.clone(),
            timings: LeaseTimings {
                duration: Duration::from_secs(lease.lease_duration_seconds.into()),
                renew_deadline: Duration::from_secs(lease.renew_deadline_seconds.into()),
                retry_period: Duration::from_secs(lease.retry_period_seconds.into()),
            },
        }))
    }

    /// Who this process is among the operators: what was given, or the host's name and something
    /// random, since two processes of one host must not take each other for themselves.
    pub fn identity(&self) -> Result<String, ConfigError> {
        match &self.lease.identity {
            Some(identity) if identity.trim().is_empty() => Err(ConfigError::NoIdentity),
            Some(identity) => Ok(identity.clone()),
            None => Ok(format!("{}_{:016x}", host_name(), rand::random::<u64>())),
        }
    }
}

/// The rules of client-go: a leader gives up before another starts, and has more than one attempt
/// (with its jitter) until then.
fn check_timings(duration: u16, deadline: u16, retry: u16) -> Result<(), ConfigError> {
    if retry == 0 {
        return Err(ConfigError::NoRetryPeriod);
    }
    if duration <= deadline {
        return Err(ConfigError::ShortLease { duration, deadline });
    }
    if u32::from(deadline) * 5 <= u32::from(retry) * 6 {
        return Err(ConfigError::ShortDeadline { deadline, retry });
    }
    Ok(())
}

fn check_name(flag: &'static str, value: &str) -> Result<(), ConfigError> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = value.len() <= LONGEST_NAME
        && value.starts_with(word)
        && value.ends_with(word)
        && value.chars().all(|c| word(c) || c == '-' || c == '.');
    if good {
        Ok(())
    } else {
        Err(ConfigError::Name {
            flag,
            value: value.to_owned(),
        })
    }
}

/// In a pod the name of the pod.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "flashsale-operator".to_owned())
}
