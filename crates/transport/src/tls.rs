//! Private certificates for TLS: the authority that signed a server's certificate, and the
//! certificate that we show to it. The system's authorities are trusted as well.

mod advice;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

pub use advice::advice;

/// How often the files of a directory are read again. Kubernetes itself takes up to a minute to
/// bring a changed Secret to a pod.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// The certificates of the authorities that sign the servers' certificates.
const AUTHORITY: &str = "ca.crt";

/// The certificate that we show, with the intermediate ones.
const CERTIFICATE: &str = "tls.crt";

/// The key that goes with it.
const KEY: &str = "tls.key";

/// The names of the files, and of the keys of a Secret, which are those of `kubernetes.io/tls`.
pub const FILES: [&str; 3] = [AUTHORITY, CERTIFICATE, KEY];

/// Who is connected to by TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Redis, and its Sentinels.
    Redis,
    /// PostgreSQL.
    PostgreSql,
    /// Where the keys that sign tokens are published.
    KeySet,
}

/// Where private certificates come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum TlsSource {
    /// There are none.
    #[default]
    System,
    /// From the files `ca.crt`, `tls.crt` and `tls.key` of a directory, which are read again when
    /// they change. Each may be missing.
    Directory(PathBuf),
    /// These, for as long as the connection is used.
    Given(Certificates),
}

/// Private certificates and keys, as PEM.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Certificates {
    authority: Option<Arc<[u8]>>,
    identity: Option<Identity>,
}

/// What a client shows to be let in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate, with the intermediate ones.
    pub certificate: Arc<[u8]>,
    /// Its key.
    pub key: Arc<[u8]>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The directory is not there, or may not be read.
    #[error(
        "the directory {path} of {option} cannot be read ({source}): it may hold {}",
        FILES.join(", ")
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The option that names it.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file may not be read.
    #[error("{path} of {option} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The option that names its directory.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What is in a directory cannot be used.
    #[error("the certificates in {path} ({option}) cannot be used: {source}")]
    Contents {
        /// The directory.
        path: PathBuf,
        /// The option that names it.
        option: &'static str,
        /// What is wrong.
        source: CertificateError,
    },
    /// There is no authority to trust.
    #[error(
        "no authority is trusted: the system has no certificates ({0}); install them (the package \
         ca-certificates) or give ca.crt in the directory of {1}"
    )]
    NoRoots(String, &'static str),
}

/// What is wrong with certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Half of a pair.
    #[error("there is {present} without {missing}: give both or neither")]
    Half {
        /// What is there.
        present: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// Not what the name says.
    #[error("{file} is no {wanted} in PEM format{reason}")]
    NotPem {
        /// The file.
        file: &'static str,
        /// What it has to be.
        wanted: &'static str,
        /// What is wrong, behind a colon; may be empty.
        reason: String,
    },
    /// A key of another certificate.
    #[error("tls.key cannot be used with tls.crt: {0}")]
    Pair(String),
}

impl Peer {
    /// The option that names the directory of its certificates.
    pub fn option(self) -> &'static str {
        match self {
            Self::Redis => "--redis-tls",
            Self::PostgreSql => "--database-tls",
            Self::KeySet => "--jwks-tls",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Redis => "Redis",
            Self::PostgreSql => "PostgreSQL",
            Self::KeySet => "the server of the key set",
        })
    }
}

impl fmt::Debug for Certificates {
    /// Without the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Certificates")
            .field("authority", &self.authority.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Certificates {
    /// Checks the contents of `ca.crt`, `tls.crt` and `tls.key`.
    ///
    /// # Errors
    /// When one is not what its name says, or only one of the last two is there.
    pub fn new(
        authority: Option<Vec<u8>>,
        certificate: Option<Vec<u8>>,
        key: Option<Vec<u8>>,
    ) -> Result<Self, CertificateError> {
        if let Some(pem) = &authority {
            parse_certificates(AUTHORITY, pem)?;
        }
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Identity::new(&certificate, &key)?),
            (None, None) => None,
            (Some(_), None) => return Err(half(CERTIFICATE, KEY)),
            (None, Some(_)) => return Err(half(KEY, CERTIFICATE)),
        };
        Ok(Self {
            authority: authority.map(Arc::from),
            identity,
        })
    }

    /// The authorities, as PEM.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref()
    }

    /// What we show to be let in.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether there is nothing private.
    pub fn is_empty(&self) -> bool {
        self.authority.is_none() && self.identity.is_none()
    }
}

impl Identity {
    fn new(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = parse_certificates(CERTIFICATE, certificate)?;
        let parsed = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| not_pem(KEY, "private key", &format!(": {error}")))?;
        CertifiedKey::from_der(chain, parsed, &ring::default_provider())
            .map_err(|error| CertificateError::Pair(error.to_string()))?;
        Ok(Self {
            certificate: certificate.into(),
            key: key.into(),
        })
    }
}

impl TlsSource {
    /// The directory that an option names; nothing private without it.
    pub fn directory(path: Option<&Path>) -> Self {
        path.map_or(Self::System, |path| Self::Directory(path.to_owned()))
    }

    /// The certificates as they are now. Reads files.
    ///
    /// # Errors
    /// When they cannot be read or used.
    pub fn load(&self, peer: Peer) -> Result<Certificates, TlsError> {
        match self {
            Self::System => Ok(Certificates::default()),
            Self::Directory(path) => load_directory(path, peer),
            Self::Given(certificates) => Ok(certificates.clone()),
        }
    }

    /// The same without blocking the thread.
    ///
    /// # Errors
    /// When they cannot be read or used.
    pub async fn load_again(&self, peer: Peer) -> Result<Certificates, TlsError> {
        let Self::Directory(path) = self else {
            return self.load(peer);
        };
        let path = path.clone();
        let reading = tokio::task::spawn_blocking({
            let path = path.clone();
            move || load_directory(&path, peer)
        });
        reading.await.unwrap_or_else(|error| {
            Err(TlsError::Directory {
                path,
                option: peer.option(),
                source: io::Error::other(error),
            })
        })
    }

    /// The directory whose files may change.
    pub fn watched(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::System | Self::Given(_) => None,
        }
    }
}

fn load_directory(path: &Path, peer: Peer) -> Result<Certificates, TlsError> {
    let option = peer.option();
    fs::read_dir(path).map_err(|source| TlsError::Directory {
        path: path.to_owned(),
        option,
        source,
    })?;
    let read = |name| {
        let file = path.join(name);
        match fs::read(&file) {
            Ok(contents) => Ok(Some(contents)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TlsError::File {
                path: file,
                option,
                source,
            }),
        }
    };
    Certificates::new(read(AUTHORITY)?, read(CERTIFICATE)?, read(KEY)?).map_err(|source| {
        TlsError::Contents {
            path: path.to_owned(),
            option,
            source,
        }
    })
}

fn parse_certificates(
    file: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(all) if all.is_empty() => Err(not_pem(file, "certificate", "")),
        Ok(all) => Ok(all),
        Err(error) => Err(not_pem(file, "certificate", &format!(": {error}"))),
    }
}

fn half(present: &'static str, missing: &'static str) -> CertificateError {
    CertificateError::Half { present, missing }
}

fn not_pem(file: &'static str, wanted: &'static str, reason: &str) -> CertificateError {
    CertificateError::NotPem {
        file,
        wanted,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
