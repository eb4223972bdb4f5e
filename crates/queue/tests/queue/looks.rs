//! What a control loop reads of many sales at once in Redis.
#![allow(
    clippy::unwrap_used,
    reason = "tests say by unwrapping what they take for granted"
)]

use flashsale_domain::{id::SaleId, lifecycle::Announced, sale::Sale};
use flashsale_queue::{
    catalogue::{self, Unreadable},
    keys::SaleKeys,
    lease, observation,
};
use flashsale_testbed::fixtures::{
    queue::job,
    sales::{open, sale},
    services::Services,
};
use redis::AsyncCommands;

#[tokio::test]
async fn many_records_are_read_at_once_each_in_its_place() {
    let services = Services::start().await;
    let (one, two) = (sale("one", &[("a", 1)]), sale("two", &[("b", 1)]));
    for sale in [&one, &two] {
        open(&services, sale).await;
    }
    let mut queue = services.queue.clone();
    catalogue::close(&mut queue, &two.id).await.unwrap();
    let nobody: SaleId = "nobody".parse().unwrap();
    let broken: SaleId = "broken".parse().unwrap();
    let later: SaleId = "later".parse().unwrap();
    for (id, json) in [(&broken, "{}"), (&later, r#"{"format": 2}"#)] {
        let key = SaleKeys::new(id);
        let () = queue.hset(key.record(), "sale", json).await.unwrap();
    }
    let ids = [&two.id, &nobody, &broken, &later, &one.id];
    let read = catalogue::read_many(&mut queue, &ids).await.unwrap();
    let [
        Ok(Some(second)),
        Ok(None),
        Err(Unreadable::Json(_)),
        Err(Unreadable::Newer(2)),
        Ok(Some(first)),
    ] = read.as_slice()
    else {
        panic!("{read:?}");
    };
    assert_eq!((&first.sale, first.closing), (&one, false));
    assert_eq!((&second.sale, second.closing), (&two, true));
    // The same, whatever is expected.
    let expect = |sale: &Sale, closing: bool| Announced {
        sale: sale.clone(),
        closing,
    };
    let mut another = one.clone();
    another.products[0].price += 1;
    for (first, closing) in [(&one, true), (&another, false)] {
        let expected = [
            expect(&two, closing),
            expect(&sale("nobody", &[]), false),
            expect(&sale("broken", &[]), false),
            expect(&sale("later", &[]), false),
            expect(first, false),
        ];
        let expected: Vec<&Announced> = expected.iter().collect();
        let as_expected = catalogue::read_expected(&mut queue, &expected).await;
        // Its errors cannot be compared.
        assert_eq!(format!("{:?}", as_expected.unwrap()), format!("{read:?}"));
    }
}

/// Adds one job to a lane.
async fn wait_in_line(services: &Services, sale: &Sale, product: usize) {
    let product = &sale.products[product].id;
    let job = serde_json::to_vec(&job(sale, "ann", product, "key")).unwrap();
    let mut queue = services.queue.clone();
    let lane = SaleKeys::new(&sale.id).lane(product);
    let _: String = queue.xadd(lane, "*", &[("job", job)]).await.unwrap();
}

#[tokio::test]
async fn thousands_of_lanes_are_looked_at_each_in_its_place() {
    let services = Services::start().await;
    let ids: Vec<String> = (0..2_500).map(|number| format!("p{number}")).collect();
    let products: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
    let (large, small) = (sale("large", &products), sale("small", &[("q", 1)]));
    for lane in [0, 998, 999, 1_000, 2_499] {
        wait_in_line(&services, &large, lane).await;
    }
    wait_in_line(&services, &small, 0).await;
    let mut queue = services.queue.clone();
    for lane in [0, 1] {
        let lease = SaleKeys::new(&large.id).lease(&large.products[lane].id);
        lease::hold(&mut queue, &lease, "a-worker/a-takeover")
            .await
            .unwrap();
    }
    let all = observation::observe(&mut queue, &[&large, &small])
        .await
        .unwrap();
    let busy = observation::observe_busy(&mut queue, &[&large, &small])
        .await
        .unwrap();
    for seen in [&all, &busy] {
        assert_eq!((seen[0].depth(), seen[1].depth()), (5, 1));
        assert_eq!(seen[0].lanes.len(), 2_500);
        for lane in &seen[0].lanes {
            let waits = ["p0", "p998", "p999", "p1000", "p2499"].contains(&lane.product.as_str());
            assert_eq!((lane.depth > 0, lane.oldest_ms.is_some()), (waits, waits));
        }
        assert_eq!(seen[0].lanes[0].driver.as_deref(), Some("a-worker"));
    }
    // Of an empty lane only the longer look tells who drives it.
    assert_eq!(all[0].lanes[1].driver.as_deref(), Some("a-worker"));
    assert_eq!(busy[0].lanes[1].driver, None);
}
