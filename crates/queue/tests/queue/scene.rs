//! A lane of a sale in force, and what is kept beside it.

#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::collections::BTreeMap;

use flashsale_domain::{id::ProductId, job::Job, outcome::Outcome, sale::Sale};
use flashsale_queue::{
    dead_letter::{self, DeadLetter},
    keys::SaleKeys,
    lane::{self, Acknowledged, Acknowledgement, Dead, Ended, Entry},
};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

/// A lane and what is kept beside it.
pub(crate) struct Scene {
    pub(crate) services: Services,
    pub(crate) sale: Sale,
    pub(crate) keys: SaleKeys,
    pub(crate) product: ProductId,
}

impl Scene {
    pub(crate) async fn open() -> Self {
        let services = Services::start().await;
        let sale = sale("drop", &[("p", 100)]);
        open(&services, &sale).await;
        Self {
            keys: SaleKeys::new(&sale.id),
            product: sale.products[0].id.clone(),
            services,
            sale,
        }
    }

    /// Appends `count` jobs and reads the whole lane.
    pub(crate) async fn queue(&self, count: usize) -> Vec<Entry> {
        let mut queue = self.services.queue.clone();
        let mut pipe = redis::pipe();
        for number in 0..count {
            let job = job(&self.sale, &format!("u{number}"), &self.product, "k");
            let json = serde_json::to_vec(&job).unwrap();
            pipe.xadd(self.keys.lane(&self.product), "*", &[("job", json)])
                .ignore();
        }
        pipe.exec_async(&mut queue).await.unwrap();
        self.lane().await
    }

    pub(crate) async fn lane(&self) -> Vec<Entry> {
        let mut queue = self.services.queue.clone();
        let lane = self.keys.lane(&self.product);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map_or(lane::HEAD, |entry| &entry.id);
            let page = lane::read(&mut queue, &lane, after, 1_000).await.unwrap();
            if page.is_empty() {
                return entries;
            }
            entries.extend(page);
        }
    }

    pub(crate) async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Acknowledged {
        let mut queue = self.services.queue.clone();
        lane::acknowledge(&mut queue, &self.keys, &self.product, acknowledgement)
            .await
            .unwrap()
    }

    /// Everything in Redis but the lease and past withdrawals, byte for byte.
    pub(crate) async fn contents(&self) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut queue = self.services.queue.clone();
        let keys: Vec<String> = queue.keys("fs:*").await.unwrap();
        let mut contents = BTreeMap::new();
        let is_kept = |key: &String| !key.contains(":lease:") && !key.ends_with(":withdrawn");
        for key in keys.into_iter().filter(is_kept) {
            let dump = redis::cmd("DUMP").arg(&key).query_async(&mut queue).await;
            contents.insert(key, dump.unwrap());
        }
        contents
    }

    pub(crate) async fn records(&self) -> BTreeMap<String, String> {
        let mut queue = self.services.queue.clone();
        queue.hgetall(self.keys.jobs()).await.unwrap()
    }

    pub(crate) async fn stock_field(&self, field: &str) -> Option<i64> {
        let mut queue = self.services.queue.clone();
        queue.hget(self.keys.stock(), field).await.unwrap()
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        let mut queue = self.services.queue.clone();
        dead_letter::list(&mut queue, &self.keys, lane::HEAD, 100)
            .await
            .unwrap()
    }

    pub(crate) async fn fill_up(&self) {
        let mut queue = self.services.queue.clone();
        let _: () = redis::pipe()
            .cmd("CONFIG")
            .arg("SET")
            .arg(&["maxmemory-policy", "noeviction", "maxmemory", "1"])
            .query_async(&mut queue)
            .await
            .unwrap();
        let refused = queue.set::<_, _, ()>("other", "x").await.unwrap_err();
        assert_eq!(refused.code(), Some("OOM"), "{refused}");
    }
}

pub(crate) fn parse(entry: &Entry, product: &ProductId) -> Job {
    Job::parse(entry.job.as_ref().unwrap(), product).unwrap()
}

/// What a worker acknowledges that settled `entries` with these outcomes; orders count from 1 on.
pub(crate) fn told(
    entries: &[Entry],
    product: &ProductId,
    outcomes: &[Outcome],
) -> Acknowledgement {
    let mut acknowledgement = Acknowledgement {
        stock: Some((50, 7)),
        ..Acknowledgement::default()
    };
    for ((entry, outcome), number) in entries.iter().zip(outcomes.iter().cycle()).zip(1..) {
        let job = parse(entry, product);
        if *outcome == Outcome::Failed {
            acknowledgement.dead.push(Dead {
                entry_id: entry.id.clone(),
                job: entry.job.clone().unwrap(),
                reason: format!("the reason of {}", job.data.user_id),
                attempts: 3,
            });
        }
        acknowledgement.ended.push(Ended {
            entry_id: entry.id.clone(),
            job_id: job.job_id,
            user_id: job.data.user_id,
            outcome: *outcome,
            order_id: (*outcome == Outcome::Confirmed).then_some(number),
            state: None,
        });
    }
    acknowledgement
}
