//! A private authority, and what is shown to servers and to clients.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    http,
    process::Process,
    program,
};

use super::stores::Stores;
use crate::{error::ChaosError, stores::until};

/// The user of PostgreSQL, whose name its clients' certificates have to have.
const USER: &str = "flashsale";

/// How long a program may take to find out that a store refuses it.
const REFUSED: Duration = Duration::from_secs(20);

/// Directories with `ca.crt`, `tls.crt` and `tls.key`.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Of the servers.
    pub(super) server: PathBuf,
    /// Of our programs.
    pub(super) client: PathBuf,
    /// Of a client that trusts the authority and has no certificate.
    without_pair: PathBuf,
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
    fn variables(directory: &Path) -> [(&'static str, String); 2] {
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

    /// Fails unless a gateway and a worker without a certificate are not ready and say what they need.
    pub(super) async fn are_wanted(&self, stores: &Stores, logs: &Path) -> Result<(), ChaosError> {
        let address = program::loopback()?.to_string();
        let serves = ["--auth-mode", "off", "--listen", &address];
        self.is_refused(stores, logs, "flashsale-gateway", &serves, &["--redis-tls"])
            .await?;
        let both = ["--redis-tls", "--database-tls"];
        self.is_refused(stores, logs, "flashsale-worker", &[], &both)
            .await
    }

    /// Starts a program of ours without a certificate, and waits until it says that it needs one by
    /// each of `options`.
    async fn is_refused(
        &self,
        stores: &Stores,
        logs: &Path,
        binary: &str,
        arguments: &[&str],
        options: &[&str],
    ) -> Result<(), ChaosError> {
        let probes = program::loopback()?;
        let name = format!("{binary}-without-certificate");
        let launch = stores
            .launch(binary, &name, logs)?
            .args(arguments)
            .args(["--probes-listen", &probes.to_string()])
            .envs(Self::variables(&self.without_pair));
        let _program = Process::start(launch).await?;
        let what = format!("{name} is not ready and says why");
        until(&what, REFUSED, async || {
            let Ok(answer) = http::get(probes, "/readyz").await else {
                return Ok(false);
            };
            let says = |words: &str| answer.body.contains(words);
            Ok(answer.status == 503
                && says("give tls.crt and tls.key")
                && options.iter().all(|option| says(option)))
        })
        .await
    }
}
