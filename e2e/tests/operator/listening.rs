//! Where programs listen, and whom they reach: the families of addresses that a cluster has.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::Output,
};

use flashsale_e2e::{
    cluster::told,
    operator::{SOON, Stage, WORKER_IMAGE, one_product},
    patience::until,
    processes::Child,
    services::Services,
    shopping::{orders, press},
};
use flashsale_telemetry::listen;
use flashsale_testbed::{
    binaries,
    ports::free_port,
    program::{Program, StoreUrls, ours},
};
use tokio::{io::copy_bidirectional, net::TcpStream, process::Command};
use url::Url;

#[tokio::test]
async fn workers_listen_where_the_operator_says() {
    let stage = Stage::set(Services::start().await).await;
    let address = ["--worker-listen-address", "fd00::7"];
    let _operator = stage.operator_with("operator", &address).await;
    stage.create("drop", one_product("shoe", 5)).await;
    until("its workers are told where", SOON, || async {
        let Some(deployment) = stage.workers("drop").await else {
            return false;
        };
        let pod = deployment.spec.and_then(|spec| spec.template.spec);
        let variables = pod.unwrap().containers.remove(0).env.unwrap();
        variables.into_iter().any(|variable| {
            variable.name == "FLASHSALE_PROBES_LISTEN"
                && variable.value.as_deref() == Some("[fd00::7]:9091")
        })
    })
    .await;
}

/// A port of `::1` whose connections go on to `port` of 127.0.0.1, where the stores of tests listen.
fn relay(port: u16) -> u16 {
    let listener = listen((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut store = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                copy_bidirectional(&mut client, &mut store).await
            });
        }
    });
    own
}

/// `url` with a relay of its own in place of host and port.
fn over_ipv6(url: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let port = relay(url.port().unwrap());
    url.set_host(Some("[::1]")).unwrap();
    url.set_port(Some(port)).unwrap();
    url.into()
}

fn ipv6_loopback() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, free_port().unwrap()).into()
}

/// But for the API server, whose client is not ours: clusters have it over IPv6 all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_sale_runs_over_ipv6_alone() {
    let stage = Stage::set(Services::start().await).await;
    let database = over_ipv6(&stage.services.database_url);
    let redis = over_ipv6(&stage.services.redis.url());
    stage.write_secret("flashsale-database", &database).await;
    stage.write_secret("flashsale-redis", &redis).await;
    let stores = StoreUrls {
        database: &database,
        redis: &redis,
    };
    let logs = stage.services.data_dir.path();
    let launch = |binary: &str, probes: SocketAddr| {
        let launch = ours(binary, binary, stores, logs).unwrap();
        launch.args(["--probes-listen", &probes.to_string()])
    };
    let probes = ipv6_loopback();
    let operator = launch("flashsale-operator", probes)
        .env("KUBECONFIG", stage.cluster.kubeconfig())
        .args(["--namespace", &stage.namespace])
        .args(["--lease-namespace", &stage.namespace])
        .args(["--worker-image", WORKER_IMAGE]);
    let _operator = Program::start(operator, probes, probes, "/readyz")
        .await
        .unwrap();
    stage.create("drop", one_product("shoe", 5)).await;
    stage.until_phase("drop", "Open").await;

    let migrated = flashsale(stores, &["migrate"]).await;
    assert!(migrated.status.success(), "{}", told(&migrated));
    let (shop, probes) = (ipv6_loopback(), ipv6_loopback());
    let gateway = launch("flashsale-gateway", probes)
        .args(["--auth-mode", "off"])
        .args(["--listen", &shop.to_string()]);
    let gateway = Program::start(gateway, shop, probes, "/readyz")
        .await
        .unwrap();
    let probes = ipv6_loopback();
    let worker = launch("flashsale-worker", probes);
    let _worker = Program::start(worker, probes, probes, "/readyz")
        .await
        .unwrap();
    // As the pod of `helm test` asks, whose variables have addresses without brackets.
    let service = format!("http://gateway:{}/sales", shop.port());
    let answer = flashsale(stores, &["probe", "--host=::1", &service]).await;
    assert!(answer.status.success(), "{}", told(&answer));
    let gateway = Child(gateway);
    until("the gateway sells over IPv6", SOON, || async {
        press(&gateway, "shoe", "ann").await.0 == 200
    })
    .await;
    let sale = stage.id("drop");
    until("it is settled", SOON, || async {
        orders(&stage.services, &sale).await > 0
    })
    .await;
}

async fn flashsale(stores: StoreUrls<'_>, arguments: &[&str]) -> Output {
    Command::new(binaries::find("flashsale").unwrap())
        .args(arguments)
        .env("FLASHSALE_DATABASE_URL", stores.database)
        .env("FLASHSALE_REDIS_URL", stores.redis)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}
