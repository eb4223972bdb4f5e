//! Where Redis is: one server, the primary that Sentinel names, or a cluster.

use std::{fmt, io, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use flashsale_transport::{
    CONNECT_TIMEOUT, Relay, Renewal, TlsSource, tcp_settings,
    tls::{Certificates, Peer},
};
use redis::{
    Client, ConnectionInfo, IntoConnectionInfo as _, RedisResult, TlsCertificates,
    cluster::ClusterClient, sentinel::SentinelClient,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    ConnectError,
    address::{Address, SentinelAddress, refusal},
    certificates::{explain, redis_certificates},
    cluster,
    destination::{Cluster, Destination, LOOKUP_LIMIT, Relayed, client},
    sentinel,
};

/// The port that Redis listens on by default.
const PORT: u16 = 6_379;

/// How often the client library sends a command again that a server of a cluster did not take: one
/// retry for each kind of redirection (`MOVED`, `ASK`), and one more.
const CLUSTER_RETRIES: u32 = 3;

/// The longest pause before such a retry.
const CLUSTER_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Finds the Redis server to write to. Nothing is connected yet.
#[derive(Clone)]
pub struct RedisClient {
    current: Arc<ArcSwap<Version>>,
    /// How the certificates are followed; none where they do not change.
    renewal: Option<Arc<Renewal>>,
    /// What is between this process and servers that somebody else chose.
    relay: Option<Relay>,
}

/// The client with the certificates of one moment.
struct Version {
    place: Place,
    relay: Option<Relay>,
    database: i64,
    /// Counts how often the certificates changed.
    number: u64,
}

#[derive(Clone)]
enum Place {
    /// The server at this address, whatever it is at the moment.
    Server(Box<Client>),
    /// The primary that Sentinel names. Clones ask one at a time, over the same connections.
    Sentinel(Arc<Mutex<SentinelClient>>),
    /// The same through a relay, which the client library's own lookup would go round.
    RelayedSentinel(Arc<sentinel::Lookup>),
    Cluster(Arc<Cluster>),
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
    ///
    /// With a `relay`, connections go through it.
    pub(super) fn open(
        url: &str,
        tls: &TlsSource,
        relay: Option<Relay>,
    ) -> Result<Self, ConnectError> {
        let uses_tls = is_tls(url);
        let certificates = tls.load(Peer::Redis)?;
        if !uses_tls && !certificates.is_empty() {
            tracing::warn!(
                "there are certificates for Redis, and its address does not begin with rediss: \
                 connections to it are not encrypted"
            );
        }
        let version = Version::open(url, &certificates, relay.clone(), 0)?;
        let watched = tls.watched().filter(|_| uses_tls);
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(version)),
            renewal: watched.map(|_| Arc::new(Renewal::new(url.into(), tls.clone(), certificates))),
            relay,
        })
    }

    /// Counts how often the certificates changed.
    pub(super) fn version(&self) -> u64 {
        self.current.load().number
    }

    /// Whether the certificates may change.
    pub(super) fn follows_certificates(&self) -> bool {
        self.renewal.is_some()
    }

    /// Takes the certificates that the files have now, unless they are the former ones or do not
    /// work.
    pub(super) async fn renew(&self) {
        let Some(renewal) = &self.renewal else {
            return;
        };
        let next = self.version() + 1;
        let connected = renewal
            .renew(Peer::Redis, async |url, certificates| {
                let version = Version::open(url, certificates, self.relay.clone(), next)
                    .map_err(|e| e.to_string())?;
                let candidate = Self {
                    current: Arc::new(ArcSwap::from_pointee(version)),
                    renewal: None,
                    relay: self.relay.clone(),
                };
                candidate
                    .try_to_connect()
                    .await
                    .map_err(|e| e.to_string())?;
                Ok(candidate)
            })
            .await;
        if let Some(candidate) = connected {
            self.current.store(candidate.current.load_full());
        }
    }

    async fn try_to_connect(&self) -> RedisResult<()> {
        let destination = self.destination().await?;
        let mut connection = destination.connect(CONNECT_TIMEOUT).await?;
        let ping = redis::cmd("PING").exec_async(&mut connection).await;
        ping.map_err(explain)
    }

    /// The number of the database.
    pub fn database(&self) -> i64 {
        self.current.load().database
    }

    /// The server, if it is known without a lookup and connected to without a relay.
    pub(super) fn fixed(&self) -> Option<Box<Client>> {
        match &self.current.load().place {
            Place::Server(client) if self.relay.is_none() => Some(client.clone()),
            _ => None,
        }
    }

    /// What is between this process and the servers, if there is anything.
    pub(super) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Whether the address is that of a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.current.load().place, Place::Cluster(_))
    }

    /// Whether Sentinel is asked for the primary.
    pub(super) fn asks_sentinel(&self) -> bool {
        matches!(
            self.current.load().place,
            Place::Sentinel(_) | Place::RelayedSentinel(_)
        )
    }

    /// Where to connect to at present.
    ///
    /// # Errors
    /// When no Sentinel names a primary that answers as one, or the servers are no cluster.
    pub(super) async fn destination(&self) -> RedisResult<Destination> {
        let version = self.current.load_full();
        let found = version.place.look_up().await.map_err(explain)?;
        Ok(match (found, &version.relay) {
            (Destination::Server(client), Some(relay)) => Destination::Relayed(Relayed {
                client,
                relay: relay.clone(),
            }),
            (found, _) => found,
        })
    }
}

impl Version {
    fn open(
        url: &str,
        private: &Certificates,
        relay: Option<Relay>,
        number: u64,
    ) -> Result<Self, ConnectError> {
        let certificates = is_tls(url)
            .then(|| redis_certificates(private))
            .transpose()?;
        // What stands before a `+` is the scheme of each server's own address.
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let relayed = relay.as_ref();
        let (place, database) = match scheme.split_once('+') {
            Some((scheme @ ("redis" | "rediss"), "sentinel")) => {
                Place::sentinel(scheme, rest, certificates, relayed)
            }
            Some((scheme @ ("redis" | "rediss"), "cluster")) => {
                Place::cluster(scheme, rest, certificates, relayed)
            }
            _ => Place::server(url, certificates.as_ref()),
        }
        .map_err(ConnectError::RedisAddress)?;
        Ok(Self {
            place,
            relay,
            database,
            number,
        })
    }
}

impl Place {
    fn server(url: &str, certificates: Option<&TlsCertificates>) -> RedisResult<(Self, i64)> {
        let address = url.into_connection_info()?.set_tcp_settings(tcp_settings());
        let database = address.redis_settings().db();
        let client = client(address, certificates)?;
        Ok((Self::Server(Box::new(client)), database))
    }

    fn sentinel(
        scheme: &str,
        rest: &str,
        certificates: Option<TlsCertificates>,
        relay: Option<&Relay>,
    ) -> RedisResult<(Self, i64)> {
        let address = SentinelAddress::parse(scheme, rest)?;
        let database = address.primary.redis_settings().db();
        if let Some(relay) = relay {
            let lookup = sentinel::Lookup::new(address, certificates, relay.clone());
            return Ok((Self::RelayedSentinel(Arc::new(lookup)), database));
        }
        let client = address.builder(certificates)?.build()?;
        Ok((Self::Sentinel(Arc::new(Mutex::new(client))), database))
    }

    fn cluster(
        scheme: &str,
        rest: &str,
        certificates: Option<TlsCertificates>,
        relay: Option<&Relay>,
    ) -> RedisResult<(Self, i64)> {
        let address = Address::parse(scheme, rest);
        if !address.path.trim_matches('/').is_empty() {
            return Err(refusal(
                "a cluster has one database, and nothing follows its hosts",
            ));
        }
        let servers = address.addresses(PORT, "", &tcp_settings())?;
        let with_certificates = servers.into_iter().map(|server| {
            let client = client(server, certificates.as_ref())?;
            Ok(client.get_connection_info().clone())
        });
        let servers: Vec<ConnectionInfo> = with_certificates.collect::<RedisResult<_>>()?;
        let mut builder = ClusterClient::builder(servers.clone())
            .tcp_settings(tcp_settings())
            .connection_timeout(CONNECT_TIMEOUT)
            .retries(CLUSTER_RETRIES)
            .max_retry_wait(u64::try_from(CLUSTER_RETRY_WAIT.as_millis()).unwrap_or(u64::MAX));
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates);
        }
        if let Some(relay) = relay {
            builder = builder.async_dns_resolver(relay.clone());
        }
        let cluster = Cluster {
            client: builder.build()?,
            servers,
            relay: relay.cloned(),
        };
        Ok((Self::Cluster(Arc::new(cluster)), 0))
    }

    /// Where to connect to at present.
    async fn look_up(&self) -> RedisResult<Destination> {
        match self {
            Place::Server(client) => Ok(Destination::Server(client.clone())),
            Place::Cluster(cluster) => {
                let checking = cluster::check_enabled(&cluster.servers, cluster.relay.as_ref());
                in_time("no server of the cluster answered", checking).await?;
                Ok(Destination::Cluster(Arc::clone(cluster)))
            }
            Place::RelayedSentinel(lookup) => {
                let primary = in_time("Sentinel named no primary", lookup.primary()).await?;
                Ok(Destination::Server(Box::new(primary)))
            }
            Place::Sentinel(sentinel) => {
                let asking = async { sentinel.lock().await.async_get_client().await };
                let primary = in_time("Sentinel named no primary", asking).await?;
                Ok(Destination::Server(Box::new(primary)))
            }
        }
    }
}

/// Whether connections to `url` are encrypted.
fn is_tls(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    matches!(
        scheme,
        "rediss" | "valkeys" | "rediss+sentinel" | "rediss+cluster"
    )
}

/// The answer to `looking_up`, or after [`LOOKUP_LIMIT`] an error that begins with `failed`.
async fn in_time<T>(
    failed: &str,
    looking_up: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    timeout(LOOKUP_LIMIT, looking_up).await.unwrap_or_else(|_| {
        let text = format!("{failed} within {} s", LOOKUP_LIMIT.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_its_hosts_and_nothing_more() {
        let (place, _) = Place::cluster("redis", ":secret@a,b:7000", None, None).unwrap();
        let Place::Cluster(cluster) = place else {
            panic!("no cluster");
        };
        let hosts = cluster.servers.iter().map(|info| info.addr().to_string());
        assert_eq!(hosts.collect::<Vec<_>>(), ["a:6379", "b:7000"]);
        for rest in ["", "a/1", "a,", "a:x"] {
            let refused =
                RedisClient::open(&format!("redis+cluster://{rest}"), &TlsSource::System, None);
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
            let refused = RedisClient::open(
                &format!("redis+sentinel://{rest}"),
                &TlsSource::System,
                None,
            );
            assert!(refused.is_err(), "{rest}");
        }
        assert!(RedisClient::open("postgres+sentinel://a/shop", &TlsSource::System, None).is_err());
    }
}
