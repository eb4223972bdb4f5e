//! A shop with backups: PostgreSQL that archives its WAL, Redis, and a sale under load.

use std::{
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use flashsale_e2e::{patience::until, processes::get};
use flashsale_testbed::{
    binaries,
    data_dir::DataDir,
    postgres::Postgres,
    process::Process,
    program::{StoreUrls, loopback, ours},
    redis::{AppendFsync, Redis},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::process::{Child, Command};
use url::Url;

pub(crate) const LONGEST: Duration = Duration::from_mins(2);

const FILE: &str = "\
apiVersion: flashsale.dev/v1alpha1
kind: FlashSale
metadata:
  name: drop
spec:
  products:
    - {id: p, name: P, price: 9900, stock: 1000000}
    - {id: q, name: Q, price: 9900, stock: 1000000, maxPerUser: 1}
";

/// A script of this repository.
pub(crate) fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scripts")
        .join(name);
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLASHSALE_") {
            command.env_remove(name);
        }
    }
    command.kill_on_drop(true);
    command
}

/// What a program printed.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a command that has to succeed, and answers what it printed on standard output.
async fn run(mut command: Command) -> String {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Everything of one shop.
pub(crate) struct Shop {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    /// The control loop with one gateway and its workers.
    _up: Process,
    gateway: String,
    data_dir: DataDir,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let data_dir = DataDir::temporary().unwrap();
        let mut postgres = Postgres::start(&data_dir).await.unwrap();
        archive(&mut postgres, &data_dir).await;
        let redis = Redis::start(&data_dir, AppendFsync::Always).await.unwrap();
        let file = data_dir.path().join("drop.yaml");
        std::fs::write(&file, FILE).unwrap();
        std::fs::create_dir(data_dir.path().join("backups")).unwrap();
        let address = loopback().unwrap();
        let (database, queue) = (postgres.url(), redis.url());
        let stores = StoreUrls {
            database: &database,
            redis: &queue,
        };
        let launch = ours("flashsale", "up", stores, data_dir.path())
            .unwrap()
            .arg("up")
            .arg(&file)
            .args(["--listen", &address.to_string(), "--workers-max", "2"]);
        let up = Process::start(launch).await.unwrap();
        let gateway = format!("http://{address}");
        let sales = format!("{gateway}/sales");
        until("the sale is on", LONGEST, async || {
            let answer = get(&sales).await;
            answer.is_some_and(|(_, body)| body.contains(r#""q""#))
        })
        .await;
        Self {
            postgres,
            redis,
            _up: up,
            gateway,
            data_dir,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.data_dir.path().join(name)
    }

    fn history(&self) -> PathBuf {
        self.path("history.jsonl")
    }

    fn with_stores(&self, mut command: Command) -> Command {
        let flashsale = binaries::find("flashsale").unwrap();
        command
            .env("FLASHSALE_DATABASE_URL", self.postgres.url())
            .env("FLASHSALE_REDIS_URL", self.redis.url())
            .env("FLASHSALE_BIN_DIR", flashsale.parent().unwrap())
            .kill_on_drop(true);
        command
    }

    fn flashsale(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries::find("flashsale").unwrap());
        command.args(arguments);
        self.with_stores(command)
    }

    /// Shoppers who buy for as long as a test needs; `end` ends them.
    pub(crate) fn load(&self) -> Child {
        let mut load = self.flashsale(&["load", "--rate", "150", "--duration", "100"]);
        load.args(["--url", &self.gateway, "--history"])
            .arg(self.history())
            .args(["--sockets", "20", "--settle-patience", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        load.spawn().unwrap()
    }

    /// Ends a load in order, so that its history has the outcome of each buy, as far as there is one.
    pub(crate) async fn end(&self, mut load: Child) {
        let pid = i32::try_from(load.id().unwrap()).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        tokio::time::timeout(LONGEST, load.wait())
            .await
            .unwrap()
            .unwrap();
    }

    /// Waits until the history has `count` further confirmations.
    pub(crate) async fn confirms_more(&self, count: usize) {
        let confirmed = || {
            let history = std::fs::read_to_string(self.history()).unwrap_or_default();
            let is_event = |line: &&str| {
                line.contains(r#""outcome":"confirmed""#) && line.contains(r#""source":"redis""#)
            };
            history.lines().filter(is_event).count()
        };
        let before = confirmed();
        until("buys are confirmed", LONGEST, async || {
            confirmed() >= before + count
        })
        .await;
    }

    /// Copies PostgreSQL by the script, and answers where the copy is.
    pub(crate) async fn back_postgres_up(&self) -> PathBuf {
        let url = Url::parse(&self.postgres.url()).unwrap();
        let mut command = script("backup");
        command
            .arg("postgres")
            .arg(self.path("backups"))
            .env("PGHOST", url.host_str().unwrap())
            .env("PGPORT", url.port().unwrap().to_string())
            .env("PGUSER", url.username())
            .env("PGPASSWORD", url.password().unwrap());
        run(command).await.into()
    }

    /// Copies Redis by the script, and answers where the snapshot is.
    pub(crate) async fn back_redis_up(&self) -> PathBuf {
        let mut command = script("backup");
        command
            .arg("redis")
            .arg(self.path("backups"))
            .args(["--url", &format!("redis://127.0.0.1:{}", self.redis.port())])
            .env("REDISCLI_AUTH", self.redis.password());
        run(command).await.into()
    }

    /// What of PostgreSQL's clock names this instant.
    pub(crate) async fn instant(&self) -> String {
        self.ask(
            r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#,
        )
        .await
    }

    /// Waits until all that is committed by now is in the archive.
    pub(crate) async fn until_archived(&self) {
        let file = self.ask("SELECT pg_walfile_name(pg_switch_wal())").await;
        let question = format!(
            "SELECT (COALESCE(last_archived_wal, '') >= '{file}')::text FROM pg_stat_archiver"
        );
        until("the WAL is archived", LONGEST, async || {
            self.ask(&question).await == "true"
        })
        .await;
    }

    pub(crate) async fn ask(&self, question: &str) -> String {
        let mut connection = PgConnection::connect(&self.postgres.url()).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(question.to_owned()))
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// Loses PostgreSQL, restores it as of `until_` by the script, and comes back when it takes
    /// writes.
    pub(crate) async fn restore_postgres(&mut self, base: &Path, instant: &str) {
        let data = self.path("postgres/cluster");
        std::fs::rename(&data, self.path("postgres/cluster.lost")).unwrap();
        let mut command = script("restore");
        command
            .args(["postgres", "--until", instant, "--base"])
            .arg(base)
            .arg("--wal")
            .arg(self.path("postgres/archive"))
            .arg("--data")
            .arg(&data);
        run(command).await;
        self.postgres.restart().await.unwrap();
        until("PostgreSQL takes writes", LONGEST, async || {
            self.ask("SELECT pg_is_in_recovery()::text").await == "false"
        })
        .await;
    }

    /// Puts `from` in the place of Redis's files, by the script.
    pub(crate) async fn restore_redis_files(&self, from: &Path) {
        let files = self.redis.append_only_directory();
        std::fs::rename(&files, self.path("redis/appendonlydir.lost")).unwrap();
        let mut command = script("restore");
        command
            .args(["redis", "--from"])
            .arg(from)
            .arg("--data")
            .arg(self.path("redis"));
        run(command).await;
    }

    /// Runs `scripts/restore sales` once nothing is queued any more, and answers what it printed.
    pub(crate) async fn restore_sales(&self) -> String {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let queue = client.get_multiplexed_async_connection().await.unwrap();
        for product in ["p", "q"] {
            until("the lanes are empty", LONGEST, async || {
                let key = format!("fs:{{drop}}:lane:{product}");
                let depth: u64 = redis::cmd("XLEN")
                    .arg(key)
                    .query_async(&mut queue.clone())
                    .await
                    .unwrap();
                depth == 0
            })
            .await;
        }
        let mut command = script("restore");
        command.arg("sales");
        run(self.with_stores(command)).await
    }

    /// `flashsale check` of the history: exit status and verdict.
    pub(crate) async fn check(&self, arguments: &[String]) -> (Option<i32>, Value) {
        let mut command = self.flashsale(&["check", "--json"]);
        let output = command
            .arg(self.history())
            .args(arguments)
            .output()
            .await
            .unwrap();
        let verdict = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_ne!(verdict, Value::Null, "{}", told(&output));
        (output.status.code(), verdict)
    }
}

/// Sets the archive of docs/backup.md up.
async fn archive(postgres: &mut Postgres, data_dir: &DataDir) {
    let home = data_dir.path().join("postgres");
    let archive = home.join("archive");
    std::fs::create_dir(&archive).unwrap();
    let owner = home.metadata().unwrap();
    chown(&archive, Some(owner.uid()), Some(owner.gid())).unwrap();
    let archive = archive.display();
    let settings = [
        "ALTER SYSTEM SET archive_mode = on".to_owned(),
        format!(
            "ALTER SYSTEM SET archive_command = 'test ! -f \"{archive}/%f\" && cp \"%p\" \
             \"{archive}/%f.partial\" && mv \"{archive}/%f.partial\" \"{archive}/%f\"'"
        ),
        "ALTER SYSTEM SET archive_timeout = '60s'".to_owned(),
    ];
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    for setting in settings {
        sqlx::raw_sql(AssertSqlSafe(setting))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    drop(connection);
    postgres.restart().await.unwrap();
}
