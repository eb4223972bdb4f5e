//! What a worker's probes say while its stores are of no use: it is not ready, and nobody restarts
//! it for that.

use std::{net::SocketAddr, time::Duration};

use flashsale_testbed::{
    certificates::{self, Authority},
    data_dir::DataDir,
    fault_proxy::{Direction, End, FaultProxy, Flow},
    fixtures::{patience::until, services::Services},
    ports::free_port,
    redis::{AppendFsync, Redis},
};
use flashsale_worker::{
    config::{ConnectionArgs, LaneArgs, ProbeArgs},
    server,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(15);

/// The answer to a GET, head and all.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits until readiness answers `status` and names each of `parts`; liveness is fine all the time.
pub(crate) async fn readiness(address: SocketAddr, status: &str, parts: &[&str]) {
    let what = format!("readiness answers {status}, {parts:?}");
    until(&what, SOON, async || {
        let Ok(answer) = get(address, "/readyz").await else {
            return false;
        };
        let alive = get(address, "/healthz").await.unwrap();
        assert!(alive.starts_with("HTTP/1.0 200"), "{alive}");
        answer.starts_with(&format!("HTTP/1.0 {status}"))
            && parts.iter().all(|part| answer.contains(part))
    })
    .await;
}

#[tokio::test]
async fn a_worker_is_ready_only_where_its_stores_take_writes_and_alive_all_the_time() {
    let services = Services::start().await;
    let url = &services.database_url;
    let address = url.split(['@', '/']).nth(3).unwrap().parse().unwrap();
    let postgres = FaultProxy::start(address).await.unwrap();
    let probes = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(server::run(
        ConnectionArgs {
            redis_url: services.redis.url().into(),
            redis_tls: None,
            database_tls: None,
            database_url: postgres.url(url).unwrap().into(),
            database_transaction_pooler: false,
        },
        LaneArgs {
            sales: Vec::new(),
            lanes: 2,
            batch_size: None,
        },
        ProbeArgs {
            probes_listen: probes,
        },
        stop.clone(),
    ));
    readiness(probes, "200", &[]).await;

    // A replica of nobody answers PING.
    let mut replica_of = redis::cmd("REPLICAOF");
    let mut queue = services.queue.clone();
    let demote = replica_of.arg("127.0.0.1").arg(1);
    demote.exec_async(&mut queue).await.unwrap();
    readiness(probes, "503", &[r#""redis","ready":false"#, "read only"]).await;
    let mut replica_of = redis::cmd("REPLICAOF");
    let promote = replica_of.arg("NO").arg("ONE");
    promote.exec_async(&mut queue).await.unwrap();
    readiness(probes, "200", &[]).await;

    postgres.set(Direction::ToClient, Flow::Silent);
    readiness(probes, "503", &[r#""postgresql","ready":false"#]).await;
    postgres.heal();
    readiness(probes, "200", &[]).await;

    let name = url.rsplit_once('/').unwrap().1;
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    sqlx::raw_sql(sqlx::AssertSqlSafe(read_only))
        .execute(services.ledger.pool())
        .await
        .unwrap();
    // New sessions take the setting.
    postgres.end_all(End::Close);
    let parts = [r#""postgresql","ready":false"#, "read-only"];
    readiness(probes, "503", &parts).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_worker_reaches_its_stores_with_private_certificates() {
    let authority = Authority::new("ours").unwrap();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let client = authority.client("flashsale").unwrap();
    let server = authority.server(&["localhost", "127.0.0.1"]).unwrap();
    certificates::write(ours.path(), Some(&authority), Some(&client)).unwrap();
    certificates::write(theirs.path(), Some(&authority), Some(&server)).unwrap();
    let services = Services::start_own().await;
    let postgres = services.postgres.as_ref().unwrap();
    postgres.use_certificates(theirs.path()).await.unwrap();
    let data_dir = DataDir::temporary().unwrap();
    let redis = Redis::start_with_tls(&data_dir, AppendFsync::EverySecond, theirs.path());
    let redis = redis.await.unwrap();

    for (directory, status, parts) in [
        (Some(ours.path().to_owned()), "200", [""; 3]),
        (None, "503", ["as ca.crt", "--redis-tls", "--database-tls"]),
    ] {
        let probes = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(server::run(
            ConnectionArgs {
                redis_url: redis.tls_url("localhost").unwrap().into(),
                redis_tls: directory.clone(),
                database_url: format!("{}?sslmode=verify-full", services.database_url).into(),
                database_tls: directory,
                database_transaction_pooler: false,
            },
            LaneArgs {
                sales: Vec::new(),
                lanes: 2,
                batch_size: None,
            },
            ProbeArgs {
                probes_listen: probes,
            },
            stop.clone(),
        ));
        readiness(probes, status, &parts).await;
        stop.cancel();
        running.await.unwrap().unwrap();
    }
}
