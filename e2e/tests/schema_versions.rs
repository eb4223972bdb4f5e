//! This release on a schema that is not its own: the one of a later release, after a rollback, and
//! the one of the previous release, before `flashsale migrate` has run.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{process::Output, time::Duration};

use flashsale_e2e::{
    crowd::Crowd,
    laws::assert_audit_holds,
    patience::until,
    processes::{Child, get},
    queue::depth,
    sales::sale,
    schema::{applied, migrate_further, open_at_previous_schema, use_previous_schema},
    services::Services,
};
use flashsale_testbed::{
    binaries,
    program::{Program, StoreUrls, loopback, ours},
};
use tokio::process::Command;

const LONGEST: Duration = Duration::from_mins(1);

/// Runs `flashsale` with the stores of `services`.
async fn flashsale(services: &Services, arguments: &[&str]) -> Output {
    Command::new(binaries::find("flashsale").unwrap())
        .args(arguments)
        .env("FLASHSALE_DATABASE_URL", &services.database_url)
        .env("FLASHSALE_REDIS_URL", services.redis.url())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn this_release_migrates_with_a_warning_and_sells_on_the_schema_of_a_later_one() {
    let services = Services::start().await;
    migrate_further(&services).await;
    let before = applied(&services).await;
    let migrated = flashsale(&services, &["migrate", "--create-roles"]).await;
    assert_eq!(migrated.status.code(), Some(0), "{}", told(&migrated));
    let warning = String::from_utf8_lossy(&migrated.stderr);
    assert!(
        warning.contains("the schema is newer than this release: migration 9000 was applied"),
        "{warning}"
    );
    assert!(
        String::from_utf8_lossy(&migrated.stdout).starts_with("the schema is newer"),
        "{}",
        told(&migrated)
    );
    assert_eq!(applied(&services).await, before);

    let sold = flashsale(
        &services,
        &[
            "up",
            "../examples/sneaker-drop.yaml",
            "--crowd=600",
            "--exit-when-done",
            "--opens-in=1s",
        ],
    )
    .await;
    let sold_told = told(&sold);
    assert_eq!(sold.status.code(), Some(0), "{sold_told}");
    assert!(
        sold_told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{sold_told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_migration_gateways_sell_and_everything_else_names_the_command() {
    let mut services = Services::start().await;
    use_previous_schema(&mut services).await;
    let sale = sale("drop", &[("p", 1_000_000)]);
    open_at_previous_schema(&services, &sale).await;
    let gateway = Child::gateway(&services, "gateway").await;
    let crowd = Crowd::start(&[gateway.url()], 8);
    crowd.bought_at_least(100).await;

    let redis = services.redis.url();
    let stores = StoreUrls {
        database: &services.database_url,
        redis: &redis,
    };
    let probes = loopback().unwrap();
    let launch = ours(
        "flashsale-worker",
        "worker",
        stores,
        services.data_dir.path(),
    )
    .unwrap()
    .args(["--probes-listen", &probes.to_string()]);
    let worker = Program::start(launch, probes, probes, "/healthz")
        .await
        .unwrap();
    let readyz = format!("http://{probes}/readyz");
    until("the worker says what to do", LONGEST, async || {
        let answer = get(&readyz).await;
        answer
            .is_some_and(|(status, body)| status == 503 && body.contains("run `flashsale migrate`"))
    })
    .await;
    let log = std::fs::read_to_string(worker.process().log_file()).unwrap();
    assert!(log.contains("run `flashsale migrate`"), "{log}");
    for command in [
        &["audit", "--sale", "drop"][..],
        &["restock", "--sale", "drop", "--product", "p", "--by", "1"],
    ] {
        let refused = flashsale(&services, command).await;
        assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
        assert!(
            told(&refused).contains("run `flashsale migrate`"),
            "{}",
            told(&refused)
        );
    }
    // No attempt is counted meanwhile, so nothing is given up.
    assert!(depth(&services, &sale, 0).await >= 100);

    let migrated = flashsale(&services, &["migrate"]).await;
    assert_eq!(migrated.status.code(), Some(0), "{}", told(&migrated));
    worker.ready().await.unwrap();
    crowd.buys_more(100).await;
    let acknowledged = crowd.leave().await;
    assert_audit_holds(&services, &sale, &acknowledged).await;
    worker.stop().await.unwrap();
}
