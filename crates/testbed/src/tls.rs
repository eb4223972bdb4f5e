//! Servers that speak TLS and want to see client certificates.

use std::path::{Path, PathBuf};

use super::ports::{self, PortError};

/// The port on which a server of Redis speaks TLS, and its files.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    /// The directory of `ca.crt`, `tls.crt` and `tls.key`.
    pub(crate) directory: PathBuf,
    /// The port.
    pub(crate) port: u16,
}

impl Tls {
    /// With the files of `directory`, on a free port.
    pub(crate) fn new(directory: &Path) -> Result<Self, PortError> {
        Ok(Self {
            directory: directory.to_owned(),
            port: ports::free_port()?,
        })
    }

    /// The settings of a server or Sentinel.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.directory.join(name).display().to_string();
        vec![
            ("tls-port", self.port.to_string()),
            ("tls-ca-cert-file", file("ca.crt")),
            ("tls-cert-file", file("tls.crt")),
            ("tls-key-file", file("tls.key")),
            ("tls-auth-clients", "yes".to_owned()),
        ]
    }

    /// The same as lines of a configuration.
    pub(crate) fn lines(&self) -> String {
        let settings = self.settings().into_iter();
        let lines: Vec<String> = settings
            .map(|(name, value)| format!("{name} {value}\n"))
            .collect();
        lines.concat()
    }
}
