//! What the figures were taken on: without it they mean nothing.

use std::{fs, num::NonZero, thread};

use nix::sys::statfs::{self, TMPFS_MAGIC};
use serde::Serialize;

use crate::{
    environment::Stores,
    error::{Result, wrong},
    metrics::Unit,
};

/// Share of the processor that other programs may use before it is worth a warning: what a system
/// at rest does beside.
const OTHERS_MAY_USE: f64 = 0.05;

/// The machine, and the settings that durability depends on, as the servers tell them.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    /// The processor's name; none where the system does not tell.
    pub(crate) processor: Option<String>,
    /// Cores that this process may use.
    pub(crate) cores: usize,
    pub(crate) postgres: String,
    pub(crate) fsync: String,
    pub(crate) synchronous_commit: String,
    pub(crate) redis: String,
    /// Whether the servers' files are in memory, where syncing them costs nothing.
    pub(crate) in_memory: bool,
    /// The greatest share of the processor that other programs used during a round.
    pub(crate) others_used: f64,
    /// Whether this program was built without optimization.
    pub(crate) debug_build: bool,
}

impl Machine {
    /// Asks the system and the servers.
    pub(crate) async fn look(stores: &Stores) -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok();
        let redis = stores.info("server").await?.get("redis_version");
        Ok(Self {
            processor: cpuinfo.as_deref().and_then(processor),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            postgres: setting(stores, "SHOW server_version").await?,
            fsync: setting(stores, "SHOW fsync").await?,
            synchronous_commit: setting(stores, "SHOW synchronous_commit").await?,
            redis: redis.ok_or_else(|| wrong("Redis does not tell its version"))?,
            // Where the system does not tell, no warning is given.
            in_memory: statfs::statfs(stores.data_dir.path())
                .is_ok_and(|status| status.filesystem_type() == TMPFS_MAGIC),
            others_used: 0.0,
            debug_build: cfg!(debug_assertions),
        })
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "{}, {} cores; PostgreSQL {} (fsync {}, synchronous_commit {}), Redis {}",
            self.processor.as_deref().unwrap_or("unknown processor"),
            self.cores,
            self.postgres,
            self.fsync,
            self.synchronous_commit,
            self.redis
        )
    }

    /// What takes the meaning from the figures, if anything does.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.debug_build {
            let text = "this is a debug build, use `make bench`: the figures mean nothing";
            warnings.push(text.to_owned());
        }
        if self.others_used > OTHERS_MAY_USE {
            warnings.push(format!(
                "other programs used up to {} of the processor: the figures are too low, and more \
                 so where several processes work together than where one does",
                Unit::Share.format(self.others_used)
            ));
        }
        if self.in_memory {
            let text = "the servers' files are in memory, where syncing is free: set TMPDIR to a \
                        directory on a disk";
            warnings.push(text.to_owned());
        }
        warnings
    }
}

async fn setting(stores: &Stores, statement: &'static str) -> Result<String> {
    let setting = sqlx::query_scalar(statement);
    Ok(setting.fetch_one(stores.ledger.pool()).await?)
}

fn processor(cpuinfo: &str) -> Option<String> {
    let mut lines = cpuinfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_its_name_in_cpuinfo() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n";
        assert_eq!(processor(cpuinfo).as_deref(), Some("Some CPU @ 3 GHz"));
        assert_eq!(processor("processor : 0"), None);
    }
}
