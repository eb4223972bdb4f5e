//! A private authority, and what is shown to servers and to clients.

use std::path::{Path, PathBuf};

use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
};

use crate::error::ChaosError;

/// The user of PostgreSQL, whose name its clients' certificates have to have.
const USER: &str = "flashsale";

/// Directories with `ca.crt`, `tls.crt` and `tls.key`.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Of the servers.
    pub(super) server: PathBuf,
    /// Of our programs.
    pub(super) client: PathBuf,
    /// Of a client that trusts the authority and has no certificate.
    pub(super) without_pair: PathBuf,
    _files: DataDir,
}

impl Certificates {
    /// A new authority, a certificate for servers at `localhost` and 127.0.0.1, and one for clients.
    pub(super) fn new() -> Result<Self, ChaosError> {
        let files = DataDir::temporary()?;
        let new = Self {
            server: files.subdirectory("server")?,
            client: files.subdirectory("client")?,
            without_pair: files.subdirectory("without-pair")?,
            _files: files,
        };
        let authority = Authority::new("compatibility")?;
        let server = authority.server(&["localhost", "127.0.0.1"])?;
        let client = authority.client(USER)?;
        certificates::write(&new.server, Some(&authority), Some(&server))?;
        certificates::write(&new.client, Some(&authority), Some(&client))?;
        certificates::write(&new.without_pair, Some(&authority), None)?;
        Ok(new)
    }

    /// Variables by which our programs find the certificates in `directory`.
    pub(super) fn variables(directory: &Path) -> [(&'static str, String); 2] {
        let directory = directory.display().to_string();
        [
            ("FLASHSALE_REDIS_TLS", directory.clone()),
            ("FLASHSALE_DATABASE_TLS", directory),
        ]
    }

    /// The same for those of our programs.
    pub(super) fn environment(&self) -> [(&'static str, String); 2] {
        Self::variables(&self.client)
    }
}
