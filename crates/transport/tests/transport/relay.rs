//! Stores that somebody else chose: what they may send.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flashsale_ledger::{Ledger, LedgerConfig};
use flashsale_queue::connect;
use flashsale_testbed::fixtures::services::Services;
use flashsale_transport::{ReplyBounds, TlsSource};
use redis::AsyncCommands as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const MIB: u64 = 1024 * 1024;

/// A server that answers what is said first by `beginning` and by bytes without end, on each
/// connection. Counts the connections.
async fn endless(beginning: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 4_096]).await;
                let _ = client.write_all(beginning).await;
                while client.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
            });
        }
    });
    (address, connections)
}

fn ledger(url: &str, bounds: Option<&ReplyBounds>) -> Ledger {
    Ledger::open(&LedgerConfig {
        url: url.into(),
        tls: TlsSource::System,
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: bounds.cloned(),
    })
    .unwrap()
}

#[tokio::test]
async fn a_redis_that_sends_without_end_is_left_alone_for_a_while() {
    let (address, connections) = endless(b"$536870912\r\n").await;
    let url = format!("redis://{address}");
    let bounds = ReplyBounds::allowing(MIB, 1);
    let client = connect::bounded_redis_client(&url, &TlsSource::System, &bounds).unwrap();
    let mut shared =
        connect::SharedConnection::with_response_timeout(client, Duration::from_secs(20)).unwrap();
    let expected = format!("Redis at {address} sent more than 1 MiB at once");
    for _ in 0..10 {
        let error = shared.exists::<_, bool>("k").await.unwrap_err();
        assert!(error.to_string().contains(&expected), "{error}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_postgres_that_sends_without_end_is_left_alone_for_a_while() {
    // It takes a login, and has a notice of 2 GiB for it.
    let (address, connections) = endless(b"R\0\0\0\x08\0\0\0\0N\x7f\xff\xff\xff").await;
    let url = format!("postgres://ann:secret@{address}/shop?sslmode=disable");
    let ledger = ledger(&url, Some(&ReplyBounds::allowing(MIB, 1)));
    let expected = format!("PostgreSQL at {address} sent more than 1 MiB at once");
    for _ in 0..10 {
        let error = ledger.check_writable().await.unwrap_err();
        assert!(error.to_string().contains(&expected), "{error}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// Whoever sends little is not in the way, however little memory there is.
#[tokio::test]
async fn only_stores_that_send_much_are_closed_while_memory_is_short() {
    // More is in use at each look.
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let services = Services::start().await;
    let in_use = || Some(MIB + MIB * LOOKS.fetch_add(1, Ordering::Relaxed) as u64);
    let bounds = ReplyBounds::within(MIB, in_use);
    let url = services.redis.url();
    let client = connect::bounded_redis_client(&url, &TlsSource::System, &bounds).unwrap();
    let mut shared = connect::shared(&client).unwrap();
    let () = shared.set("k", "x".repeat(16 * 1024)).await.unwrap();
    let _: String = shared.get("k").await.unwrap();
    let small = ledger(&services.database_url, Some(&bounds));
    small.check_writable().await.unwrap();
    let () = shared.set("k", "x".repeat(1024 * 1024)).await.unwrap();
    let error = shared.get::<_, String>("k").await.unwrap_err();
    assert!(error.to_string().contains("short of memory"), "{error}");
    small.check_writable().await.unwrap();
}

#[tokio::test]
async fn an_address_that_nobody_listens_at_is_told_as_without_a_relay() {
    let nobody = "127.0.0.1:1";
    let bounds = ReplyBounds::default();
    let url = format!("redis://{nobody}");
    let client = connect::bounded_redis_client(&url, &TlsSource::System, &bounds).unwrap();
    let mut shared = connect::shared(&client).unwrap();
    let error = shared.exists::<_, bool>("k").await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    let ledger = ledger(&format!("postgres://{nobody}/shop"), Some(&bounds));
    for error in [
        ledger.check_writable().await.unwrap_err(),
        ledger.try_to_connect().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
