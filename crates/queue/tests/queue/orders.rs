//! Orders that have to be paid, on a real Redis: where they stand after their settlement, and what is told of
//! them later.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{collections::BTreeMap, time::Duration};

use flashsale_domain::{
    event::{OrdersChanged, Settled},
    order::OrderState,
    outcome::Outcome,
    stock::StockLevel,
};
use flashsale_queue::{
    catalogue,
    keys::{EVENTS, ORDERS},
    lane::{self, Acknowledgement, Entry, Run},
    lease,
    orders::{self, Known, NextLook, Telling, Told},
};
use futures_util::StreamExt;
use redis::AsyncCommands;

use crate::scene::{Scene, told};

fn pending() -> OrderState {
    OrderState::Pending {
        expires_ms: Some(1_767_225_600_000),
    }
}

fn cancelled(reason: &str) -> OrderState {
    OrderState::Cancelled {
        reason: Some(reason.to_owned()),
    }
}

/// What a worker acknowledges that settled `entries`: each job has an order, and of three orders in a row one is
/// pending, one completed and one cancelled.
fn settled(scene: &Scene, entries: &[Entry]) -> Acknowledgement {
    let states = [
        Some(pending()),
        None,
        Some(cancelled(r#"out of "reach" \"#)),
    ];
    let mut acknowledgement = told(entries, &scene.product, &[Outcome::Confirmed]);
    for (job, state) in acknowledgement.ended.iter_mut().zip(states.iter().cycle()) {
        job.state.clone_from(state);
    }
    acknowledgement
}

/// What is noted of the orders of the jobs of an acknowledgement from `first` on.
fn noted(acknowledgement: &Acknowledgement, first: usize) -> BTreeMap<i64, String> {
    let jobs = acknowledgement.ended[first..].iter();
    jobs.filter_map(|job| Some((job.order_id?, job.state.as_ref()?.to_string())))
        .collect()
}

impl Scene {
    async fn orders(&self) -> BTreeMap<i64, String> {
        let mut queue = self.services.queue.clone();
        queue.hgetall(self.keys.orders()).await.unwrap()
    }

    async fn due(&self) -> Option<i64> {
        let mut queue = self.services.queue.clone();
        queue.hget(self.keys.due(), "p").await.unwrap()
    }

    async fn set_due(&self, at: i64) {
        let mut queue = self.services.queue.clone();
        let _: u32 = queue.hset(self.keys.due(), "p", at).await.unwrap();
    }

    async fn now_ms(&self) -> i64 {
        lane::now_ms(&mut self.services.queue.clone())
            .await
            .unwrap()
    }

    async fn known(&self) -> Known {
        let mut queue = self.services.queue.clone();
        orders::known(&mut queue, &self.keys, &self.product)
            .await
            .unwrap()
    }

    async fn is_due(&self) -> bool {
        let lane = (self.sale.id.clone(), self.product.clone());
        let mut queue = self.services.queue.clone();
        orders::are_due(&mut queue, &[lane]).await.unwrap()[0]
    }

    async fn hold(&self, owner: &str) {
        let mut queue = self.services.queue.clone();
        let key = self.keys.lease(&self.product);
        let _: u32 = queue.unlink(&key).await.unwrap();
        assert!(lease::hold(&mut queue, &key, owner).await.unwrap());
    }

    async fn tell(&self, telling: &Telling<'_>) -> Told {
        let mut queue = self.services.queue.clone();
        orders::tell(&mut queue, &self.keys, &self.product, telling)
            .await
            .unwrap()
    }

    /// The stock of a batch that was acknowledged, and `units` that came back since.
    fn level(&self, stock: i32, version: i64) -> StockLevel {
        StockLevel {
            product: self.product.clone(),
            stock,
            version,
            settled_version: version,
        }
    }
}

#[tokio::test]
async fn settled_orders_are_noted_where_they_stand_unless_they_are_completed() {
    // In one piece, entry by entry, and so few that each is asked for.
    for (count, has_run) in [(30, true), (30, false), (3, false)] {
        let scene = Scene::open().await;
        let entries = scene.queue(count).await;
        let acknowledgement = Acknowledgement {
            run: Run::of(&entries).filter(|_| has_run),
            ..settled(&scene, &entries)
        };
        let mut pubsub = scene.services.client().get_async_pubsub().await.unwrap();
        pubsub.subscribe(EVENTS).await.unwrap();
        // It was told in the meantime.
        let mut queue = scene.services.queue.clone();
        let _: u32 = queue.hset(scene.keys.orders(), 1, "c").await.unwrap();
        scene.set_due(i64::MAX / 4).await;
        assert!(scene.acknowledge(&acknowledgement).await.is_whole());
        let mut expected = noted(&acknowledgement, 0);
        expected.insert(1, "c".to_owned());
        assert_eq!(scene.orders().await, expected);
        assert!(scene.due().await.unwrap() <= scene.now_ms().await);
        let message = pubsub.on_message().next().await.unwrap();
        let event = Settled::parse(message.get_payload_bytes()).unwrap();
        assert_eq!(event.states.len(), count);
        assert_eq!(event.states[1], "c");
        let expected = acknowledgement.event(&scene.sale.id, &scene.product);
        assert_eq!(event, expected);
    }
}

#[tokio::test]
async fn an_acknowledgement_that_comes_half_late_notes_the_orders_of_the_other_half() {
    for split in [1, 10, 22] {
        let scene = Scene::open().await;
        let entries = scene.queue(24).await;
        let whole = settled(&scene, &entries);
        let sold_out = told(&entries[..split], &scene.product, &[Outcome::SoldOut]);
        scene.acknowledge(&sold_out).await;
        let mut pubsub = scene.services.client().get_async_pubsub().await.unwrap();
        pubsub.subscribe(EVENTS).await.unwrap();
        scene.acknowledge(&whole).await;
        assert_eq!(scene.orders().await, noted(&whole, split));
        let message = pubsub.on_message().next().await.unwrap();
        let event = Settled::parse(message.get_payload_bytes()).unwrap();
        let mut expected = whole.clone();
        expected.ended.drain(..split);
        assert_eq!(event, expected.event(&scene.sale.id, &scene.product));
    }
}

#[tokio::test]
async fn thousands_of_orders_are_noted_at_once() {
    let scene = Scene::open().await;
    let entries = scene.queue(6_500).await;
    let acknowledgement = settled(&scene, &entries);
    assert!(scene.acknowledge(&acknowledgement).await.is_whole());
    assert_eq!(scene.orders().await, noted(&acknowledgement, 0));
}

#[tokio::test]
async fn where_nothing_is_to_be_paid_nothing_is_noted() {
    for count in [3, 30] {
        let scene = Scene::open().await;
        let entries = scene.queue(count).await;
        let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
        acknowledgement.ended[0].state = Some(OrderState::Completed);
        scene.acknowledge(&acknowledgement).await;
        assert_eq!(scene.orders().await, BTreeMap::new());
        assert_eq!(scene.due().await, None);
        let event = acknowledgement.event(&scene.sale.id, &scene.product);
        assert!(event.states.is_empty());
    }
}

/// A scene in which ten orders are pending, and the telling that the first two expired.
async fn expired() -> (Scene, Telling<'static>) {
    let scene = Scene::open().await;
    let entries = scene.queue(10).await;
    let mut acknowledgement = told(&entries, &scene.product, &[Outcome::Confirmed]);
    for job in &mut acknowledgement.ended {
        job.state = Some(pending());
    }
    scene.acknowledge(&acknowledgement).await;
    scene.hold("w/1").await;
    let changed = acknowledgement.ended[..2].iter();
    let changed = changed.map(|job| {
        let (user, order) = (job.user_id.clone(), job.order_id.unwrap());
        (user, job.job_id, order, cancelled("expired"))
    });
    let telling = Telling {
        holder: "w/1",
        from: 0,
        upto: 4,
        orders: changed.collect(),
        stock: Some(scene.level(52, 8)),
        next: None,
    };
    (scene, telling)
}

#[tokio::test]
async fn changes_are_told_once_with_the_units_that_came_back() {
    let (scene, telling) = expired().await;
    let mut pubsub = scene.services.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe(&[EVENTS, ORDERS]).await.unwrap();
    let yes = Told::Yes {
        ended: 10,
        has_stock: true,
    };
    assert_eq!(scene.tell(&telling).await, yes);
    let orders = scene.orders().await;
    assert_eq!(orders[&1], "x expired");
    assert_eq!(orders[&2], "x expired");
    assert_eq!(orders[&3], pending().to_string());
    assert_eq!(scene.known().await.told, Some(4));
    assert_eq!(scene.stock_field("p").await, Some(52));
    assert_eq!(scene.stock_field("p@").await, Some(8));
    let mut messages = pubsub.on_message();
    let message = messages.next().await.unwrap();
    let stock = Settled::parse(message.get_payload_bytes()).unwrap();
    assert_eq!((stock.stock, stock.version), (Some(52), 8));
    assert_eq!((stock.confirmed.len(), stock.rejected.len()), (0, 0));
    let message = messages.next().await.unwrap();
    assert_eq!(message.get_channel_name(), ORDERS);
    let changed = OrdersChanged::parse(message.get_payload_bytes()).unwrap();
    let told = telling.orders.iter();
    let told =
        told.map(|(user, job, order, state)| (user.clone(), *job, *order, state.to_string()));
    assert_eq!(changed.orders, told.collect::<Vec<_>>());

    // Again, as after a lost answer.
    let before = scene.contents().await;
    assert_eq!(scene.tell(&telling).await, Told::Misfit(4));
    assert_eq!(scene.contents().await, before);
    let heard = tokio::time::timeout(Duration::from_millis(50), messages.next());
    assert!(heard.await.is_err(), "told twice");
    // An acknowledgement that comes again makes no order pending again.
    assert_eq!(scene.orders().await[&1], "x expired");
}

#[tokio::test]
async fn changes_are_told_by_the_holder_of_the_lease_and_for_a_sale_in_force() {
    let (scene, telling) = expired().await;
    let before = scene.contents().await;
    scene.hold("w/2").await;
    assert_eq!(scene.tell(&telling).await, Told::NotHolder);
    let mut queue = scene.services.queue.clone();
    let lease = scene.keys.lease(&scene.product);
    let _: u32 = queue.unlink(lease).await.unwrap();
    assert_eq!(scene.tell(&telling).await, Told::NotHolder);
    let misfit = Telling {
        from: 3,
        ..telling.clone()
    };
    scene.hold("w/1").await;
    assert_eq!(scene.tell(&misfit).await, Told::Misfit(0));
    assert_eq!(scene.contents().await, before);
    catalogue::withdraw(&mut queue, &scene.sale.id)
        .await
        .unwrap();
    scene.hold("w/1").await;
    assert_eq!(scene.tell(&telling).await, Told::NotInForce);
    assert_eq!(scene.contents().await, BTreeMap::new());
}

#[tokio::test]
async fn stock_is_not_told_over_a_newer_figure_nor_with_a_batch_that_is_not_acknowledged() {
    let (scene, mut telling) = expired().await;
    telling.stock = Some(scene.level(1, 6));
    let is_told = |told| matches!(told, Told::Yes { has_stock, .. } if has_stock);
    assert!(is_told(scene.tell(&telling).await), "a newer one is known");
    assert_eq!(scene.stock_field("p").await, Some(50));
    scene.queue(1).await;
    telling.from = 4;
    telling.stock = Some(scene.level(30, 9));
    assert!(!is_told(scene.tell(&telling).await));
    assert_eq!(scene.stock_field("p").await, Some(50));
    telling.stock = Some(StockLevel {
        settled_version: 7,
        ..scene.level(52, 9)
    });
    assert!(is_told(scene.tell(&telling).await));
    assert_eq!(scene.stock_field("p").await, Some(52));
}

#[tokio::test]
async fn a_look_is_put_off_only_if_no_batch_was_acknowledged_meanwhile() {
    let (scene, mut telling) = expired().await;
    assert!(scene.is_due().await, "orders wait for their payment");
    let ended = scene.known().await.ended;
    telling.next = Some(NextLook {
        within: Duration::from_mins(1),
        ended: ended - 1,
    });
    scene.tell(&telling).await;
    assert!(scene.is_due().await, "a batch was acknowledged since");
    telling.from = 4;
    telling.next = Some(NextLook {
        within: Duration::from_mins(1),
        ended,
    });
    scene.tell(&telling).await;
    assert!(!scene.is_due().await);
    let in_a_minute = scene.due().await.unwrap();
    assert!(in_a_minute > scene.now_ms().await + 30_000);
    telling.next = Some(NextLook {
        within: Duration::from_secs(9),
        ended: ended - 1,
    });
    scene.tell(&telling).await;
    assert!(scene.due().await.unwrap() < in_a_minute, "brought forward");
}

#[tokio::test]
async fn products_that_nobody_has_looked_at_are_due() {
    let scene = Scene::open().await;
    let known = Known {
        told: None,
        ended: 0,
        is_due: false,
    };
    assert_eq!(scene.known().await, known);
    assert!(scene.is_due().await);
}
