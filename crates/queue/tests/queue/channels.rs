//! Two installations on one Redis server, each in a database of its own.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use std::{collections::BTreeSet, time::Duration};

use flashsale_domain::{outcome::Outcome, stock::StockLevel};
use flashsale_queue::{
    catalogue, connect, figures,
    keys::{CHANGED, EVENTS, FIGURES, SaleKeys, WAKE, channel_name},
    lane, stock,
    turnstile::Turnstile,
};
use flashsale_testbed::fixtures::{queue::buy, sales::sale, services::Services};

use crate::scene::told;

#[tokio::test]
async fn what_is_published_is_heard_in_its_own_database_alone() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 5)]);
    let keys = SaleKeys::new(&sale.id);
    let product = &sale.products[0].id;
    let [mut one, two] = [1, 2].map(|database| {
        let client = connect::redis_client(&format!("{}{database}", services.redis.url())).unwrap();
        connect::shared(&client).unwrap()
    });
    let names = [EVENTS, CHANGED, WAKE, FIGURES];
    let mut own = one.subscribe(&names).await.unwrap();
    let mut other = two.subscribe(&names).await.unwrap();
    let mut first = services.queue.subscribe(&names).await.unwrap();

    let level = StockLevel {
        product: product.clone(),
        stock: 5,
        version: 1,
        settled_version: 0,
    };
    stock::publish(&mut one, &keys, &[level]).await.unwrap();
    catalogue::announce(&mut one, &sale, false).await.unwrap();
    let buys = [buy(&sale, "u", 0, "k")];
    Turnstile::default()
        .admit(&mut one, &keys, &buys)
        .await
        .unwrap();
    let entries = lane::read(&mut one, &keys.lane(product), lane::HEAD, 9)
        .await
        .unwrap();
    let acknowledgement = told(&entries, product, &[Outcome::Confirmed]);
    lane::acknowledge(&mut one, &keys, product, &acknowledgement)
        .await
        .unwrap();
    figures::publish(&mut one, b"{}").await.unwrap();

    let mut heard = BTreeSet::new();
    while heard.len() < names.len() {
        let message = tokio::time::timeout(Duration::from_secs(5), own.next());
        let message = message.await.expect("not all channels were heard").unwrap();
        heard.insert(channel_name(message.get_channel_name()).to_owned());
    }
    assert_eq!(heard, names.map(str::to_owned).into());
    for subscription in [&mut other, &mut first] {
        let message = tokio::time::timeout(Duration::from_millis(100), subscription.next()).await;
        assert!(message.is_err(), "{message:?}");
    }
}
