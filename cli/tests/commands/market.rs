//! A sale on a private PostgreSQL and Redis, with buys that are taken and settled by the same
//! functions that gateways and workers call.

use flashsale_domain::{
    id::{IdempotencyKey, JobId, ProductId, SaleId, UserId},
    job::{Job, JobOptions, PURCHASE_JOB, Purchase},
    outcome::Outcome,
    sale::{Sale, spec::FlashSaleSpec, validation},
};
use flashsale_ledger::{Ledger, LedgerConfig, Verdict};
use flashsale_queue::{
    catalogue,
    connect::{self, SharedConnection},
    dead_letter,
    keys::SaleKeys,
    lane::{self, Acknowledgement, Dead, Ended},
    stock,
    turnstile::{Admission, Buy, Turnstile},
};
use flashsale_testbed::{
    data_dir::DataDir,
    postgres::Postgres,
    redis::{AppendFsync, Redis},
};
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::{Printed, flashsale};

/// The sale of every market.
pub(crate) const SALE: &str = "drop";

/// A running sale. The stores end with it.
pub(crate) struct Market {
    pub(crate) ledger: Ledger,
    pub(crate) queue: SharedConnection,
    pub(crate) keys: SaleKeys,
    sale: Sale,
    turnstile: Turnstile,
    postgres: Postgres,
    redis: Redis,
}

impl Market {
    /// A sale of these products, open since ever.
    pub(crate) async fn open(products: Value) -> Self {
        let spec = json!({"products": products,
                          "turnstile": {"rateLimit": {"requests": 1000, "windowSeconds": 1}}});
        Self::of(spec).await
    }

    /// A sale as `spec` says.
    pub(crate) async fn of(spec: Value) -> Self {
        let data_dir = DataDir::temporary().unwrap();
        let (postgres, redis) = tokio::join!(
            Postgres::start(&data_dir),
            Redis::start(&data_dir, AppendFsync::EverySecond)
        );
        let (postgres, redis) = (postgres.unwrap(), redis.unwrap());
        let ledger = Ledger::open(&LedgerConfig {
            url: postgres.url().into(),
            tls: flashsale_transport::TlsSource::System,
            connections: 2,
            transaction_pooler: false,
            ping_before_use: true,
            bounds: None,
        })
        .unwrap();
        ledger.migrate().await.unwrap();
        let client = connect::redis_client(&redis.url()).unwrap();
        let queue = connect::shared(&client).unwrap();
        let spec: FlashSaleSpec = serde_json::from_value(spec).unwrap();
        let id = SaleId::new(SALE).unwrap();
        let market = Self {
            ledger,
            queue,
            keys: SaleKeys::new(&id),
            sale: validation::check_spec(id, &spec).unwrap(),
            turnstile: Turnstile::default(),
            postgres,
            redis,
        };
        let levels = market.ledger.declare(&market.sale).await.unwrap().levels;
        let mut queue = market.queue.clone();
        stock::publish(&mut queue, &market.keys, &levels)
            .await
            .unwrap();
        catalogue::announce(&mut queue, &market.sale, false)
            .await
            .unwrap();
        market
    }

    /// A sale of one product, `p`.
    pub(crate) async fn of_one(stock: i32) -> Self {
        Self::open(json!([{"id": "p", "name": "P", "price": 100, "stock": stock}])).await
    }

    /// The turnstile's answer to one buy.
    pub(crate) async fn ask(&self, product: &str, user: &str, key: &str) -> Admission {
        let job = Job {
            job_id: JobId::with_route(self.sale.id.route()),
            data: Purchase {
                user_id: UserId::new(user).unwrap(),
                product_id: ProductId::new(product).unwrap(),
                timestamp: 0,
                idempotency_key: IdempotencyKey::new(key).unwrap(),
                price: None,
            },
            name: PURCHASE_JOB.to_owned(),
            opts: JobOptions::default(),
        };
        let buy = Buy {
            user: job.data.user_id.clone(),
            product: job.data.product_id.clone(),
            key: job.data.idempotency_key.clone(),
            job_id: job.job_id,
            job: Some(serde_json::to_vec(&job).unwrap()),
        };
        let mut queue = self.queue.clone();
        let answers = self.turnstile.admit(&mut queue, &self.keys, &[buy]).await;
        answers.unwrap().remove(0)
    }

    /// Takes `count` buys of `product`, each of its own shopper.
    pub(crate) async fn buy(&self, product: &str, count: usize) {
        for number in 0..count {
            let user = format!("{product}-shopper-{number}");
            let admission = self.ask(product, &user, &user).await;
            assert!(
                matches!(admission, Admission::Queued { .. }),
                "{admission:?}"
            );
        }
    }

    /// The jobs that wait for `product`, with the ids of their entries.
    pub(crate) async fn waiting(&self, product: &str) -> Vec<(String, Job)> {
        let product = ProductId::new(product).unwrap();
        let mut queue = self.queue.clone();
        let lane = self.keys.lane(&product);
        let entries = lane::read(&mut queue, &lane, lane::HEAD, 10_000)
            .await
            .unwrap();
        let jobs = entries.into_iter().map(|entry| {
            let job = Job::parse(&entry.job.unwrap(), &product).unwrap();
            (entry.id, job)
        });
        jobs.collect()
    }

    /// Settles everything that waits for `product`.
    pub(crate) async fn settle(&self, product: &str) {
        let waiting = self.waiting(product).await;
        let product = ProductId::new(product).unwrap();
        let jobs: Vec<&Job> = waiting.iter().map(|(_, job)| job).collect();
        let settlement = self
            .ledger
            .settle_alone(&self.sale.id, &product, &jobs)
            .await
            .unwrap();
        let ended =
            waiting
                .into_iter()
                .zip(settlement.verdicts)
                .map(|((entry_id, job), verdict)| {
                    let (outcome, order_id) = match verdict {
                        Verdict::Confirmed { order_id } | Verdict::Redelivered { order_id } => {
                            (Outcome::Confirmed, Some(order_id))
                        }
                        Verdict::SoldOut => (Outcome::SoldOut, None),
                        Verdict::LimitReached => (Outcome::LimitReached, None),
                        Verdict::KeyTaken | Verdict::JobIdTaken => {
                            unreachable!("every buy of a test has its own key")
                        }
                    };
                    Ended {
                        entry_id,
                        job_id: job.job_id,
                        user_id: job.data.user_id,
                        outcome,
                        order_id,
                        state: None,
                    }
                });
        let acknowledgement = Acknowledgement {
            ended: ended.collect(),
            dead: Vec::new(),
            stock: Some((settlement.stock, settlement.version)),
            ..Acknowledgement::default()
        };
        self.acknowledge(&product, &acknowledgement).await;
    }

    /// Gives every job that waits for `product` up, as a worker does after the last attempt.
    pub(crate) async fn bury(&self, product: &str, reason: &str) {
        let waiting = self.waiting(product).await;
        let mut acknowledgement = Acknowledgement::default();
        for (entry_id, job) in waiting {
            acknowledgement.dead.push(Dead {
                entry_id: entry_id.clone(),
                job: serde_json::to_vec(&job).unwrap(),
                reason: reason.to_owned(),
                attempts: 3,
            });
            acknowledgement.ended.push(Ended {
                entry_id,
                job_id: job.job_id,
                user_id: job.data.user_id,
                outcome: Outcome::Failed,
                order_id: None,
                state: None,
            });
        }
        let product = ProductId::new(product).unwrap();
        self.acknowledge(&product, &acknowledgement).await;
    }

    /// Adds a dead letter and nothing else.
    pub(crate) async fn add_letter(&self, product: &str, job: &Job, reason: &str) {
        let product = ProductId::new(product).unwrap();
        let job = serde_json::to_vec(job).unwrap();
        let mut queue = self.queue.clone();
        let lane = self.keys.lane(&product);
        let entry_id = queue.xadd(lane, "*", &[("job", &job)]).await.unwrap();
        let acknowledgement = Acknowledgement {
            dead: vec![Dead {
                entry_id,
                job,
                reason: reason.to_owned(),
                attempts: 1,
            }],
            ..Acknowledgement::default()
        };
        self.acknowledge(&product, &acknowledgement).await;
    }

    async fn acknowledge(&self, product: &ProductId, acknowledgement: &Acknowledgement) {
        let mut queue = self.queue.clone();
        lane::acknowledge(&mut queue, &self.keys, product, acknowledgement)
            .await
            .unwrap();
    }

    /// The ids of the dead letters.
    pub(crate) async fn letters(&self) -> Vec<String> {
        let mut queue = self.queue.clone();
        let letters = dead_letter::list(&mut queue, &self.keys, lane::HEAD, 1_000)
            .await
            .unwrap();
        letters.into_iter().map(|letter| letter.id).collect()
    }

    /// Changes the ledger behind everybody's back.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        sqlx::raw_sql(statement)
            .execute(self.ledger.pool())
            .await
            .unwrap();
    }

    /// Runs a hand tool with the addresses of this market's stores.
    pub(crate) fn run(&self, arguments: &[&str]) -> Printed {
        let mut command = flashsale();
        command
            .args(arguments)
            .env("FLASHSALE_DATABASE_URL", self.postgres.url())
            .env("FLASHSALE_REDIS_URL", self.redis.url());
        command.output().unwrap().into()
    }

    /// The same without the address of PostgreSQL.
    pub(crate) fn run_without_ledger(&self, arguments: &[&str]) -> Printed {
        let mut command = flashsale();
        command
            .args(arguments)
            .env("FLASHSALE_REDIS_URL", self.redis.url());
        command.output().unwrap().into()
    }

    /// Stops Redis.
    pub(crate) async fn lose_redis(&mut self) {
        self.redis.kill().await.unwrap();
    }
}
