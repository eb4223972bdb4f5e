//! The settling function against a model of a few lines.

use std::collections::{HashMap, HashSet};

use flashsale_core::job::Job;
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{assert_law_1, letters, settle};

/// What a batch must come to, by the definition of the laws.
#[derive(Default)]
struct Model {
    stock: i32,
    max_per_user: Option<i32>,
    orders: HashSet<(String, String)>,
    units: HashMap<String, i32>,
}

impl Model {
    fn settle(&mut self, jobs: &[Job]) -> String {
        jobs.iter().map(|job| self.decide(job)).collect()
    }

    fn decide(&mut self, job: &Job) -> char {
        let user = job.data.user_id.to_string();
        let buy = (user.clone(), job.data.idempotency_key.to_string());
        if self.orders.contains(&buy) {
            return 'r';
        }
        let units = self.units.entry(user).or_default();
        if self.max_per_user.is_some_and(|most| *units >= most) {
            return 'l';
        }
        if self.stock == 0 {
            return 's';
        }
        self.stock -= 1;
        *units += 1;
        self.orders.insert(buy);
        'c'
    }
}

/// Whatever is sent, in whatever batches, with repeats and limits and too little stock: the
/// database's function decides as the model does.
#[test]
fn settling_decides_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let services = runtime.block_on(Services::start());
    let batches = prop::collection::vec(prop::collection::vec((0_u8..6, 0_u8..4), 1..12), 1..6);
    let strategy = (0_i32..12, prop::option::of(1_i32..4), batches);
    let numbers = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        ..ProptestConfig::default()
    });
    let result = runner.run(&strategy, |(stock, max_per_user, batches)| {
        let number = numbers.get();
        numbers.set(number + 1);
        let mut sale = sale(&format!("drop{number}"), &[(&format!("p{number}"), stock)]);
        sale.products[0].max_per_user = max_per_user;
        let mut model = Model {
            stock,
            max_per_user,
            ..Model::default()
        };
        runtime.block_on(async {
            open(&services, &sale).await;
            for batch in &batches {
                let p = &sale.products[0].id;
                let jobs: Vec<Job> = batch
                    .iter()
                    .map(|(user, key)| job(&sale, &format!("u{user}"), p, &format!("k{key}")))
                    .collect();
                let settlement = settle(&services.ledger, &sale, &jobs).await;
                prop_assert_eq!(letters(&settlement), model.settle(&jobs));
                prop_assert_eq!(settlement.stock, model.stock);
            }
            assert_law_1(&services.ledger).await;
            Ok(())
        })
    });
    result.unwrap();
}
