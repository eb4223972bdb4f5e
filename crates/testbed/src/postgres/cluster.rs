//! PostgreSQL's files: made once by `initdb`, reused afterwards.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{
    account::{Account, AccountError},
    data_dir::{DataDir, DataDirError},
    launch::Launch,
    password,
    process::{Process, ProcessError},
};

use super::installation::Installation;

/// The superuser, and the owner of everything.
pub(super) const USER: &str = "flashsale";

/// Who may connect where TLS is spoken.
const TLS_RULES: &str = "\
hostnossl all all 127.0.0.1/32 scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full
";

/// `initdb` takes 1–2 s; a slow disk that has to sync everything may take far longer.
const INITDB_PATIENCE: Duration = Duration::from_mins(2);

/// Locales in order of preference. UTF-8 rules for letters come with `C.UTF-8`, which every glibc
/// since 2.35 has built in; the plain `C` exists everywhere and sorts the same way.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// First version whose `initdb` turns data checksums on unless told not to.
const CHECKSUMS_BY_DEFAULT_SINCE: u32 = 18;

/// Why the files could not be made or reused. Each begins with the path, and ends with what the system
/// or the end of the log says.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The data directory does not take them.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The account PostgreSQL must run as cannot use them.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A file of ours could not be read or written.
    #[error("could not use `{path}`; check the data directory's permissions", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// `initdb` could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// `initdb` ended with an error.
    #[error("initdb could not make the database files in `{directory}`:\n{1}", directory = .0.display())]
    Initdb(PathBuf, String),
    /// A running server's files could not be copied.
    #[error("could not copy PostgreSQL's files to `{directory}`; the end of the log:\n{1}", directory = .0.display())]
    Copy(PathBuf, String),
    /// Another major version made the files.
    #[error(
        "`{}` was made by PostgreSQL {found}, and {installed} is installed: install \
         postgresql-{found} or choose another data directory", directory.display()
    )]
    OtherVersion {
        /// The files.
        directory: PathBuf,
        /// Version that made them.
        found: String,
        /// Version that is installed.
        installed: u32,
    },
}

/// The files of one PostgreSQL server.
#[derive(Debug)]
pub(super) struct Cluster {
    /// Directory with everything below: password, log, Unix socket, and `cluster/`.
    pub(super) home: PathBuf,
    /// The superuser's password.
    pub(super) password: String,
    /// The user that owns the files, when it is not the current one.
    pub(super) account: Option<Account>,
    /// Whether the files stay when the run ends.
    kept: bool,
}

impl Cluster {
    /// Makes the files, or takes those that an earlier run made.
    pub(super) async fn open(
        data_dir: &DataDir,
        installation: &Installation,
    ) -> Result<Self, ClusterError> {
        let account = Account::for_postgres()?;
        let home = data_dir.subdirectory("postgres")?;
        let password_file = home.join("password");
        let password = password::read_or_create(&password_file)
            .map_err(|source| file_error(&password_file, source))?;
        if let Some(account) = &account {
            account.can_reach(&home)?;
            account.take_over(&home)?;
            account.take_over(&password_file)?;
        }
        let cluster = Self {
            home,
            password,
            account,
            kept: data_dir.is_kept(),
        };
        match fs::read_to_string(cluster.data().join("PG_VERSION")) {
            Ok(version) => cluster.check_version(version.trim(), installation.major)?,
            Err(_) => cluster.make(installation).await?,
        }
        Ok(cluster)
    }

    /// What PostgreSQL itself calls the data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("cluster")
    }

    /// Where the running server notes its process id.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// Where the server's messages go.
    pub(super) fn log_file(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    /// Copies certificates to where the server can read them, and lets clients in by TLS that show
    /// one. Gives the settings that name them.
    pub(super) fn take_certificates(
        &self,
        directory: &Path,
    ) -> Result<[(&'static str, PathBuf); 3], ClusterError> {
        let own = |name: &str| self.data().join(name);
        let files = [
            ("ssl_ca_file", "ca.crt"),
            ("ssl_cert_file", "tls.crt"),
            ("ssl_key_file", "tls.key"),
        ];
        for (_, name) in files {
            let copy = own(name);
            fs::copy(directory.join(name), &copy).map_err(|source| file_error(&copy, source))?;
            fs::set_permissions(&copy, Permissions::from_mode(0o600))
                .map_err(|source| file_error(&copy, source))?;
            if let Some(account) = &self.account {
                account.take_over(&copy)?;
            }
        }
        let rules = own("pg_hba.conf");
        fs::write(&rules, TLS_RULES).map_err(|source| file_error(&rules, source))?;
        Ok(files.map(|(setting, name)| (setting, own(name))))
    }

    /// Copies the files of the running server of this cluster, whose address may be that of a
    /// proxy, so that a server on the copy follows that address as a replica.
    pub(super) async fn copy(
        &self,
        data_dir: &DataDir,
        installation: &Installation,
        address: SocketAddr,
    ) -> Result<Self, ClusterError> {
        let home = data_dir.subdirectory("postgres")?;
        if let Some(account) = &self.account {
            account.can_reach(&home)?;
            account.take_over(&home)?;
        }
        let copy = Self {
            home,
            password: self.password.clone(),
            account: self.account.clone(),
            kept: data_dir.is_kept(),
        };
        let log = copy.home.join("pg_basebackup.log");
        let launch = Launch::new("pg_basebackup", installation.program("pg_basebackup"), log)
            .arg("--pgdata")
            .arg(copy.data())
            .args(["--checkpoint", "fast", "--write-recovery-conf", "--no-sync"])
            .args(["--username", USER, "--no-password"])
            .args(["--host", &address.ip().to_string()])
            .args(["--port", &address.port().to_string()])
            .env("PGPASSWORD", &copy.password)
            .current_dir(&copy.home)
            .run_as(copy.account.clone());
        let backup = Process::start(launch).await?;
        if backup.wait(INITDB_PATIENCE).await?.success() {
            return Ok(copy);
        }
        Err(ClusterError::Copy(copy.data(), backup.log_tail()))
    }

    fn check_version(&self, found: &str, installed: u32) -> Result<(), ClusterError> {
        if found == installed.to_string() {
            return Ok(());
        }
        Err(ClusterError::OtherVersion {
            directory: self.data(),
            found: found.to_owned(),
            installed,
        })
    }

    /// Makes the files under another name first, so that files of an interrupted `initdb` are
    /// never taken for a usable database.
    async fn make(&self, installation: &Installation) -> Result<(), ClusterError> {
        let unfinished = self.home.join("cluster.unfinished");
        let mut log = String::new();
        for locale in LOCALES {
            remove_if_there(&unfinished)?;
            let initdb = Process::start(self.initdb(installation, &unfinished, locale)).await?;
            if initdb.wait(INITDB_PATIENCE).await?.success() {
                return fs::rename(&unfinished, self.data())
                    .map_err(|source| file_error(&unfinished, source));
            }
            log = initdb.log_tail();
        }
        Err(ClusterError::Initdb(self.data(), log))
    }

    fn initdb(&self, installation: &Installation, directory: &Path, locale: &str) -> Launch {
        let mut launch = Launch::new(
            "initdb",
            installation.program("initdb"),
            self.home.join("initdb.log"),
        )
        .arg("--pgdata")
        .arg(directory)
        .arg("--pwfile")
        .arg(self.home.join("password"))
        .args(["--username", USER, "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", locale])
        .env("LC_ALL", "C")
        .current_dir(&self.home)
        .run_as(self.account.clone());
        if installation.major >= CHECKSUMS_BY_DEFAULT_SINCE {
            launch = launch.arg("--no-data-checksums");
        }
        if !self.kept {
            // Half the time of initdb goes into bringing empty files to the disk. Files that do
            // not outlive the run have no need of that; what is committed later is synced anyway.
            launch = launch.arg("--no-sync");
        }
        launch
    }
}

fn remove_if_there(directory: &Path) -> Result<(), ClusterError> {
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(file_error(directory, source))
        }
        _ => Ok(()),
    }
}

fn file_error(path: &Path, source: io::Error) -> ClusterError {
    ClusterError::File(path.to_path_buf(), source)
}
