//! `flashsale up`: a whole sale with one command, as a newcomer runs it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{path::PathBuf, process::Output, time::Duration};

use flashsale_domain::id::{ProductId, SaleId};
use flashsale_e2e::{
    patience::until,
    processes::{client, get},
    services::Services,
};
use flashsale_queue::{
    connect::acl_rules,
    keys::{SALES, SaleKeys},
    stock,
};
use flashsale_testbed::{binaries, cluster::Cluster, redis::AppendFsync};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis::AsyncCommands as _;
use tokio::process::{Child, Command};

const LONGEST: Duration = Duration::from_mins(2);

fn up(example: &str, arguments: &[&str]) -> Command {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut command = Command::new(binaries::find("flashsale").unwrap());
    command
        .arg("up")
        .arg(examples.join(example))
        .args(arguments)
        .env_remove("FLASHSALE_OPERATIONS_TOKEN")
        .kill_on_drop(true);
    command
}

async fn run(example: &str, arguments: &[&str]) -> (String, Output) {
    let output = tokio::time::timeout(LONGEST, up(example, arguments).output())
        .await
        .unwrap();
    let output = output.unwrap();
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (told, output)
}

/// The number in the line of the table that begins with `name`.
fn figure(told: &str, name: &str) -> u64 {
    let line = told
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(name))
        .unwrap();
    let number: String = line
        .trim_start()
        .chars()
        .take_while(|c| !c.is_whitespace())
        .collect();
    number.replace(',', "").parse().unwrap()
}

#[tokio::test]
async fn five_hundred_pairs_are_sold_to_a_crowd_and_the_audit_holds() {
    let (told, output) = run(
        "sneaker-drop.yaml",
        &["--crowd", "3000", "--exit-when-done", "--opens-in", "1s"],
    )
    .await;
    assert!(output.status.success(), "{told}");
    assert_eq!(figure(&told, "confirmed "), 500, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
}

#[tokio::test]
async fn a_market_of_several_products_sells_each_shopper_one() {
    let (told, output) = run(
        "winter-market.yaml",
        &["--crowd", "3000", "--exit-when-done", "--opens-in", "1s"],
    )
    .await;
    assert!(output.status.success(), "{told}");
    assert!(figure(&told, "confirmed ") > 0, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
}

/// Shoppers arrive over longer than they may take to pay, and none of them pays.
#[tokio::test]
async fn unpaid_and_cancelled_orders_of_a_crowd_are_counted_and_none_is_lost() {
    let sale = "\
apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata: {name: paid}
spec:
  products: [{id: paid-1, name: A pair, price: 12900, stock: 1000}]
  payment: {windowSeconds: 2, graceSeconds: 0}
";
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), sale).unwrap();
    let crowd = [
        "--crowd",
        "300",
        "--arrival-seconds",
        "8",
        "--greedy",
        "0",
        "--impatient",
        "0",
        "--exit-when-done",
    ];
    let (told, output) = run(file.path().to_str().unwrap(), &crowd).await;
    assert!(output.status.success(), "{told}");
    assert_eq!(figure(&told, "confirmed "), 300, "{told}");
    let (unpaid, cancelled) = (figure(&told, "unpaid "), figure(&told, "cancelled "));
    assert!(unpaid > 0 && cancelled > 0, "{told}");
    assert!(unpaid + cancelled == 300, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
    // The lines of progress tell of them, too, and of a number.
    let progress = told.lines().filter(|line| line.starts_with("asked "));
    let unpaid: Vec<u64> = progress
        .filter_map(|line| {
            line.split_once(" unpaid ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    assert!(unpaid.iter().any(|orders| *orders > 0), "{told}");
    assert!(
        told.contains("settling    every job has its outcome, "),
        "{told}"
    );
    assert!(
        told.contains("and no order waits for its payment"),
        "{told}"
    );
}

/// The second gateway takes passes that the first one issued.
#[tokio::test]
async fn a_crowd_gets_passes_for_a_sale_that_asks_for_them() {
    let sale = "\
apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata: {name: guarded}
spec:
  products: [{id: guarded-1, name: A pair, price: 12900, stock: 40}]
  turnstile: {pass: Required}
";
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), sale).unwrap();
    let crowd = [
        "--crowd",
        "300",
        "--gateways",
        "2",
        "--greedy",
        "0",
        "--exit-when-done",
    ];
    let (told, output) = run(file.path().to_str().unwrap(), &crowd).await;
    assert!(output.status.success(), "{told}");
    assert!(told.contains("passes      got by the crowd"), "{told}");
    assert_eq!(figure(&told, "confirmed "), 40, "{told}");
    assert!(!told.contains("refused"), "{told}");
}

/// Makes a user `shop` on every server of `cluster`, with these rights; answers its address.
async fn shop_user(cluster: &Cluster, rules: &str) -> String {
    let password = cluster.servers[0].password();
    for position in 0..cluster.servers.len() {
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg("shop").arg("on");
        set.arg(format!(">{password}"));
        for rule in rules.split(' ') {
            set.arg(rule);
        }
        let () = cluster.ask(position, &set).await.unwrap();
    }
    cluster.url().replace("://:", "://shop:")
}

#[tokio::test]
async fn a_sale_on_a_cluster_needs_no_more_rights_than_the_listed_ones() {
    let cluster = Cluster::start(3, AppendFsync::EverySecond).await.unwrap();
    let url = shop_user(&cluster, &acl_rules()).await;
    let crowd = [
        "--redis-url",
        &url,
        "--crowd",
        "1000",
        "--exit-when-done",
        "--opens-in",
        "1s",
    ];
    let (told, output) = run("sneaker-drop.yaml", &crowd).await;
    assert!(output.status.success(), "{told}");
    assert_eq!(figure(&told, "confirmed "), 500, "{told}");
    assert!(
        told.contains("0 oversold · 0 lost · 0 duplicated"),
        "{told}"
    );
    assert!(!told.contains("NOPERM"), "{told}");

    shop_user(&cluster, "-xadd -publish").await;
    let (told, output) = run("sneaker-drop.yaml", &crowd).await;
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("grant it +xadd +publish"), "{told}");
}

/// What `up` prints into a file, as a newcomer reads it.
struct Told(tempfile::NamedTempFile);

impl Told {
    fn new() -> Self {
        Self(tempfile::NamedTempFile::new().unwrap())
    }

    fn start(&self, mut command: Command) -> Child {
        let output = || self.0.reopen().unwrap();
        command.stdout(output()).stderr(output()).spawn().unwrap()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.0.path()).unwrap()
    }

    async fn until_it_says(&self, what: &str) {
        until(&format!("it says {what}"), LONGEST, || async {
            self.text().contains(what)
        })
        .await;
    }

    /// What stands behind `name` at the beginning of a line.
    fn line(&self, name: &str) -> String {
        let text = self.text();
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        let found = found.unwrap_or_else(|| panic!("no line {name} in {text}"));
        found.trim_start().to_owned()
    }

    /// SIGTERM; it must end by itself with status 0.
    async fn end(&self, mut child: Child) {
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        let ended = tokio::time::timeout(LONGEST, child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it has not ended: {}", self.text()));
        let status = status.unwrap();
        assert!(status.success(), "{status}: {}", self.text());
    }
}

/// Law 7 on one machine: intake closes, what waits is settled, and everything started is gone.
#[tokio::test]
async fn a_signal_closes_drains_and_stops_everything() {
    let told = Told::new();
    let child = told.start(up("sneaker-drop.yaml", &[]));
    told.until_it_says("curl").await;
    let address = told.line("gateway ");
    assert_eq!(get(&format!("{address}/sales")).await.unwrap().0, 200);
    told.end(child).await;
    for part in ["drained", "workers", "gateways", "Redis", "PostgreSQL"] {
        assert!(told.text().contains(part), "{part} in {}", told.text());
    }
    assert!(
        get(&format!("{address}/sales")).await.is_none(),
        "nobody answers any more"
    );
}

/// Status of the operations' figures, asked for with a token.
async fn figures(gateway: &str, token: &str) -> u16 {
    let request = client().get(format!("{gateway}/operations/figures"));
    let response = request.bearer_auth(token).send().await.unwrap();
    response.status().as_u16()
}

#[tokio::test]
async fn the_shop_and_the_operations_page_are_a_click_away() {
    let told = Told::new();
    let child = told.start(up("winter-market.yaml", &[]));
    told.until_it_says("still up").await;
    let (gateway, shop) = (told.line("gateway "), told.line("shop "));
    assert_eq!(
        shop,
        format!("{gateway}/"),
        "run scripts/storefront, then build the gateway again"
    );
    for page in [shop.clone(), format!("{gateway}/ops")] {
        let request = client().get(&page).header("accept", "text/html");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
        let media_type = response.headers()["content-type"].to_str().unwrap();
        assert!(media_type.starts_with("text/html"), "{page}: {media_type}");
    }
    let operations = told.line("operations ");
    let token = operations.strip_prefix(&format!("{gateway}/ops#token="));
    let token = token.unwrap_or_else(|| panic!("{operations}"));
    assert_eq!(figures(&gateway, token).await, 200);
    assert_eq!(figures(&gateway, "another-token-of-somebody").await, 401);
    let text = told.text();
    let (_, invitation) = text.split_once("still up").unwrap();
    for link in [shop, operations] {
        assert!(invitation.contains(&format!("\n  {link}\n")), "{text}");
    }
    told.end(child).await;
}

#[tokio::test]
async fn a_given_operations_token_works_and_is_not_repeated() {
    let told = Told::new();
    let token = "given-by-who-runs-it";
    let mut command = up("sneaker-drop.yaml", &[]);
    command.env("FLASHSALE_OPERATIONS_TOKEN", token);
    let child = told.start(command);
    told.until_it_says("still up").await;
    assert_eq!(figures(&told.line("gateway "), token).await, 200);
    assert!(!told.text().contains(token), "{}", told.text());
    told.end(child).await;
}

#[tokio::test]
async fn an_operations_token_that_is_easily_guessed_is_refused_and_not_repeated() {
    let (told, output) = run("sneaker-drop.yaml", &["--operations-token", "sesame"]).await;
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("at least 16"), "{told}");
    assert!(!told.contains("sesame"), "{told}");
}

/// The control loop follows a PostgreSQL that went back, or was rebuilt, and says so; a sale that
/// fell out of the list of sales is put back.
#[tokio::test]
async fn a_postgres_that_went_back_is_followed_and_a_rebuilt_one_is_told_the_sale_again() {
    let services = Services::start().await;
    let told = Told::new();
    let mut command = up("sneaker-drop.yaml", &[]);
    command
        .args(["--database-url", &services.database_url])
        .args(["--redis-url", &services.redis.url()]);
    let child = told.start(command);
    told.until_it_says("still up").await;
    let (sale, shoe) = (
        SaleId::new("sneaker-drop").unwrap(),
        ProductId::new("sneaker-001").unwrap(),
    );
    let keys = SaleKeys::new(&sale);
    let mut queue = services.queue.clone();
    let offered = stock::read(&mut queue, &keys).await.unwrap()[&shoe].stock;
    // What lost commits had told: sold out, at a version that the ledger does not know.
    let lost = [("sneaker-001", 0), ("sneaker-001@", 99), ("$", 4_711)];
    let () = queue.hset_multiple(keys.stock(), &lost).await.unwrap();
    told.until_it_says("went back").await;
    assert!(
        told.text().contains("number 4712 or later"),
        "{}",
        told.text()
    );
    until("Redis has the ledger's stock", LONGEST, async || {
        let known = stock::read(&mut services.queue.clone(), &keys).await;
        known.unwrap()[&shoe].stock == offered
    })
    .await;
    let () = queue.srem(SALES, sale.as_str()).await.unwrap();
    until("the sale is listed again", LONGEST, async || {
        let mut queue = services.queue.clone();
        let listed: bool = queue.sismember(SALES, sale.as_str()).await.unwrap();
        listed
    })
    .await;
    sqlx::query("DELETE FROM products")
        .execute(services.ledger.pool())
        .await
        .unwrap();
    told.until_it_says("declared them again").await;
    told.end(child).await;
}

/// Orders name no currency, so that of a sale stays once it has opened.
#[tokio::test]
async fn a_sale_that_has_opened_keeps_its_currency() {
    let services = Services::start().await;
    let stores = [
        "--database-url",
        &services.database_url,
        "--redis-url",
        &services.redis.url(),
    ];
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let write = |spec: &str| {
        let sale = format!(
            "apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata: {{name: yen}}
spec:
  products: [{{id: yen-1, name: A pair, price: 12900, stock: 40}}]
{spec}"
        );
        std::fs::write(file.path(), sale).unwrap();
    };
    let runs = async || {
        let told = Told::new();
        let mut command = up(file.path().to_str().unwrap(), &["--listen", "127.0.0.1:0"]);
        command.args(stores);
        let child = told.start(command);
        told.until_it_says("still up").await;
        told.end(child).await;
    };
    write("  opensAt: 2099-01-01T00:00:00Z");
    runs().await;
    write("  currency: EUR");
    runs().await;
    write("  currency: JPY");
    let (told, output) = run(file.path().to_str().unwrap(), &stores).await;
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("write `currency: EUR` back"), "{told}");
    let mut queue = services.queue.clone();
    let record = flashsale_queue::catalogue::read(&mut queue, &SaleId::new("yen").unwrap()).await;
    assert_eq!(record.unwrap().unwrap().sale.currency.code(), "EUR");
}
