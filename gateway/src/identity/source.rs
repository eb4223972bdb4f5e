//! Where the key set comes from: a file or a URL.

use std::{path::PathBuf, time::Duration};

use reqwest::redirect::Policy;
use url::{Host, Url};

/// How long reading a key set may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest key set in bytes; real ones have a few thousand.
const MAX_BYTES: usize = 1 << 20;

/// Why a key set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Keys over plain HTTP could be replaced by anyone on the way.
    #[error("keys are not read from {0} over plain HTTP; use an https URL")]
    Insecure(Url),
    /// The HTTP client could not be set up.
    #[error("no HTTP client could be set up to read keys: {0}")]
    Client(reqwest::Error),
    /// The file could not be read.
    #[error("the key set {path} could not be read: {error}")]
    File {
        /// Its path.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The URL could not be read.
    #[error("the key set could not be fetched: {0}")]
    Fetch(#[from] reqwest::Error),
    /// The answer is larger than any key set.
    #[error("the key set is larger than {MAX_BYTES} bytes; is the address right?")]
    TooLarge,
}

/// Where the key set comes from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(Url, reqwest::Client),
}

impl Source {
    /// Reads `--jwks`.
    pub(super) fn parse(text: &str) -> Result<Self, SourceError> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => {
                if url.scheme() == "http" && !is_loopback(&url) {
                    return Err(SourceError::Insecure(url));
                }
                let client = reqwest::Client::builder()
                    .timeout(PATIENCE)
                    .redirect(Policy::none())
                    .build()
                    .map_err(SourceError::Client)?;
                Ok(Self::Url(url, client))
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// The key set as it is now.
    pub(super) async fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::File(path) => tokio::fs::read(path)
                .await
                .map_err(|error| SourceError::File {
                    path: path.clone(),
                    error,
                }),
            Self::Url(url, client) => fetch(url, client).await,
        }
    }
}

async fn fetch(url: &Url, client: &reqwest::Client) -> Result<Vec<u8>, SourceError> {
    let mut response = client.get(url.clone()).send().await?.error_for_status()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(SourceError::TooLarge);
        }
    }
    Ok(bytes)
}

/// What never leaves this machine needs no TLS.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        assert!(is_loopback(&Url::parse("http://127.0.0.1:1/k").unwrap()));
        assert!(is_loopback(&Url::parse("http://[::1]:1/k").unwrap()));
        assert!(!is_loopback(
            &Url::parse("http://id.example.com/k").unwrap()
        ));
        assert!(matches!(
            Source::parse("http://id.example.com/k"),
            Err(SourceError::Insecure(_))
        ));
        assert!(matches!(
            Source::parse("/etc/keys.json"),
            Ok(Source::File(_))
        ));
    }
}
