//! Calls of the turnstile that wait for a replica.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{num::NonZeroU8, time::Duration};

use flashsale_domain::sale::Sale;
use flashsale_queue::{
    catalogue,
    connect::{self, WaitingPool},
    keys::SaleKeys,
    turnstile::{Admission, Buy, ReplicatedCall, Replication, Turnstile, TurnstileError},
};
use flashsale_testbed::{
    data_dir::DataDir,
    fixtures::{
        patience::until,
        queue::{buy, depth},
        sales::{open, sale},
        services::Services,
    },
    redis::Redis,
};

/// A replica of a local server is online within a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a call waits for a replica that does not answer.
const LIMIT: Duration = Duration::from_millis(50);

struct Scene {
    services: Services,
    replica: Redis,
    pool: WaitingPool,
    sale: Sale,
}

impl Scene {
    async fn set() -> Self {
        let services = Services::start().await;
        let data_dir = DataDir::temporary().unwrap();
        let replica = Redis::start_replica(&data_dir, &services.redis)
            .await
            .unwrap();
        let sale = sale("drop", &[("p", 5), ("q", 5)]);
        open(&services, &sale).await;
        let pool = connect::waiting_pool(&services.queue, 2, PATIENCE);
        let scene = Self {
            services,
            replica,
            pool,
            sale,
        };
        until("the replica follows", PATIENCE, || async {
            scene.call(&[scene.buy("first", 0)]).await.is_replicated()
        })
        .await;
        scene
    }

    fn buy(&self, user: &str, product: usize) -> Buy {
        buy(&self.sale, user, product, "k")
    }

    async fn call(&self, buys: &[Buy]) -> ReplicatedCall {
        self.try_call(buys, LIMIT).await.unwrap()
    }

    async fn try_call(
        &self,
        buys: &[Buy],
        limit: Duration,
    ) -> Result<ReplicatedCall, TurnstileError> {
        let mut connection = self.pool.get().await.unwrap();
        let keys = SaleKeys::new(&self.sale.id);
        let replication = Replication {
            replicas: NonZeroU8::MIN,
            limit,
        };
        Turnstile::default()
            .admit_replicated(&mut *connection, &keys, buys, replication)
            .await
    }

    /// Makes the primary a replica of the replica.
    async fn demote(&self) {
        let mut demote = redis::cmd("REPLICAOF");
        demote.arg("127.0.0.1").arg(self.replica.port());
        demote
            .exec_async(&mut self.services.queue.clone())
            .await
            .unwrap();
    }

    /// How many writes there were since Redis started. What has changed nothing is no write, and is not
    /// sent to replicas.
    async fn writes(&self) -> u64 {
        let mut info = redis::cmd("INFO");
        let info: redis::InfoDict = info
            .arg("persistence")
            .query_async(&mut self.services.queue.clone())
            .await
            .unwrap();
        info.get("rdb_changes_since_last_save").unwrap()
    }
}

#[tokio::test]
async fn a_call_tells_whether_the_replica_has_it() {
    let scene = Scene::set().await;
    scene.replica.pause().unwrap();
    let missed = scene.call(&[scene.buy("ann", 0)]).await;
    assert!(matches!(missed.admissions[..], [Admission::Queued { .. }]));
    assert!(!missed.is_replicated(), "{missed:?}");
    scene.replica.resume().unwrap();
    until("the replica follows again", PATIENCE, || async {
        let again = scene.call(&[scene.buy("ann", 0)]).await;
        assert!(matches!(again.admissions[..], [Admission::Replayed { .. }]));
        again.is_replicated()
    })
    .await;
}

#[tokio::test]
async fn every_call_that_promises_something_writes_something_to_wait_for() {
    let scene = Scene::set().await;
    let repeat = [scene.buy("first", 0)];
    for is_suspended in [false, true] {
        let sale = Sale {
            suspended: is_suspended,
            ..scene.sale.clone()
        };
        catalogue::announce(&mut scene.services.queue.clone(), &sale, false)
            .await
            .unwrap();
        let before = scene.writes().await;
        let again = scene.call(&repeat).await;
        assert!(matches!(again.admissions[..], [Admission::Replayed { .. }]));
        let written = scene.writes().await - before;
        assert!(written > 0, "nothing written, suspended: {is_suspended}");
    }
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_loaded_and_its_call_waited_for() {
    let scene = Scene::set().await;
    let mut forget = redis::cmd("SCRIPT");
    forget
        .arg("FLUSH")
        .exec_async(&mut scene.services.queue.clone())
        .await
        .unwrap();
    let call = scene.call(&[scene.buy("ann", 0)]).await;
    assert!(matches!(call.admissions[..], [Admission::Queued { .. }]));
    assert!(call.is_replicated(), "{call:?}");
}

#[tokio::test]
async fn a_server_that_is_no_primary_refuses_the_call() {
    let scene = Scene::set().await;
    scene.demote().await;
    let refused = scene.try_call(&[scene.buy("ann", 0)], LIMIT).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn a_call_that_waits_while_its_server_is_demoted_is_not_replicated() {
    let scene = Scene::set().await;
    scene.replica.pause().unwrap();
    let buys = [scene.buy("ann", 0)];
    let demoted = async {
        until("the buy is taken", PATIENCE, || async {
            depth(&scene.services, &scene.sale, 0).await == 2
        })
        .await;
        scene.demote().await;
    };
    let (called, ()) = tokio::join!(scene.try_call(&buys, PATIENCE), demoted);
    scene.replica.resume().unwrap();
    if let Ok(call) = called {
        assert!(!call.is_replicated(), "{call:?}");
    }
}
