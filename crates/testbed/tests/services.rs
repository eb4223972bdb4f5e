//! The private PostgreSQL and Redis with the real servers: side by side, killed, restarted, and
//! gone when they should be gone.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::fs;
use std::path::Path;

use flashsale_testbed::{
    answer::NoAnswer,
    data_dir::DataDir,
    postgres::{Postgres, PostgresError},
    redis::{AppendFsync, Redis},
};
use sqlx::{Connection, PgConnection};

async fn redis_command(url: &str, words: &[&str]) -> redis::RedisResult<redis::Value> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await
}

async fn redis_text(url: &str, words: &[&str]) -> String {
    let value = redis_command(url, words).await.unwrap();
    redis::from_redis_value(value).unwrap()
}

async fn query(url: &str, statement: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(statement)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
}

/// Process ids of everything that works in a directory below `root`.
fn processes_in(root: &Path) -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let works_in = fs::read_link(entry.path().join("cwd")).ok()?;
            works_in.starts_with(root).then_some(pid)
        })
        .collect()
}

#[tokio::test]
async fn two_postgres_run_side_by_side() {
    let (first_dir, second_dir) = (DataDir::temporary().unwrap(), DataDir::temporary().unwrap());
    let (first, second) = tokio::join!(Postgres::start(&first_dir), Postgres::start(&second_dir));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.port(), second.port());

    execute(&first.url(), "CREATE TABLE only_here (id int)").await;
    let in_second = "SELECT coalesce(to_regclass('only_here')::text, 'absent')";
    assert_eq!(query(&second.url(), in_second).await, "absent");

    let with_the_others_password = first
        .url()
        .replace(&first.port().to_string(), &second.port().to_string());
    PgConnection::connect(&with_the_others_password)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn postgres_never_trades_durability_and_speaks_utf8() {
    let data_dir = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    for (setting, value) in [
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW full_page_writes", "on"),
        ("SHOW data_checksums", "off"),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW max_connections", "200"),
        ("SHOW password_encryption", "scram-sha-256"),
        ("SHOW listen_addresses", "127.0.0.1"),
    ] {
        assert_eq!(query(&postgres.url(), setting).await, value, "{setting}");
    }
}

#[tokio::test]
async fn databases_are_created_by_plain_names_only() {
    let data_dir = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let url = postgres.create_database("sale_1").await.unwrap();
    assert_eq!(
        query(&url, "SELECT current_database()::text").await,
        "sale_1"
    );

    let error = postgres.create_database("sale_1").await.unwrap_err();
    assert!(matches!(error, PostgresError::Refused { .. }), "{error}");
    let error = postgres.create_database("x; DROP").await.unwrap_err();
    assert!(matches!(error, PostgresError::BadName(_)), "{error}");
}

#[tokio::test]
async fn killed_postgres_comes_back_with_what_was_committed() {
    let data_dir = DataDir::temporary().unwrap();
    let mut postgres = Postgres::start(&data_dir).await.unwrap();
    let url = postgres.url();
    execute(
        &url,
        "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('here')",
    )
    .await;
    let _busy = PgConnection::connect(&url).await.unwrap();

    postgres.kill().await.unwrap();
    assert!(!postgres.is_running());
    assert_eq!(processes_in(data_dir.path()), Vec::<i32>::new());
    PgConnection::connect(&url).await.unwrap_err();

    postgres.restart().await.unwrap();
    assert_eq!(postgres.url(), url);
    assert_eq!(query(&url, "SELECT word FROM kept").await, "here");

    let before = postgres.pid();
    postgres.restart().await.unwrap();
    assert_ne!(postgres.pid(), before);
    assert_eq!(query(&url, "SELECT word FROM kept").await, "here");
}

#[tokio::test]
async fn kept_directory_is_reused() {
    let root = DataDir::temporary().unwrap();
    let path = root.path().join("kept");
    for (statement, setting) in [
        ("CREATE TABLE kept (id int)", ["SET", "word", "here"]),
        ("INSERT INTO kept VALUES (1)", ["SET", "word", "there"]),
    ] {
        let data_dir = DataDir::kept(&path).unwrap();
        let mut postgres = Postgres::start(&data_dir).await.unwrap();
        let mut redis = Redis::start(&data_dir, AppendFsync::Always).await.unwrap();
        execute(&postgres.url(), statement).await;
        redis_command(&redis.url(), &setting).await.unwrap();
        redis.stop().await.unwrap();
        postgres.stop().await.unwrap();
    }
    let data_dir = DataDir::kept(&path).unwrap();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let redis = Redis::start(&data_dir, AppendFsync::Always).await.unwrap();
    assert_eq!(
        query(&postgres.url(), "SELECT count(*)::text FROM kept").await,
        "1"
    );
    assert_eq!(redis_text(&redis.url(), &["GET", "word"]).await, "there");
}

#[tokio::test]
async fn failed_start_shows_the_end_of_the_log() {
    let data_dir = DataDir::temporary().unwrap();
    let mut postgres = Postgres::start(&data_dir).await.unwrap();
    postgres.stop().await.unwrap();
    let control_file = data_dir.path().join("postgres/cluster/global/pg_control");
    fs::write(control_file, "").unwrap();
    let error = postgres.restart().await.unwrap_err();
    assert!(
        matches!(error, PostgresError::NoAnswer(NoAnswer::Ended { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("pg_control"), "{error}");
}

#[tokio::test]
async fn two_redis_run_side_by_side_and_want_their_passwords() {
    let (first_dir, second_dir) = (DataDir::temporary().unwrap(), DataDir::temporary().unwrap());
    let (first, second) = tokio::join!(
        Redis::start(&first_dir, AppendFsync::EverySecond),
        Redis::start(&second_dir, AppendFsync::Always)
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    redis_command(&first.url(), &["SET", "word", "here"])
        .await
        .unwrap();
    assert_eq!(redis_text(&second.url(), &["EXISTS", "word"]).await, "0");

    let nobody = format!("redis://127.0.0.1:{}/", first.port());
    redis_command(&nobody, &["GET", "word"]).await.unwrap_err();

    for (redis, policy) in [(&first, "everysec"), (&second, "always")] {
        let answer = redis_command(&redis.url(), &["CONFIG", "GET", "append*"])
            .await
            .unwrap();
        let settings: std::collections::HashMap<String, String> =
            redis::from_redis_value(answer).unwrap();
        assert_eq!(settings["appendfsync"], policy);
        assert_eq!(settings["appendonly"], "yes");
    }
}

#[tokio::test]
async fn killed_redis_comes_back_with_what_was_acknowledged() {
    let data_dir = DataDir::temporary().unwrap();
    let mut redis = Redis::start(&data_dir, AppendFsync::Always).await.unwrap();
    let url = redis.url();
    redis_command(&url, &["SET", "word", "here"]).await.unwrap();

    redis.kill().await.unwrap();
    assert!(!redis.is_running());
    redis_command(&url, &["GET", "word"]).await.unwrap_err();

    redis.restart().await.unwrap();
    assert_eq!(redis.url(), url);
    assert_eq!(redis_text(&url, &["GET", "word"]).await, "here");
}

#[tokio::test]
async fn nothing_is_left_after_drop() {
    let data_dir = DataDir::temporary().unwrap();
    let path = data_dir.path().to_path_buf();
    let postgres = Postgres::start(&data_dir).await.unwrap();
    let redis = Redis::start(&data_dir, AppendFsync::EverySecond)
        .await
        .unwrap();
    let busy = PgConnection::connect(&postgres.url()).await.unwrap();
    assert!(processes_in(&path).len() > 2);

    // The servers keep the directory in place for as long as they need it.
    drop(data_dir);
    assert!(path.exists());
    drop((postgres, redis));

    assert_eq!(processes_in(&path), Vec::<i32>::new());
    assert!(!path.exists());
    drop(busy);
}
