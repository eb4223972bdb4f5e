//! A private Redis Cluster: primaries that share the slots, and a replica of each.

use std::{path::Path, time::Duration};

use redis::{Cmd, FromRedisValue, RedisError as ClientError, RedisResult};

use super::{
    answer::{self, Patience},
    data_dir::{DataDir, DataDirError},
    ports::{self, PortError},
    redis::{AppendFsync, Redis, RedisError, host, url_of_several},
    tls::Tls,
};

/// How many slots a cluster has.
const SLOTS: usize = 16_384;

/// How long a server has to be silent before the others take it for dead. Companies use 15 s.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

/// The servers have to know each other and to agree on the slots.
const START: Patience = Patience {
    interval: Duration::from_millis(100),
    longest: Duration::from_mins(1),
};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A server did not start.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A directory could not be made.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is no port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A server refused a command.
    #[error("a server of the cluster refused a command: {0}")]
    Command(#[from] ClientError),
    /// The servers do not agree in time.
    #[error("the cluster is not complete after {} s", START.longest.as_secs())]
    NotReady,
}

/// The servers: first the primaries, then a replica of each, in the same order.
#[derive(Debug)]
pub struct Cluster {
    /// The servers.
    pub servers: Vec<Redis>,
    primaries: usize,
}

impl Cluster {
    /// Starts `primaries` primaries and as many replicas. Comes back when every server sees all slots
    /// served, and every replica follows its primary.
    pub async fn start(primaries: usize, append_fsync: AppendFsync) -> Result<Self, ClusterError> {
        Self::start_with(primaries, append_fsync, None).await
    }

    /// The same with servers that speak TLS too, see [`Redis::start_with_tls`].
    pub async fn start_with_tls(
        primaries: usize,
        append_fsync: AppendFsync,
        certificates: &Path,
    ) -> Result<Self, ClusterError> {
        Self::start_with(primaries, append_fsync, Some(certificates)).await
    }

    async fn start_with(
        primaries: usize,
        append_fsync: AppendFsync,
        certificates: Option<&Path>,
    ) -> Result<Self, ClusterError> {
        let mut servers: Vec<Redis> = Vec::with_capacity(2 * primaries);
        for _ in 0..2 * primaries {
            let mut settings = vec![
                ("cluster-enabled", "yes".to_owned()),
                ("cluster-port", ports::free_port()?.to_string()),
                ("cluster-node-timeout", NODE_TIMEOUT.as_millis().to_string()),
            ];
            if let Some(certificates) = certificates {
                settings.extend(Tls::new(certificates)?.settings());
                // Only with these do servers before 7.2 tell clients that use TLS the other ports.
                settings.push(("tls-cluster", "yes".to_owned()));
                settings.push(("tls-replication", "yes".to_owned()));
            }
            let password = servers.first().map(|first| first.password().to_owned());
            let data_dir = DataDir::temporary()?;
            servers.push(Redis::start_member(&data_dir, append_fsync, password, settings).await?);
        }
        let cluster = Self { servers, primaries };
        cluster.meet().await?;
        cluster.share_slots().await?;
        cluster.replicate().await?;
        Ok(cluster)
    }

    /// `redis+cluster://:PASSWORD@HOST:PORT,…`, with all servers.
    pub fn url(&self) -> String {
        let hosts = self.servers.iter().map(|server| host(server.port()));
        url_of_several("redis+cluster", self.servers[0].password(), hosts)
    }

    /// `rediss+cluster://:PASSWORD@HOST:PORT,…`, with all servers; none without TLS.
    pub fn tls_url(&self) -> Option<String> {
        let ports = self.servers.iter().map(Redis::tls_port);
        let ports = ports.collect::<Option<Vec<u16>>>()?;
        let hosts = ports.into_iter().map(host);
        let password = self.servers[0].password();
        Some(url_of_several("rediss+cluster", password, hosts))
    }

    /// Asks the server at `position`.
    pub async fn ask<T: FromRedisValue>(&self, position: usize, command: &Cmd) -> RedisResult<T> {
        self.servers[position].ask(command).await
    }

    /// The id of the server at `position` in the cluster.
    pub async fn id(&self, position: usize) -> RedisResult<String> {
        self.ask(position, redis::cmd("CLUSTER").arg("MYID")).await
    }

    /// The position of the primary that has the slot of `key`, as the server at `asked` sees it.
    pub async fn primary_of(&self, asked: usize, key: &str) -> RedisResult<Option<usize>> {
        let slot: usize = self
            .ask(asked, redis::cmd("CLUSTER").arg("KEYSLOT").arg(key))
            .await?;
        let shards: String = self.ask(asked, redis::cmd("CLUSTER").arg("NODES")).await?;
        let port = shards.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let has = fields.iter().skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                matches!((first.parse::<usize>(), last.parse::<usize>()),
                    (Ok(first), Ok(last)) if (first..=last).contains(&slot))
            });
            let address = fields.get(1)?.split_once('@')?.0;
            has.then(|| address.rsplit_once(':')?.1.parse::<u16>().ok())?
        });
        Ok(port.and_then(|port| self.servers.iter().position(|server| server.port() == port)))
    }

    /// Moves the slot of `key` from the primary at `from` to the one at `to`, with all its keys, as
    /// `redis-cli --cluster reshard` does.
    pub async fn move_slot(&self, key: &str, from: usize, to: usize) -> Result<(), ClusterError> {
        let cluster = || redis::cmd("CLUSTER");
        let slot: u16 = self.ask(from, cluster().arg("KEYSLOT").arg(key)).await?;
        let (source, target) = (self.id(from).await?, self.id(to).await?);
        let set = |state: &str, id: &str| {
            let mut command = cluster();
            command.arg("SETSLOT").arg(slot).arg(state).arg(id);
            command
        };
        let () = self.ask(to, &set("IMPORTING", &source)).await?;
        let () = self.ask(from, &set("MIGRATING", &target)).await?;
        loop {
            let keys: Vec<String> = self
                .ask(from, cluster().arg("GETKEYSINSLOT").arg(slot).arg(10))
                .await?;
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(self.servers[to].port())
                .arg("")
                .arg(0)
                .arg(5000)
                .arg("AUTH")
                .arg(self.servers[to].password())
                .arg("KEYS")
                .arg(keys);
            let () = self.ask(from, &migrate).await?;
        }
        for position in [to, from] {
            let () = self.ask(position, &set("NODE", &target)).await?;
        }
        Ok(())
    }

    /// Waits until every replica has what its primary has.
    pub async fn replicas_have_everything(&self) -> Result<(), ClusterError> {
        let offset = async |position| -> RedisResult<Option<String>> {
            let info = self.replication(position).await?;
            let mut lines = info.lines();
            Ok(lines.find_map(|line| Some(line.strip_prefix("master_repl_offset:")?.to_owned())))
        };
        self.until(async |position| {
            if position < self.primaries {
                return Ok(true);
            }
            Ok(offset(position).await? == offset(position - self.primaries).await?)
        })
        .await
    }

    async fn replication(&self, position: usize) -> RedisResult<String> {
        self.ask(position, redis::cmd("INFO").arg("replication"))
            .await
    }

    async fn meet(&self) -> Result<(), ClusterError> {
        for other in &self.servers[1..] {
            let mut meet = redis::cmd("CLUSTER");
            let port = other.tls_port().unwrap_or(other.port());
            meet.arg("MEET").arg("127.0.0.1").arg(port);
            meet.arg(other.cluster_port());
            let () = self.ask(0, &meet).await?;
        }
        self.until(async |position| {
            let nodes: String = self
                .ask(position, redis::cmd("CLUSTER").arg("NODES"))
                .await?;
            let known = nodes.lines().filter(|line| !line.contains("handshake"));
            Ok(known.count() == self.servers.len())
        })
        .await
    }

    async fn share_slots(&self) -> Result<(), ClusterError> {
        for position in 0..self.primaries {
            let first = position * SLOTS / self.primaries;
            let last = (position + 1) * SLOTS / self.primaries - 1;
            let mut add = redis::cmd("CLUSTER");
            add.arg("ADDSLOTSRANGE").arg(first).arg(last);
            let () = self.ask(position, &add).await?;
        }
        self.until(async |position| {
            let info: String = self
                .ask(position, redis::cmd("CLUSTER").arg("INFO"))
                .await?;
            Ok(info.contains("cluster_state:ok"))
        })
        .await
    }

    async fn replicate(&self) -> Result<(), ClusterError> {
        for primary in 0..self.primaries {
            let mut replicate = redis::cmd("CLUSTER");
            replicate.arg("REPLICATE").arg(self.id(primary).await?);
            let () = self.ask(self.primaries + primary, &replicate).await?;
        }
        self.until(async |position| {
            let info = self.replication(position).await?;
            let wanted = if position < self.primaries {
                "state=online"
            } else {
                "master_link_status:up"
            };
            Ok(info.contains(wanted))
        })
        .await
    }

    /// Waits until `condition` holds at every server.
    async fn until(
        &self,
        condition: impl AsyncFn(usize) -> RedisResult<bool>,
    ) -> Result<(), ClusterError> {
        let in_time = answer::all(0..self.servers.len(), START, condition).await?;
        in_time.then_some(()).ok_or(ClusterError::NotReady)
    }
}
