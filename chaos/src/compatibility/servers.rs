//! Which servers there are, and where their programs come from.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

use flashsale_testbed::{pgbouncer, postgres, redis as redis_server};
use tokio::process::Command;

use crate::error::ChaosError;

/// A server of a certain version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Redis 7.0, of Debian 12.
    Redis7,
    /// Redis 8.
    Redis8,
    /// Valkey 9.
    Valkey9,
    /// PostgreSQL 15, of Debian 12.
    Postgres15,
    /// PostgreSQL 18.
    Postgres18,
    /// PgBouncer 1.18, of Debian 12.
    PgBouncer118,
    /// PgBouncer 1.26.
    PgBouncer126,
}

impl Server {
    /// How the name and the version begin that it reports.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Redis7 => "Redis 7.0.",
            Self::Redis8 => "Redis 8.",
            Self::Valkey9 => "Valkey 9.",
            Self::Postgres15 => "PostgreSQL 15.",
            Self::Postgres18 => "PostgreSQL 18.",
            Self::PgBouncer118 => "PgBouncer 1.18.",
            Self::PgBouncer126 => "PgBouncer 1.26.",
        }
    }

    /// What `scripts/compat-servers` calls it, and its program in the directory of that name; none
    /// where it is the installed one.
    fn fetched(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Redis7 | Self::Postgres15 | Self::PgBouncer118 => None,
            Self::Redis8 => Some(("redis-8", "bin/redis-server")),
            Self::Valkey9 => Some(("valkey-9", "bin/valkey-server")),
            Self::Postgres18 => Some(("postgres-18", "bin/postgres")),
            Self::PgBouncer126 => Some(("pgbouncer-1.26", "bin/pgbouncer")),
        }
    }

    /// The variable by which the test bed is told of another program.
    fn variable(self) -> &'static str {
        match self {
            Self::Redis7 | Self::Redis8 | Self::Valkey9 => redis_server::PROGRAM_VARIABLE,
            Self::Postgres15 | Self::Postgres18 => postgres::PROGRAM_VARIABLE,
            Self::PgBouncer118 | Self::PgBouncer126 => pgbouncer::PROGRAM_VARIABLE,
        }
    }
}

/// Gets those of the servers that are not installed, and gives the directory in which they are. What
/// could not be had is missing there.
pub async fn fetch(script: &Path, servers: &[Server]) -> Result<PathBuf, ChaosError> {
    let names: BTreeSet<&str> = servers
        .iter()
        .filter_map(|server| server.fetched())
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() {
        return Ok(PathBuf::new());
    }
    let output = Command::new(script)
        .args(names)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(ChaosError::file(script))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let directory = text.lines().next_back().map(PathBuf::from);
    directory.ok_or_else(|| ChaosError::Wrong(format!("{} gave no directory", script.display())))
}

/// The variables by which the test bed starts these servers, of which some are in `directory`.
pub fn environment(
    servers: &[Server],
    directory: &Path,
) -> Result<Vec<(&'static str, PathBuf)>, ChaosError> {
    let mut environment = Vec::new();
    for server in servers {
        let Some((name, program)) = server.fetched() else {
            continue;
        };
        let program = directory.join(name).join(program);
        if !program.exists() {
            return Err(ChaosError::Wrong(format!(
                "{name} could not be had: `scripts/compat-servers {name}` says why"
            )));
        }
        environment.push((server.variable(), program));
    }
    Ok(environment)
}

/// Fails unless each of the servers reports a version of those that are meant.
pub(super) fn check(servers: &[Server], reported: &[String]) -> Result<(), ChaosError> {
    for (server, reported) in servers.iter().zip(reported) {
        let expected = server.expected();
        if !reported.starts_with(expected) {
            return Err(ChaosError::Wrong(format!(
                "this is {reported}, and the combination is about {expected}x"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_could_not_be_had_is_named() {
        let nowhere = Path::new("/nonexistent");
        let error = environment(&[Server::Redis7, Server::Valkey9], nowhere).unwrap_err();
        assert!(error.to_string().contains("valkey-9"), "{error}");
        assert!(environment(&[Server::Redis7], nowhere).unwrap().is_empty());
    }

    #[test]
    fn another_version_is_refused() {
        let reported = ["Redis 8.0.6".to_owned(), "PostgreSQL 15.20".to_owned()];
        check(&[Server::Redis8, Server::Postgres15], &reported).unwrap();
        let error = check(&[Server::Redis7, Server::Postgres15], &reported).unwrap_err();
        assert!(error.to_string().contains("8.0.6"), "{error}");
    }
}
