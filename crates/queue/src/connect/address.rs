//! What the address of Sentinels or of a cluster says: several hosts, and what follows them.

use flashsale_transport::tcp_settings;
use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError, RedisResult, TlsCertificates, TlsMode,
    io::tcp::TcpSettings,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

/// The port that Sentinel listens on by default.
const SENTINEL_PORT: u16 = 26_379;

/// What follows `redis+sentinel://` or `redis+cluster://`, in parts.
#[derive(Debug)]
pub(super) struct Address<'a> {
    scheme: &'a str,
    /// `USER:PASSWORD@`, or nothing.
    login: &'a str,
    hosts: &'a str,
    pub(super) path: &'a str,
    /// Query and fragment.
    suffix: &'a str,
}

impl<'a> Address<'a> {
    pub(super) fn parse(scheme: &'a str, rest: &'a str) -> Self {
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

    pub(super) fn addresses(
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
pub(super) struct SentinelAddress {
    pub(super) sentinels: Vec<ConnectionInfo>,
    pub(super) name: String,
    /// How to speak to the primary. Its host is a Sentinel's, and means nothing.
    pub(super) primary: ConnectionInfo,
}

impl SentinelAddress {
    pub(super) fn parse(scheme: &str, rest: &str) -> RedisResult<Self> {
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

    /// A client that finds the primary, with these certificates.
    pub(super) fn builder(
        self,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<SentinelClientBuilder> {
        let hosts = self.sentinels.iter().map(|info| info.addr().clone());
        let mut builder = SentinelClientBuilder::new(hosts, self.name, SentinelServerType::Master)?
            .set_client_to_redis_tcp_settings(tcp_settings())
            .set_client_to_sentinel_tcp_settings(tcp_settings());
        let primary = self.primary.redis_settings();
        builder = builder
            .set_client_to_redis_db(primary.db())
            .set_client_to_redis_protocol(primary.protocol());
        if let Some(name) = primary.username() {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = primary.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        let own = self.sentinels.first().map(ConnectionInfo::redis_settings);
        if let Some(name) = own.and_then(RedisConnectionInfo::username) {
            builder = builder.set_client_to_sentinel_username(name);
        }
        if let Some(password) = own.and_then(RedisConnectionInfo::password) {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let ConnectionAddr::TcpTls { insecure, .. } = self.primary.addr() {
            builder = builder.set_client_to_redis_tls_mode(if *insecure {
                TlsMode::Insecure
            } else {
                TlsMode::Secure
            });
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        Ok(builder)
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

pub(super) fn refusal(why: &'static str) -> RedisError {
    (ErrorKind::InvalidClientConfig, why).into()
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
}
