//! Where the key set comes from: a file or a URL.

use std::{path::PathBuf, time::Duration};

use flashsale_transport::{
    TlsError, TlsSource,
    tls::{Certificates, Peer, advice},
};
use reqwest::{Client, redirect::Policy};
use tokio::sync::Mutex;
use url::Url;

use crate::{bounded, config::is_loopback};

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
    /// The certificates for the URL cannot be used.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// The server of the URL, or we, refused a certificate.
    #[error("the key set could not be fetched: {0}")]
    Tls(String),
    /// The URL could not be read.
    #[error("the key set could not be fetched: {}", with_causes(.0))]
    Fetch(reqwest::Error),
    /// The answer is larger than any key set.
    #[error("the key set is larger than {MAX_BYTES} bytes; is the address right?")]
    TooLarge,
}

/// Where the key set comes from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Url(Box<Remote>),
}

/// A key set behind a URL.
#[derive(Debug)]
pub(super) struct Remote {
    url: Url,
    tls: TlsSource,
    /// The client, and the certificates that it was made with.
    client: Mutex<(Certificates, Client)>,
}

impl Source {
    /// Reads `--jwks` and the files of `--jwks-tls`.
    pub(super) fn parse(text: &str, tls: TlsSource) -> Result<Self, SourceError> {
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => {
                if url.scheme() == "http" && !is_loopback(&url) {
                    return Err(SourceError::Insecure(url));
                }
                let certificates = tls.load(Peer::KeySet)?;
                let client = client(&certificates)?;
                Ok(Self::Url(Box::new(Remote {
                    url,
                    tls,
                    client: Mutex::new((certificates, client)),
                })))
            }
            _ => Ok(Self::File(PathBuf::from(text))),
        }
    }

    /// The URL, which names the key set; none for a file, which is at hand whenever we start.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Url(remote) => Some(remote.url.as_str()),
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
            Self::Url(remote) => fetch(&remote.url, &remote.client().await?).await,
        }
    }
}

impl Remote {
    /// A client with the certificates that the files have now.
    async fn client(&self) -> Result<Client, SourceError> {
        let mut current = self.client.lock().await;
        let certificates = self.tls.load_again(Peer::KeySet).await?;
        if certificates != current.0 {
            let client = client(&certificates)?;
            *current = (certificates, client);
        }
        Ok(current.1.clone())
    }
}

fn client(certificates: &Certificates) -> Result<Client, SourceError> {
    let mut builder = Client::builder().timeout(PATIENCE).redirect(Policy::none());
    if let Some(authority) = certificates.authority() {
        let authorities = reqwest::Certificate::from_pem_bundle(authority);
        builder = builder.tls_certs_merge(authorities.map_err(SourceError::Client)?);
    }
    if let Some(identity) = certificates.identity() {
        let pem = [&*identity.certificate, b"\n", &*identity.key].concat();
        let identity = reqwest::Identity::from_pem(&pem).map_err(SourceError::Client)?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(SourceError::Client)
}

impl From<reqwest::Error> for SourceError {
    fn from(error: reqwest::Error) -> Self {
        match advice(&error, Peer::KeySet) {
            Some(advice) => Self::Tls(advice),
            None => Self::Fetch(error),
        }
    }
}

/// The error itself says that sending failed, and its causes say why.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn fetch(url: &Url, client: &Client) -> Result<Vec<u8>, SourceError> {
    let response = client.get(url.clone()).send().await?.error_for_status()?;
    let body = bounded::body(response, MAX_BYTES).await?;
    body.ok_or(SourceError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        assert!(matches!(
            Source::parse("http://id.example.com/k", TlsSource::System),
            Err(SourceError::Insecure(_))
        ));
        assert!(matches!(
            Source::parse("/etc/keys.json", TlsSource::System),
            Ok(Source::File(_))
        ));
    }
}
