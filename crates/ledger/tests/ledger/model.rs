//! The settling function against a model of a few lines, whatever is sent by whom.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
};

use flashsale_domain::{id::JobId, job::Job, sale::Sale};
use flashsale_ledger::{BatchTurn, Fault, Ledger, Settlement, Takeover};
use flashsale_testbed::fixtures::{queue::job, sales::sale, services::Services};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{assert_law_1, letters};

/// What happens to a product.
#[derive(Debug, Clone)]
enum Step {
    /// Buys of these shoppers with these keys arrive and are settled in their turn.
    Batch(Vec<(u8, u8)>),
    /// The last batch is sent again, as after a commit whose answer was lost.
    Again,
    /// Another driver takes over and settles entries from this one on again.
    TakeOver(prop::sample::Index),
    /// A driver that was replaced sends a batch.
    Stale(Vec<(u8, u8)>),
    /// A batch comes before the one whose turn it is.
    Early(Vec<(u8, u8)>),
    /// Units come back.
    Restock(i32),
    /// An order is cancelled.
    Cancel(prop::sample::Index),
    /// The sale ends, and the next one of its name begins with this stock.
    Recreate(i32),
}

/// What a product comes to, by the definition of the laws.
#[derive(Default)]
struct Model {
    stock: i32,
    max_per_user: Option<i32>,
    orders: HashSet<(String, String)>,
    units: HashMap<String, i32>,
    turned_away: HashMap<JobId, char>,
}

impl Model {
    fn settle(&mut self, jobs: &[Job]) -> String {
        jobs.iter().map(|job| self.decide(job)).collect()
    }

    fn decide(&mut self, job: &Job) -> char {
        if let Some(letter) = self.turned_away.get(&job.job_id) {
            return *letter;
        }
        let user = job.data.user_id.to_string();
        let buy = (user.clone(), job.data.idempotency_key.to_string());
        if self.orders.contains(&buy) {
            return 'r';
        }
        let units = self.units.entry(user).or_default();
        let letter = if self.max_per_user.is_some_and(|most| *units >= most) {
            'l'
        } else if self.stock == 0 {
            's'
        } else {
            self.stock -= 1;
            *units += 1;
            self.orders.insert(buy);
            return 'c';
        };
        self.turned_away.insert(job.job_id, letter);
        letter
    }
}

/// A product, the lane before it, and who drives it.
struct Scene<'a> {
    ledger: &'a Ledger,
    sale: Sale,
    model: Model,
    driver: Takeover,
    replaced: Vec<Takeover>,
    /// The entries of the lane; the time of each is its place.
    lane: Vec<Job>,
    /// What the present driver settled last, and what came of it.
    last: Option<(BatchTurn, Vec<Job>, String)>,
}

impl<'a> Scene<'a> {
    async fn open(ledger: &'a Ledger, number: u32, stock: i32, max_per_user: Option<i32>) -> Self {
        let mut sale = sale(&format!("drop{number}"), &[(&format!("p{number}"), stock)]);
        sale.products[0].max_per_user = max_per_user;
        ledger.declare(&sale).await.unwrap();
        let driver = ledger.take_over(&sale.id, &sale.products[0].id).await;
        Self {
            ledger,
            sale,
            model: Model {
                stock,
                max_per_user,
                ..Model::default()
            },
            driver: driver.unwrap(),
            replaced: Vec::new(),
            lane: Vec::new(),
            last: None,
        }
    }

    fn jobs(&self, buys: &[(u8, u8)]) -> Vec<Job> {
        let p = &self.sale.products[0].id;
        buys.iter()
            .map(|(user, key)| job(&self.sale, &format!("u{user}"), p, &format!("k{key}")))
            .collect()
    }

    async fn send(&self, turn: &BatchTurn, jobs: &[Job]) -> Result<Settlement, Fault> {
        let jobs: Vec<&Job> = jobs.iter().collect();
        let p = &self.sale.products[0].id;
        let answer = self.ledger.settle(&self.sale.id, p, turn, &jobs).await;
        answer.map_err(|error| error.fault())
    }

    /// Settles the entries of the lane from `first` on as the next batch.
    async fn settle_from(&mut self, first: usize) -> Result<(), TestCaseError> {
        let jobs = self.lane[first..].to_vec();
        let times = i64::try_from(first).unwrap()..=i64::try_from(self.lane.len()).unwrap() - 1;
        let turn = self.driver.next(times);
        let settlement = self.send(&turn, &jobs).await.unwrap();
        let told = letters(&settlement);
        prop_assert_eq!(&told, &self.model.settle(&jobs));
        prop_assert_eq!(settlement.stock, self.model.stock);
        self.driver.batch = turn.batch;
        self.last = Some((turn, jobs, told));
        Ok(())
    }

    async fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let p = self.sale.products[0].id.clone();
        match step {
            Step::Batch(buys) => {
                let first = self.lane.len();
                self.lane.extend(self.jobs(buys));
                self.settle_from(first).await?;
            }
            Step::Again => {
                if let Some((turn, jobs, told)) = &self.last {
                    let again = self.send(turn, jobs).await.unwrap();
                    prop_assert_eq!(letters(&again), told.replace('c', "r"));
                    prop_assert_eq!((again.confirmed, again.stock), (0, self.model.stock));
                }
            }
            Step::TakeOver(first) => {
                self.replaced.push(self.driver);
                self.driver = self.ledger.take_over(&self.sale.id, &p).await.unwrap();
                self.last = None;
                if !self.lane.is_empty() {
                    self.settle_from(first.index(self.lane.len())).await?;
                }
            }
            Step::Stale(buys) => {
                for driver in &self.replaced {
                    let late = self.send(&driver.next(0..=99), &self.jobs(buys)).await;
                    prop_assert_eq!(late, Err(Fault::Fenced));
                }
            }
            Step::Early(buys) => {
                let mut turn = self.driver.next(0..=99);
                turn.batch += 1;
                let early = self.send(&turn, &self.jobs(buys)).await;
                prop_assert_eq!(early, Err(Fault::OutOfTurn));
            }
            Step::Restock(units) => {
                let restocked = self.ledger.restock(&self.sale.id, &p, *units, None).await;
                self.model.stock = (self.model.stock + units).max(0);
                prop_assert_eq!(restocked.unwrap().level.stock, self.model.stock);
            }
            Step::Cancel(which) => self.cancel(which).await,
            Step::Recreate(stock) => {
                self.ledger.release(&self.sale.id).await.unwrap();
                self.sale.products[0].stock = *stock;
                self.ledger.declare(&self.sale).await.unwrap();
                self.replaced.push(self.driver);
                self.driver = self.ledger.take_over(&self.sale.id, &p).await.unwrap();
                self.model = Model {
                    stock: *stock,
                    max_per_user: self.model.max_per_user,
                    ..Model::default()
                };
                self.lane.clear();
                self.last = None;
            }
        }
        Ok(())
    }

    /// Cancels one of the orders, of whichever incarnation.
    async fn cancel(&mut self, which: &prop::sample::Index) {
        let orders: Vec<(i64, String, bool)> = sqlx::query_as(
            "SELECT o.id::bigint, o.user_id, o.incarnation = p.incarnation
               FROM orders o JOIN products p ON p.id = o.product_id
              WHERE o.sale_id = $1 AND o.status = 'COMPLETED' ORDER BY o.id",
        )
        .bind(self.sale.id.as_str())
        .fetch_all(self.ledger.pool())
        .await
        .unwrap();
        if orders.is_empty() {
            return;
        }
        let (id, user, is_of_this_sale) = &orders[which.index(orders.len())];
        sqlx::query("UPDATE orders SET status = 'CANCELLED' WHERE id = $1")
            .bind(id)
            .execute(self.ledger.pool())
            .await
            .unwrap();
        if *is_of_this_sale {
            self.model.stock += 1;
            *self.model.units.get_mut(user).unwrap() -= 1;
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let buys = || prop::collection::vec((0_u8..5, 0_u8..4), 1..10);
    let step = prop_oneof![
        6 => buys().prop_map(Step::Batch),
        2 => Just(Step::Again),
        2 => any::<prop::sample::Index>().prop_map(Step::TakeOver),
        1 => buys().prop_map(Step::Stale),
        1 => buys().prop_map(Step::Early),
        2 => (-3_i32..6).prop_map(Step::Restock),
        2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => (0_i32..9).prop_map(Step::Recreate),
    ];
    prop::collection::vec(step, 1..14)
}

/// Whatever is sent, in whatever batches, by whichever driver, with repeats and limits and too
/// little stock, with restocks, cancellations and sales of the same name in between: the database's
/// function decides as the model does.
#[test]
fn settling_decides_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = runtime.block_on(Services::start());
    let strategy = (0_i32..12, prop::option::of(1_i32..4), steps());
    let numbers = Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        ..ProptestConfig::default()
    });
    let result = runner.run(&strategy, |(stock, max_per_user, steps)| {
        let number = numbers.get();
        numbers.set(number + 1);
        runtime.block_on(async {
            let mut scene = Scene::open(&services.ledger, number, stock, max_per_user).await;
            for step in &steps {
                scene.take(step).await?;
            }
            assert_law_1(&services.ledger).await;
            Ok(())
        })
    });
    result.unwrap();
}
