//! TLS with private authorities and client certificates: the stores and the source of the keys.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, RwLock},
};

use flashsale_ledger::LedgerConfig;
use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use flashsale_transport::TlsSource;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    World, eventually, one_product,
    tokens::{AUDIENCE, ISSUER, Key, jwks},
};

/// A server of a key set that wants client certificates.
struct Provider {
    address: SocketAddr,
    served: Arc<RwLock<(Arc<ServerConfig>, String)>>,
}

impl Provider {
    async fn start(authority: &Authority, keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(RwLock::new((server(authority), keys)));
        tokio::spawn({
            let served = Arc::clone(&served);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (config, keys) = served.read().unwrap().clone();
                    tokio::spawn(answer(stream, config, keys));
                }
            }
        });
        Self { address, served }
    }

    /// Has a certificate of `authority` from now on, trusts it alone, and serves `keys`.
    fn change(&self, authority: &Authority, keys: String) {
        *self.served.write().unwrap() = (server(authority), keys);
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/keys", self.address.port())
    }
}

fn server(authority: &Authority) -> Arc<ServerConfig> {
    let pair = authority.server(&["localhost"]).unwrap();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .unwrap();
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

async fn answer(stream: TcpStream, config: Arc<ServerConfig>, keys: String) {
    // A client that is refused, or refuses us, is what some tests are about.
    let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else {
        return;
    };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let length = keys.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{keys}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn write(directory: &Path, trusted: Option<&Authority>, signer: Option<&Authority>) {
    let pair = signer.map(|signer| signer.client("flashsale").unwrap());
    certificates::write(directory, trusted, pair.as_ref()).unwrap();
}

/// The flags that name the keys, and the directory of certificates.
fn flags<'a>(url: &'a str, directory: &'a TempDir) -> Vec<&'a str> {
    let directory = directory.path().to_str().unwrap();
    [
        ["--jwks", url],
        ["--jwks-tls", directory],
        ["--jwt-issuer", ISSUER],
        ["--jwt-audience", AUDIENCE],
        ["--jwks-refresh-seconds", "1"],
    ]
    .concat()
}

#[tokio::test]
async fn keys_are_read_with_private_certificates_which_may_change() {
    let world = World::new().await;
    world.announce("drop", one_product("p", 1000)).await;
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let (first, second) = (first.unwrap(), second.unwrap());
    let (old, new) = (Key::ed25519("old", 1), Key::ed25519("new", 2));
    let provider = Provider::start(&first, jwks(&[&old])).await;
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), Some(&first), Some(&first));
    let url = provider.url("localhost");
    let gateway = world.gateway_with(&flags(&url, &directory)).await;
    let status = async |key: &Key, user: &str| {
        let answer = gateway.client.buy_as("p", &key.token(user), "k").await;
        answer.status
    };
    assert_eq!(status(&old, "ann").await, 200);

    provider.change(&second, jwks(&[&new]));
    write(directory.path(), Some(&second), Some(&second));
    eventually("the new key counts", async || {
        status(&new, "bob").await == 200
    })
    .await;
}

#[tokio::test]
async fn a_refused_certificate_is_told_with_the_file_that_is_missing() {
    let world = World::new().await;
    let (own, stranger) = (Authority::new("own"), Authority::new("stranger"));
    let (own, stranger) = (own.unwrap(), stranger.unwrap());
    let provider = Provider::start(&own, jwks(&[&Key::ed25519("one", 1)])).await;
    for (host, trusted, signer, expected) in [
        (
            "localhost",
            None,
            Some(&own),
            "as ca.crt, in the directory of --jwks-tls",
        ),
        (
            "localhost",
            Some(&own),
            None,
            "wants a client certificate: give tls.crt",
        ),
        (
            "localhost",
            Some(&own),
            Some(&stranger),
            "does not accept the client certificate",
        ),
        ("127.0.0.1", Some(&own), Some(&own), "is for another host"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), trusted, signer);
        let url = provider.url(host);
        let gateway = world.gateway_unready(&flags(&url, &directory)).await;
        eventually("the reason is told", async || {
            let ready = gateway.probes.get("/readyz").await;
            ready.status == 503 && ready.text().contains(expected)
        })
        .await;
    }
}

#[tokio::test]
async fn both_stores_are_reached_with_private_certificates() {
    let authority = Authority::new("ours").unwrap();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(ours.path(), Some(&authority), Some(&authority));
    let server = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    certificates::write(theirs.path(), Some(&authority), Some(&server)).unwrap();

    let mut world = World::new().await;
    let data_dir = DataDir::temporary().unwrap();
    let redis = Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, theirs.path());
    world.redis = redis.await.unwrap();
    world.redis_url = world.redis.tls_url("localhost").unwrap();
    let postgres = Postgres::start(&world.data_dir).await.unwrap();
    postgres.use_certificates(theirs.path()).await.unwrap();
    world.ledger_url = format!("{}?sslmode=verify-full", postgres.url());
    let directory = ours.path().to_str().unwrap();
    let flags = [
        "--auth-mode=off",
        "--redis-tls",
        directory,
        "--database-tls",
        directory,
    ];
    let gateway = world.gateway_with(&flags).await;
    let ledger = flashsale_ledger::Ledger::open(&LedgerConfig {
        url: postgres.url().replace("127.0.0.1", "localhost").into(),
        tls: TlsSource::Directory(ours.path().to_owned()),
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
    });
    ledger.unwrap().migrate().await.unwrap();
    // Redis knows nothing of it, so PostgreSQL is asked.
    let path = format!("/orders/{}", uuid::Uuid::now_v7());
    let answer = gateway.client.get(&path).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (404, "unknown-order")
    );

    let nobody = tempfile::tempdir().unwrap();
    write(nobody.path(), Some(&authority), None);
    let flags = [
        "--auth-mode=off",
        "--redis-tls",
        nobody.path().to_str().unwrap(),
    ];
    let refused = world.gateway_unready(&flags).await;
    eventually(
        "readiness says that Redis wants a certificate",
        async || {
            let ready = refused.probes.get("/readyz").await.text();
            ready.contains("Redis wants a client certificate: give tls.crt and tls.key")
        },
    )
    .await;
}
