//! Where a gateway is.

use url::{Host, Url};

/// A gateway's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    prefix: String,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no URL.
    #[error("`{url}` is no address ({source}); write e.g. http://127.0.0.1:8080")]
    Malformed {
        /// What was given.
        url: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// It is of another kind.
    #[error(
        "`{0}` is not plain http; TLS ends in front of the gateway, so aim behind that, e.g. http://127.0.0.1:8080"
    )]
    NotHttp(String),
}

impl Target {
    /// Reads `http://HOST[:PORT][/PREFIX]`.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let parsed = Url::parse(url).map_err(|source| TargetError::Malformed {
            url: url.to_owned(),
            source,
        })?;
        let host = match (parsed.scheme(), parsed.host()) {
            ("http", Some(Host::Ipv6(address))) => address.to_string(),
            ("http", Some(host)) => host.to_string(),
            _ => return Err(TargetError::NotHttp(url.to_owned())),
        };
        Ok(Self {
            host,
            port: parsed.port().unwrap_or(80),
            prefix: parsed.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Aims at the same of another host: a name, or an address without brackets.
    pub fn set_host(&mut self, host: &str) {
        host.clone_into(&mut self.host);
    }

    /// Host and port, for a socket.
    pub fn socket(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The value of the header `Host`.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The path of a call, e.g. `/buy`.
    pub fn path(&self, call: &str) -> String {
        format!("{}{call}", self.prefix)
    }

    /// The whole address again.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_prefix() {
        let target = Target::parse("http://shop.example.com/api/").unwrap();
        assert_eq!(target.socket(), ("shop.example.com", 80));
        assert_eq!(target.path("/buy"), "/api/buy");
        assert_eq!(target.url(), "http://shop.example.com:80/api");
        let local = Target::parse("http://[::1]:8080").unwrap();
        assert_eq!(local.socket(), ("::1", 8080));
        assert_eq!(local.authority(), "[::1]:8080");
        let mut service = Target::parse("http://gateway:8080/sales").unwrap();
        service.set_host("fd00::7");
        assert_eq!(service.socket(), ("fd00::7", 8080));
        assert_eq!(service.url(), "http://[fd00::7]:8080/sales");
    }

    #[test]
    fn what_is_no_plain_http_is_refused_with_advice() {
        for url in ["https://shop.example.com", "127.0.0.1:8080", "shop"] {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:8080"), "{error}");
        }
    }
}
