//! Where Redis is: at one address, or at the one that Sentinel names.

use std::{fmt, io, sync::Arc, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::{sync::Mutex, time::timeout};

use super::ConnectError;

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
    pub(super) fn open(url: &str) -> Result<Self, ConnectError> {
        match url.split_once("+sentinel://") {
            Some((scheme @ ("redis" | "rediss"), rest)) => Self::sentinel(scheme, rest),
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

    /// The number of the database.
    #[must_use]
    pub fn database(&self) -> i64 {
        self.database
    }

    /// The server, if the address names it.
    pub(super) fn fixed(&self) -> Option<&Client> {
        match &self.place {
            Place::Server(client) => Some(client),
            Place::Sentinel(_) => None,
        }
    }

    /// A client for the server to write to at present.
    ///
    /// # Errors
    /// When no Sentinel names a primary that answers as one.
    pub(super) async fn primary(&self) -> RedisResult<Client> {
        match &self.place {
            Place::Server(client) => Ok(Client::clone(client)),
            Place::Sentinel(sentinel) => timeout(LOOKUP_LIMIT, async {
                sentinel.lock().await.async_get_client().await
            })
            .await
            .unwrap_or_else(|_| Err(no_primary())),
        }
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
    /// Reads what follows `redis+sentinel://`. Each host is put into an address of its own, which
    /// the client library reads: that knows about escapes, IPv6 and databases.
    fn parse(scheme: &str, rest: &str) -> RedisResult<Self> {
        let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(path_start);
        let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (path, suffix) = rest.split_at(path_end);
        let mut segments = path.trim_start_matches('/').splitn(2, '/');
        let name = segments.next().unwrap_or_default();
        let database = segments.next().unwrap_or_default();
        if name.is_empty() {
            return Err(refusal(
                "the name that the Sentinels know the primary by is missing",
            ));
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let address_of = |host: &str| {
            let colon = if has_port(host) { "" } else { ":" };
            let port = if has_port(host) {
                String::new()
            } else {
                SENTINEL_PORT.to_string()
            };
            format!("{scheme}://{login}{host}{colon}{port}/{database}{suffix}")
        };
        let addresses: Vec<String> = hosts.split(',').map(address_of).collect();
        let primary = addresses[0].as_str().into_connection_info()?;
        let own = own_settings(&addresses[0])?;
        let sentinels = addresses.iter().map(|address| {
            let info = address.as_str().into_connection_info()?;
            Ok(info
                .set_redis_settings(own.clone())
                .set_tcp_settings(tcp_settings()))
        });
        Ok(Self {
            sentinels: sentinels.collect::<RedisResult<_>>()?,
            name: name.to_owned(),
            primary,
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
