//! `flashsale load --history` and `flashsale check` on real gateways, workers and stores: a run
//! that keeps the laws is clean, and what is planted into the real stores is found.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{
    collections::HashSet,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use flashsale_domain::sale::{LatePolicy, PaymentWindow, Sale};
use flashsale_e2e::{
    patience::until,
    processes::Child,
    queue::depth,
    sales::{open, product, sale},
    services::Services,
};
use flashsale_queue::keys::SaleKeys;
use flashsale_testbed::binaries;
use redis::AsyncCommands;
use serde_json::Value;
use tokio::process::Command;

const LONGEST: Duration = Duration::from_mins(1);

/// A running sale of real processes, and where its history goes.
struct Shop {
    services: Services,
    sale: Sale,
    gateways: [Child; 2],
    history: PathBuf,
}

impl Shop {
    async fn open(name: &str) -> Self {
        Self::open_with(name, None).await
    }

    async fn open_with(name: &str, payment: Option<PaymentWindow>) -> Self {
        let services = Services::start().await;
        let mut sale = sale(name, &[(&format!("{name}-p"), 40)]);
        let mut limited = product(&format!("{name}-q"), 60);
        limited.max_per_user = Some(1);
        sale.products.push(limited);
        sale.payment = payment;
        open(&services, &sale).await;
        let history = services.data_dir.path().join("run.jsonl");
        let gateways = [
            Child::gateway(&services, "gateway-1").await,
            Child::gateway(&services, "gateway-2").await,
        ];
        Self {
            services,
            sale,
            gateways,
            history,
        }
    }

    fn flashsale(&self, command: &str) -> Command {
        let mut flashsale = Command::new(binaries::find("flashsale").unwrap());
        flashsale
            .arg(command)
            .env("FLASHSALE_REDIS_URL", self.services.redis.url())
            .env("FLASHSALE_DATABASE_URL", &self.services.database_url)
            .kill_on_drop(true);
        flashsale
    }

    fn load(&self, arguments: &[&str]) -> Command {
        let mut load = self.flashsale("load");
        for gateway in &self.gateways {
            load.args(["--url", &gateway.url()]);
        }
        load.args(["--greedy", "0.3", "--sockets", "40", "--history"])
            .arg(&self.history)
            .args(arguments);
        load
    }

    async fn check(&self, arguments: &[&str]) -> (Option<i32>, Value, String) {
        let output = self
            .flashsale("check")
            .arg(&self.history)
            .arg("--json")
            .args(arguments)
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), json, told)
    }

    /// Asserts that a check finds a violation of this law that names this.
    async fn assert_found(&self, law: &str, field: &str, name: &str) {
        let (status, json, told) = self.check(&[]).await;
        assert_eq!(status, Some(1), "{json:#} {told}");
        let rows = json["violations"].as_array().unwrap();
        let is_found = |row: &Value| row["law"] == law && row[field] == name;
        assert!(rows.iter().any(is_found), "{law}, {field} {name}: {json:#}");
    }

    async fn tamper(&self, statement: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(self.services.ledger.pool())
            .await
            .unwrap();
    }

    async fn set(&self, key: &str, field: &str, value: &str) {
        let mut queue = self.services.queue.clone();
        let _: () = queue.hset(key, field, value).await.unwrap();
    }

    /// Jobs of the history that ended like this, each with its shopper.
    fn ended(&self, outcome: &str) -> Vec<(String, String)> {
        let history = std::fs::read_to_string(&self.history).unwrap();
        let lines = history
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        lines
            .filter(|line| line["type"] == "outcome" && line["outcome"] == outcome)
            .map(|line| (text(&line["job"]), text(&line["user"])))
            .collect()
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Units of orders that nobody pays are sold again while the crowd still comes.
#[tokio::test]
async fn orders_that_expire_are_counted_and_break_no_law() {
    let window = PaymentWindow {
        window_seconds: 2,
        grace_seconds: 0,
        provider: None,
        on_late: LatePolicy::default(),
    };
    let shop = Shop::open_with("unpaid", Some(window)).await;
    let _worker = Child::worker(&shop.services, "worker").await;
    let crowd = ["--crowd", "600", "--arrival-seconds", "8", "--json"];
    let output = shop.load(&crowd).output().await.unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let confirmed = report["counts"]["confirmed"].as_u64().unwrap();
    assert!(confirmed > 100, "no unit was sold twice: {report:#}");
    let count = |name: &str| report["orders"][name].as_u64().unwrap();
    let (unpaid, cancelled) = (count("unpaid"), count("cancelled"));
    assert_eq!(unpaid + cancelled, confirmed, "{report:#}");
    assert!(cancelled > 0, "{report:#}");
    assert_eq!(report["lost"], 0, "{report:#}");

    let (status, json, told) = shop.check(&[]).await;
    assert_eq!(status, Some(0), "{json:#} {told}");
    assert_eq!(json["clean"], true);
    assert_eq!(json["counts"]["confirmed"], confirmed, "{json:#}");
}

#[tokio::test]
async fn a_run_that_keeps_the_laws_is_clean_and_what_is_planted_into_the_stores_is_found() {
    let shop = Shop::open("judged").await;
    let keys = SaleKeys::new(&shop.sale.id);
    // Redis lets more in than there is, as long as no worker tells it; the ledger turns them away.
    shop.set(&keys.stock(), "judged-p", "70").await;

    let crowd = ["--crowd", "300", "--arrival-seconds", "1"];
    let loading = tokio::spawn(shop.load(&crowd).output());
    until("more are let in than there is", LONGEST, || async {
        depth(&shop.services, &shop.sale, 0).await == 70
    })
    .await;
    let _worker = Child::worker(&shop.services, "worker").await;
    let output = loading.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let (status, json, told) = shop.check(&[]).await;
    assert_eq!(status, Some(0), "{json:#} {told}");
    assert_eq!(json["clean"], true);
    assert!(
        json["counts"]["confirmed"].as_u64().unwrap() > 40,
        "{json:#}"
    );
    assert_eq!(json["counts"]["soldOut"], 30, "{json:#}");
    assert!(json["counts"]["events"].as_u64().unwrap() > 100, "{json:#}");

    let confirmed = shop.ended("confirmed");
    let [(deleted, _), (changed, shopper), (stolen, _), ..] = confirmed.as_slice() else {
        unreachable!("forty were confirmed");
    };
    shop.tamper(format!("DELETE FROM orders WHERE job_id = '{deleted}'"))
        .await;
    shop.assert_found("no-lost-ack", "job", deleted).await;
    let (_, json, _) = shop.check(&["--ledger-lost"]).await;
    assert_eq!(json["lostWithStore"][0]["store"], "ledger", "{json:#}");
    assert_eq!(json["lostWithStore"][0]["job"], deleted.as_str());

    let (sold_out, user) = shop.ended("sold_out").remove(0);
    shop.tamper(format!(
        "INSERT INTO orders (user_id, product_id, status, sale_id, job_id, idempotency_key, price)
         VALUES ('{user}', 'judged-p', 'COMPLETED', 'judged', '{sold_out}', 'planted', 1)"
    ))
    .await;
    shop.assert_found("no-lost-ack", "job", &sold_out).await;

    let record = format!("s 0 judged-p {shopper}");
    shop.set(&keys.jobs(), changed, &record).await;
    shop.assert_found("no-lost-ack", "job", changed).await;
    shop.set(&keys.jobs(), stolen, "q 1 judged-p thief").await;
    shop.assert_found("privacy", "job", stolen).await;
    shop.set(&keys.stock(), "judged-q@", "99999").await;
    shop.assert_found("postgresql-judges", "product", "judged-q")
        .await;
    shop.tamper(
        "UPDATE products SET stock_quantity = stock_quantity + 1, \
                 initial_stock = initial_stock + 2, sold = sold + 1 WHERE id = 'judged-q'"
            .to_owned(),
    )
    .await;
    shop.assert_found("no-oversell", "product", "judged-q")
        .await;
    let mut queue = shop.services.queue.clone();
    let _: () = queue.srem("fs:sales", "judged").await.unwrap();
    shop.assert_found("tidy-end", "sale", "judged").await;
    let _: () = queue.del(keys.record()).await.unwrap();
    let (_, json, _) = shop.check(&[]).await;
    assert!(
        json.to_string().contains("{judged}:jobs is still there"),
        "{json:#}"
    );
}

#[tokio::test]
async fn the_history_of_a_load_that_was_killed_is_judged_up_to_its_last_line() {
    let shop = Shop::open("killed").await;
    let _worker = Child::worker(&shop.services, "worker").await;
    let mut load = shop.load(&["--rate", "100", "--duration", "30"]);
    let mut load = load
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("buys are confirmed", LONGEST, || async {
        let history = std::fs::read_to_string(&shop.history).unwrap_or_default();
        // A job is told by several lines, and the last one may be half written.
        let lines = history
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let jobs: HashSet<String> = lines
            .filter(|line| line["outcome"] == "confirmed")
            .filter_map(|line| line["job"].as_str().map(str::to_owned))
            .collect();
        jobs.len() > 10
    })
    .await;
    load.kill().await.unwrap();
    for number in 0..shop.sale.products.len() {
        until("the lanes are empty", LONGEST, || async {
            depth(&shop.services, &shop.sale, number).await == 0
        })
        .await;
    }
    let (status, json, told) = shop.check(&[]).await;
    assert_eq!(status, Some(0), "{json:#} {told}");
    assert!(told.contains("the load was killed"), "{told}");
    assert!(
        json["counts"]["acknowledged"].as_u64().unwrap() > 10,
        "{json:#}"
    );

    let mut unreachable = shop.flashsale("check");
    unreachable
        .arg(&shop.history)
        .env("FLASHSALE_REDIS_URL", "redis://127.0.0.1:1/");
    let output = unreachable.output().await.unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", self::told(&output));
}

/// One gateway issues the passes, and both take them.
#[tokio::test]
async fn a_crowd_gets_passes_for_a_sale_that_asks_for_them() {
    let services = Services::start().await;
    let mut sale = sale("guarded", &[("guarded-p", 40)]);
    sale.turnstile.pass_required = true;
    open(&services, &sale).await;
    let options = [
        "--pass-difficulty=6",
        "--pass-secret=a-secret-that-both-of-the-gateways-have",
    ];
    let gateways = [
        Child::gateway_with(&services, "gateway-1", &options).await,
        Child::gateway_with(&services, "gateway-2", &options).await,
    ];
    let _worker = Child::worker(&services, "worker").await;
    let mut load = Command::new(binaries::find("flashsale").unwrap());
    load.args([
        "load",
        "--crowd",
        "30",
        "--arrival-seconds",
        "1",
        "--greedy",
        "0",
        "--json",
    ])
    .kill_on_drop(true);
    for gateway in &gateways {
        load.args(["--url", &gateway.url()]);
    }
    let output = load.output().await.unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["counts"]["queued"], 30, "{report:#}");
    assert_eq!(report["counts"]["refused"], 0, "{report:#}");
}
