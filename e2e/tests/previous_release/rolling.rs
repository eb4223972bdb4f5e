//! A rolling upgrade in mid-sale, and the way back, in the order of docs/install.md.

use std::path::{Path, PathBuf};

use flashsale_e2e::{
    crowd::Crowd,
    laws::assert_audit_holds,
    patience::until,
    sales::sale,
    schema::{PREVIOUS, applied, use_empty_database},
    services::Services,
};

use flashsale_testbed::process::Process;
use sqlx::AssertSqlSafe;

use crate::programs::{LONGEST, Release, orders, told, unfenced, until_more_orders};

const FILE: &str = "\
apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata:
  name: drop
spec:
  products: [{id: p, name: P, price: 9900, stock: 1000000}]
  turnstile:
    maxQueueDepth: 1000000
    rateLimit: {requests: 1000000, windowSeconds: 1}
";

fn file(services: &Services) -> PathBuf {
    let file = services.data_dir.path().join("drop.yaml");
    std::fs::write(&file, FILE).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the programs of the previous release: make compat-schema"]
async fn an_upgrade_and_a_rollback_in_mid_sale_lose_nothing() {
    let mut services = Services::start().await;
    use_empty_database(&mut services).await;
    let file = file(&services);
    // What the tests' own tools need of a sale: its name and its product.
    let sale = sale("drop", &[("p", 1_000_000)]);

    // The previous release alone: control loop, gateway, worker, schema.
    let (up, url) = Release::Previous.up(&services, "up-previous", &file).await;
    let crowd = Crowd::start(std::slice::from_ref(&url), 16);
    until_more_orders(&services, 200).await;

    // First the schema, then gateways and workers beside those that are there.
    let schema = applied(&services).await;
    let migrated = Release::This.flashsale(&services, &["migrate"]).await;
    assert!(migrated.status.success(), "{}", told(&migrated));
    assert!(applied(&services).await.len() > schema.len());
    until_more_orders(&services, 200).await;
    assert!(unfenced(&services).await > 0, "its worker goes on");
    let gateway = Release::This.gateway(&services, "gateway-this").await;
    let worker = Release::This.worker(&services, "worker-this").await;
    crowd.move_to(&[url, gateway.url()]);
    until_more_orders(&services, 500).await;

    // The previous release is gone, with its control loop.
    crowd.move_to(&[gateway.url()]);
    up.kill().unwrap();
    let (up, url) = Release::This.up(&services, "up-this", &file).await;
    crowd.move_to(&[url.clone(), gateway.url()]);
    until_more_orders(&services, 500).await;
    let upgraded = unfenced(&services).await;
    until_more_orders(&services, 500).await;
    assert_eq!(unfenced(&services).await, upgraded, "all are fenced now");

    // Back: gateways, workers and control loop of the previous release take the place of the new ones.
    let old_gateway = Release::Previous
        .gateway(&services, "gateway-previous")
        .await;
    let old_worker = Release::Previous.worker(&services, "worker-previous").await;
    crowd.move_to(&[old_gateway.url()]);
    up.kill().unwrap();
    gateway.terminate().await;
    worker.terminate().await;
    until("the previous release settles", LONGEST, async || {
        unfenced(&services).await > upgraded
    })
    .await;
    let (up, url) = up_of_the_previous_release(&services, &file).await;
    crowd.move_to(&[url, old_gateway.url()]);
    until_more_orders(&services, 500).await;

    let acknowledged = crowd.leave().await;
    // Closes the sale and drains it, as that release does.
    let ended = up.stop(LONGEST).await.unwrap();
    assert!(ended.success(), "{}", up.log_tail());
    assert_audit_holds(&services, &sale, &acknowledged).await;
    assert_eq!(
        orders(&services).await,
        i64::try_from(acknowledged.len()).unwrap()
    );
    // Whichever gateway took the buy, and whichever worker settled it.
    assert_eq!(prices(&services).await, [9_900]);
    old_gateway.terminate().await;
    old_worker.terminate().await;
}

/// The different prices of all orders.
async fn prices(services: &Services) -> Vec<i64> {
    sqlx::query_scalar("SELECT DISTINCT price::bigint FROM orders")
        .fetch_all(services.ledger.pool())
        .await
        .unwrap()
}

/// Its control loop is the one of its operator, which does not migrate. `flashsale up` does, and
/// refuses migrations that it does not know, so it is not shown any.
async fn up_of_the_previous_release(services: &Services, file: &Path) -> (Process, String) {
    let run = async |statements: String| {
        sqlx::raw_sql(AssertSqlSafe(statements))
            .execute(services.ledger.pool())
            .await
            .unwrap();
    };
    run(format!(
        "CREATE TABLE hidden AS SELECT * FROM _sqlx_migrations WHERE version > {PREVIOUS};
         DELETE FROM _sqlx_migrations WHERE version > {PREVIOUS}"
    ))
    .await;
    let up = Release::Previous.up(services, "up-rolled-back", file).await;
    run("INSERT INTO _sqlx_migrations SELECT * FROM hidden; DROP TABLE hidden".to_owned()).await;
    up
}
