//! Hand tools on stores with a private authority.

use std::path::Path;

use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use tempfile::TempDir;

use crate::{Printed, flashsale};

/// A Redis and a PostgreSQL that want certificates of `authority`.
struct Stores {
    redis: Redis,
    postgres: Postgres,
    authority: Authority,
    _servers: TempDir,
}

impl Stores {
    async fn start() -> Self {
        let authority = Authority::new("ours").unwrap();
        let servers = tempfile::tempdir().unwrap();
        let pair = authority.server(&["localhost", "127.0.0.1"]).unwrap();
        certificates::write(servers.path(), Some(&authority), Some(&pair)).unwrap();
        let data_dir = DataDir::temporary().unwrap();
        let redis = Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, servers.path());
        let postgres = Postgres::start(&data_dir).await.unwrap();
        postgres.use_certificates(servers.path()).await.unwrap();
        Self {
            redis: redis.await.unwrap(),
            postgres,
            authority,
            _servers: servers,
        }
    }

    /// A directory with the authority, if it is to be there, and a client certificate.
    fn directory(&self, with_authority: bool) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let pair = self.authority.client("flashsale").unwrap();
        let authority = with_authority.then_some(&self.authority);
        certificates::write(directory.path(), authority, Some(&pair)).unwrap();
        directory
    }

    /// Lists sales, and brings the schema up to date.
    fn run(&self, directory: &Path, trusted_by_the_system: Option<&Path>) -> [Printed; 2] {
        [
            ("sales", "REDIS", self.redis.tls_url("localhost").unwrap()),
            (
                "migrate",
                "DATABASE",
                format!("{}?sslmode=verify-full", self.postgres.url()),
            ),
        ]
        .map(|(command, store, url)| {
            let mut flashsale = flashsale();
            flashsale
                .arg(command)
                .env(format!("FLASHSALE_{store}_URL"), url)
                .env(format!("FLASHSALE_{store}_TLS"), directory);
            if let Some(file) = trusted_by_the_system {
                flashsale.env("SSL_CERT_FILE", file);
            }
            flashsale.output().unwrap().into()
        })
    }
}

#[tokio::test]
async fn an_authority_is_trusted_by_its_file_or_by_the_system() {
    let stores = Stores::start().await;
    let (all, without_authority) = (stores.directory(true), stores.directory(false));
    for printed in stores.run(all.path(), None) {
        assert_eq!(printed.status, Some(0), "{printed:?}");
    }
    for printed in stores.run(without_authority.path(), None) {
        assert_eq!(printed.status, Some(3), "{printed:?}");
        assert!(printed.err.contains("as ca.crt"), "{printed:?}");
    }
    let system = all.path().join("ca.crt");
    for printed in stores.run(without_authority.path(), Some(&system)) {
        assert_eq!(printed.status, Some(0), "{printed:?}");
    }
}

/// Encrypted is not authenticated: with `require` and without an authority, any certificate is taken.
#[tokio::test]
async fn an_address_that_does_not_authenticate_the_server_is_warned_of() {
    let stores = Stores::start().await;
    // With an authority, `require` authenticates as well.
    for (mode, has_authority, is_warned_of) in [
        ("require", false, true),
        ("require", true, false),
        ("verify-full", true, false),
    ] {
        let files = stores.directory(has_authority);
        let url = format!("{}?sslmode={mode}", stores.postgres.url());
        let printed: Printed = flashsale()
            .arg("migrate")
            .env("FLASHSALE_DATABASE_URL", url)
            .env("FLASHSALE_DATABASE_TLS", files.path())
            .output()
            .unwrap()
            .into();
        assert_eq!(printed.status, Some(0), "{printed:?}");
        let warning = "is not authenticated";
        assert_eq!(printed.err.contains(warning), is_warned_of, "{printed:?}");
        assert_eq!(
            printed.err.contains("write sslmode=verify-full"),
            is_warned_of,
            "{printed:?}"
        );
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_refused_before_anything_is_connected() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    std::fs::write(directory.path().join("tls.crt"), "x").unwrap();
    for (path, expected) in [
        (missing.as_path(), "cannot be read"),
        (directory.path(), "there is tls.crt without tls.key"),
    ] {
        let printed: Printed = flashsale()
            .args([
                "sales",
                "--redis-url",
                "redis://127.0.0.1:1/",
                "--redis-tls",
            ])
            .arg(path)
            .output()
            .unwrap()
            .into();
        assert_eq!(printed.status, Some(3), "{printed:?}");
        assert!(printed.err.contains(expected), "{printed:?}");
    }
}
