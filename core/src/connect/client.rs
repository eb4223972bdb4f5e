//! Where Redis is: one server, the primary that Sentinel names, or a cluster.

use std::{fmt, io, sync::Arc, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode,
    cluster::ClusterClient,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::{sync::Mutex, time::timeout};

use super::{CONNECT_TIMEOUT, ConnectError, cluster};

/// The port that Redis listens on by default.
const PORT: u16 = 6_379;

/// The port that Sentinel listens on by default.
const SENTINEL_PORT: u16 = 26_379;

/// How long finding the primary may take. The client library asks three Sentinels at a time, and
/// gives up one that is silent after a second and a half.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// How long nothing may come from Redis before TCP asks whether the other host is still there, and
/// how often it asks then. A command has its own, shorter time limit; this is for connections on
/// which nothing is asked for.
const KEEPALIVE_TIME: Duration = Duration::from_secs(10);

/// Pause between two of TCP's questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long what was sent may stay unacknowledged by the other host before TCP gives the connection
/// up; by itself it would try for a quarter of an hour.
#[cfg(target_os = "linux")]
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);

/// How often the client library sends a command again that a server of a cluster did not take: one
/// retry for each kind of redirection (`MOVED`, `ASK`), and one more.
const CLUSTER_RETRIES: u32 = 3;

/// The longest pause before such a retry.
const CLUSTER_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Finds the Redis server to write to. Nothing is connected yet.
#[derive(Clone)]
pub struct RedisClient {
    place: Place,
    database: i64,
}

#[derive(Clone)]
enum Place {
    /// The server at this address, whatever it is at the moment.
    Server(Box<Client>),
    /// The primary that Sentinel names. Clones ask one at a time, over the same connections.
    Sentinel(Arc<Mutex<SentinelClient>>),
    Cluster(Arc<Cluster>),
}

/// A cluster, and some of its servers.
pub(super) struct Cluster {
    client: ClusterClient,
    servers: Vec<ConnectionInfo>,
}

/// Where a connection leads to.
#[derive(Clone)]
pub(super) enum Destination {
    Server(Box<Client>),
    Cluster(Arc<Cluster>),
}

impl Cluster {
    /// The client that connects to all servers.
    pub(super) fn client(&self) -> &ClusterClient {
        &self.client
    }

    /// The servers that the address names.
    pub(super) fn servers(&self) -> &[ConnectionInfo] {
        &self.servers
    }
}

impl fmt::Debug for RedisClient {
    /// The address has a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisClient")
            .finish_non_exhaustive()
    }
}

impl RedisClient {
    /// A client for one of these addresses; with `rediss` for `redis`, TLS is used for all
    /// connections.
    ///
    /// | address | leads to |
    /// |---|---|
    /// | `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]` | that server |
    /// | `redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT][,…]/NAME[/DATABASE][?sentinel_username=…][&sentinel_password=…]` | the primary that the Sentinels at these hosts know by this name; user and password are those of the primary |
    /// | `redis+cluster://[[USER]:PASSWORD@]HOST[:PORT][,…]` | the cluster that these servers belong to |
    pub(super) fn open(url: &str) -> Result<Self, ConnectError> {
        match url.split_once("://") {
            Some(("redis+sentinel", rest)) => Self::sentinel("redis", rest),
            Some(("rediss+sentinel", rest)) => Self::sentinel("rediss", rest),
            Some(("redis+cluster", rest)) => Self::cluster("redis", rest),
            Some(("rediss+cluster", rest)) => Self::cluster("rediss", rest),
            _ => Self::server(url),
        }
        .map_err(ConnectError::RedisAddress)
    }

    fn server(url: &str) -> RedisResult<Self> {
        let address = url.into_connection_info()?.set_tcp_settings(tcp_settings());
        let database = address.redis_settings().db();
        Ok(Self {
            place: Place::Server(Box::new(Client::open(address)?)),
            database,
        })
    }

    fn sentinel(scheme: &str, rest: &str) -> RedisResult<Self> {
        let address = SentinelAddress::parse(scheme, rest)?;
        let database = address.primary.redis_settings().db();
        let mut primary = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(address.primary.redis_settings().clone())
            .set_tcp_settings(tcp_settings());
        if let ConnectionAddr::TcpTls { insecure, .. } = address.primary.addr() {
            primary = primary.set_tls_mode(if *insecure {
                TlsMode::Insecure
            } else {
                TlsMode::Secure
            });
        }
        let client = SentinelClient::build(
            address.sentinels,
            address.name,
            Some(primary),
            SentinelServerType::Master,
        )?;
        Ok(Self {
            place: Place::Sentinel(Arc::new(Mutex::new(client))),
            database,
        })
    }

    fn cluster(scheme: &str, rest: &str) -> RedisResult<Self> {
        let address = Address::parse(scheme, rest);
        if !address.path.trim_matches('/').is_empty() {
            return Err(refusal(
                "a cluster has one database, and nothing follows its hosts",
            ));
        }
        let servers = address.addresses(PORT, "", &tcp_settings())?;
        let client = ClusterClient::builder(servers.clone())
            .tcp_settings(tcp_settings())
            .connection_timeout(CONNECT_TIMEOUT)
            .retries(CLUSTER_RETRIES)
            .max_retry_wait(u64::try_from(CLUSTER_RETRY_WAIT.as_millis()).unwrap_or(u64::MAX))
            .build()?;
        Ok(Self {
            place: Place::Cluster(Arc::new(Cluster { client, servers })),
            database: 0,
        })
    }

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> i64 {
        self.database
    }

    /// Where to connect to, if that is known without a lookup.
    pub(super) fn fixed(&self) -> Option<Destination> {
        match &self.place {
            Place::Server(client) => Some(Destination::Server(client.clone())),
            Place::Cluster(_) | Place::Sentinel(_) => None,
        }
    }

    /// Whether the address is that of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// Whether Sentinel is asked for the primary.
    pub(super) fn asks_sentinel(&self) -> bool {
        matches!(self.place, Place::Sentinel(_))
    }

    /// Where to connect to at present.
    ///
    /// # Errors
    /// When no Sentinel names a primary that answers as one, or the servers are no cluster.
    pub(super) async fn destination(&self) -> RedisResult<Destination> {
        match &self.place {
            Place::Server(client) => Ok(Destination::Server(client.clone())),
            Place::Cluster(cluster) => {
                let checked = timeout(LOOKUP_LIMIT, cluster::check_enabled(cluster.servers()));
                checked.await.unwrap_or_else(|_| Err(no_answer()))?;
                Ok(Destination::Cluster(Arc::clone(cluster)))
            }
            Place::Sentinel(sentinel) => {
                let primary = timeout(LOOKUP_LIMIT, async {
                    sentinel.lock().await.async_get_client().await
                });
                let primary = primary.await.unwrap_or_else(|_| Err(no_primary()))?;
                Ok(Destination::Server(Box::new(primary)))
            }
        }
    }
}

/// What follows `redis+sentinel://` or `redis+cluster://`, in parts.
#[derive(Debug)]
struct Address<'a> {
    scheme: &'a str,
    /// `USER:PASSWORD@`, or nothing.
    login: &'a str,
    hosts: &'a str,
    path: &'a str,
    /// Query and fragment.
    suffix: &'a str,
}

impl<'a> Address<'a> {
    fn parse(scheme: &'a str, rest: &'a str) -> Self {
        let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_ends);
        let path_ends = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, suffix) = rest.split_at(path_ends);
        let login_ends = authority.rfind('@').map_or(0, |at| at + 1);
        let (login, hosts) = authority.split_at(login_ends);
        Self {
            scheme,
            login,
            hosts,
            path,
            suffix,
        }
    }

    /// Each host in an address of its own, which the client library can read: it knows about escapes,
    /// IPv6 and databases.
    fn texts(&self, default_port: u16, database: &str) -> Vec<String> {
        let Self {
            scheme,
            login,
            suffix,
            ..
        } = self;
        let text = |host: &str| {
            let port = if has_port(host) {
                String::new()
            } else {
                format!(":{default_port}")
            };
            format!("{scheme}://{login}{host}{port}/{database}{suffix}")
        };
        self.hosts.split(',').map(text).collect()
    }

    fn addresses(
        &self,
        default_port: u16,
        database: &str,
        tcp: &TcpSettings,
    ) -> RedisResult<Vec<ConnectionInfo>> {
        let texts = self.texts(default_port, database);
        let read = texts.iter().map(|text| {
            let address = text.as_str().into_connection_info()?;
            Ok(address.set_tcp_settings(tcp.clone()))
        });
        read.collect()
    }
}

/// What an address of Sentinels says.
#[derive(Debug)]
struct SentinelAddress {
    sentinels: Vec<ConnectionInfo>,
    name: String,
    /// How to speak to the primary. Its host is a Sentinel's, and means nothing.
    primary: ConnectionInfo,
}

impl SentinelAddress {
    fn parse(scheme: &str, rest: &str) -> RedisResult<Self> {
        let address = Address::parse(scheme, rest);
        let path = address.path.trim_start_matches('/');
        let (name, database) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            return Err(refusal(
                "the name that the Sentinels know the primary by is missing",
            ));
        }
        let own = own_settings(&address.texts(SENTINEL_PORT, "")[0])?;
        let addresses = address.addresses(SENTINEL_PORT, database, &tcp_settings())?;
        Ok(Self {
            primary: addresses[0].clone(),
            sentinels: addresses
                .into_iter()
                .map(|address| address.set_redis_settings(own.clone()))
                .collect(),
            name: name.to_owned(),
        })
    }
}

/// How to speak to the Sentinels themselves.
fn own_settings(address: &str) -> RedisResult<RedisConnectionInfo> {
    let url = redis::parse_redis_url(address).ok_or_else(|| refusal("it is not a URL"))?;
    let mut settings = RedisConnectionInfo::default();
    for (name, value) in url.query_pairs() {
        settings = match &*name {
            "sentinel_username" => settings.set_username(value),
            "sentinel_password" => settings.set_password(value),
            "protocol" => settings,
            _ => {
                return Err(refusal(
                    "the only parameters are sentinel_username, sentinel_password and protocol",
                ));
            }
        };
    }
    Ok(settings)
}

fn has_port(host: &str) -> bool {
    // An IPv6 address is in brackets.
    host.rsplit_once(']')
        .map_or(host, |(_, rest)| rest)
        .contains(':')
}

fn refusal(why: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, why).into()
}

fn no_answer() -> RedisError {
    let text = format!(
        "no server of the cluster answered within {} s",
        LOOKUP_LIMIT.as_secs()
    );
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

fn no_primary() -> RedisError {
    let text = format!(
        "Sentinel named no primary within {} s",
        LOOKUP_LIMIT.as_secs()
    );
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL);
    // Commands are small, and each is waited for.
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(TCP_USER_TIMEOUT);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinels(rest: &str) -> SentinelAddress {
        SentinelAddress::parse("redis", rest).unwrap()
    }

    #[test]
    fn every_host_is_a_sentinel() {
        let address = sentinels("a,b:7000,[::1],[::2]:7001/shop");
        let hosts = address.sentinels.iter().map(|info| info.addr().to_string());
        let hosts: Vec<String> = hosts.collect();
        assert_eq!(hosts, ["a:26379", "b:7000", "::1:26379", "::2:7001"]);
        assert_eq!(address.name, "shop");
    }

    #[test]
    fn the_primary_and_the_sentinels_have_logins_of_their_own() {
        let address =
            sentinels("ann:p%40ss@a,b/shop/3?sentinel_username=watch&sentinel_password=s%2Fw");
        let primary = address.primary.redis_settings();
        assert_eq!(primary.username(), Some("ann"));
        assert_eq!(primary.password(), Some("p@ss"));
        assert_eq!(primary.db(), 3);
        for sentinel in address.sentinels {
            let settings = sentinel.redis_settings();
            assert_eq!(settings.username(), Some("watch"));
            assert_eq!(settings.password(), Some("s/w"));
            assert_eq!(settings.db(), 0);
        }
    }

    #[test]
    fn a_cluster_is_its_hosts_and_nothing_more() {
        let client = RedisClient::open("rediss+cluster://:secret@a,b:7000").unwrap();
        let Place::Cluster(cluster) = client.place else {
            panic!("no cluster");
        };
        let hosts = cluster.servers().iter().map(|info| info.addr().to_string());
        assert_eq!(hosts.collect::<Vec<_>>(), ["a:6379", "b:7000"]);
        for rest in ["", "a/1", "a,", "a:x"] {
            let refused = RedisClient::open(&format!("redis+cluster://{rest}"));
            assert!(refused.is_err(), "{rest}");
        }
    }

    #[test]
    fn an_address_that_says_too_little_or_too_much_is_refused() {
        for rest in [
            "",
            "a",
            "a/",
            "/shop",
            "a,/shop",
            "a/shop/x",
            "a/shop?sentinel=1",
            "a:x/shop",
        ] {
            let refused = RedisClient::open(&format!("redis+sentinel://{rest}"));
            assert!(refused.is_err(), "{rest}");
        }
        assert!(RedisClient::open("postgres+sentinel://a/shop").is_err());
    }
}
