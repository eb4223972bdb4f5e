//! PostgreSQL and Redis for one test.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use flashsale_cli::local::{
    data_dir::DataDir,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use flashsale_core::{
    connect::{self, LedgerConfig},
    ledger::Ledger,
};
use redis::aio::ConnectionManager;
use sqlx::Connection;

/// Redis, a fresh migrated database, and connections to both.
pub struct Services {
    /// The Redis of this test.
    pub redis: Redis,
    /// Address of this test's database.
    pub database_url: String,
    /// The ledger in it.
    pub ledger: Ledger,
    /// A shared connection to Redis.
    pub queue: ConnectionManager,
    /// Holds Redis's files.
    pub data_dir: DataDir,
    /// A PostgreSQL of this test's own, where it is to be killed.
    pub postgres: Option<Postgres>,
}

impl Services {
    /// Redis of one's own and a database in the shared PostgreSQL.
    pub async fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = shared_postgres();
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create)
            .execute(&mut connection)
            .await
            .unwrap();
        let base = server.rsplit_once('/').unwrap().0;
        Self::assemble(
            format!("{base}/{name}"),
            DataDir::temporary().unwrap(),
            None,
        )
        .await
    }

    /// Redis and PostgreSQL of one's own, for tests that stop them.
    pub async fn start_own() -> Self {
        let data_dir = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&data_dir).await.unwrap();
        Self::assemble(postgres.url(), data_dir, Some(postgres)).await
    }

    async fn assemble(database_url: String, data_dir: DataDir, postgres: Option<Postgres>) -> Self {
        let redis = Redis::start(&data_dir, AppendFsync::EverySecond)
            .await
            .unwrap();
        let ledger = connect::ledger(&LedgerConfig {
            url: database_url.clone(),
            connections: 10,
            transaction_pooler: false,
            ping_before_use: true,
        })
        .unwrap();
        ledger.migrate().await.unwrap();
        let client = connect::redis_client(&redis.url()).unwrap();
        let queue = connect::shared(&client).unwrap();
        Self {
            redis,
            database_url,
            ledger,
            queue,
            data_dir,
            postgres,
        }
    }

    /// A client for connections of one's own.
    #[must_use]
    pub fn client(&self) -> redis::Client {
        connect::redis_client(&self.redis.url()).unwrap()
    }
}

/// Address of the PostgreSQL that this test program's tests share. It belongs to a thread that
/// lives as long as the program: the server dies with the thread that started it.
fn shared_postgres() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let data_dir = DataDir::temporary().unwrap();
                let postgres = Postgres::start(&data_dir).await.unwrap();
                sender.send(postgres.url()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver
            .recv_timeout(Duration::from_mins(1))
            .expect("PostgreSQL did not start")
    })
}
