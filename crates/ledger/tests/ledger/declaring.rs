//! What is on offer: declared, edited, restocked, released.

use std::time::Duration;

use flashsale_domain::{id::ProductId, job::Job};
use flashsale_ledger::{LedgerConfig, LedgerError};
use flashsale_testbed::{
    fault_proxy::{FaultProxy, Flow},
    fixtures::{queue::job, sales::sale, services::Services},
};
use flashsale_transport::TlsSource;
use uuid::Uuid;

use super::{assert_law_1, jobs, settle};

#[tokio::test]
async fn declaring_twice_changes_nothing_and_an_edit_is_applied_as_a_difference() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 10)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = sale.products[0].id.clone();
    let jobs: Vec<Job> = (0..4)
        .map(|user| job(&sale, &format!("u{user}"), &p, "k"))
        .collect();
    settle(ledger, &sale, &jobs).await;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 6);
    ledger.restock(&sale.id, &p, 5, None).await.unwrap();
    assert_eq!(
        ledger.declare(&sale).await.unwrap().levels[0].stock,
        11,
        "a restock by hand is kept"
    );
    sale.products[0].stock = 12;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 13);
    sale.products[0].stock = 1;
    let level = ledger.declare(&sale).await.unwrap().levels.remove(0);
    assert_eq!(
        level.stock, 2,
        "12 to 1 takes back 11 of the 13 that are left"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn taken_off_sale_and_put_back_a_product_offers_no_more_than_before() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 10)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = sale.products[0].id.clone();
    let jobs: Vec<Job> = (0..4)
        .map(|user| job(&sale, &format!("u{user}"), &p, "k"))
        .collect();
    settle(ledger, &sale, &jobs).await;
    for (declared, left) in [(0, 0), (0, 0), (3, 0), (10, 6), (10, 6), (2, 0), (5, 1)] {
        sale.products[0].stock = declared;
        let level = ledger.declare(&sale).await.unwrap().levels.remove(0);
        assert_eq!(level.stock, left, "{declared} declared, 4 sold");
        assert_law_1(ledger).await;
    }
}

#[tokio::test]
async fn units_already_sold_are_never_taken_back() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 3)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = &sale.products[0].id;
    settle(ledger, &sale, &[job(&sale, "u", p, "k")]).await;
    let restocked = ledger.restock(&sale.id, p, -10, None).await.unwrap();
    assert_eq!((restocked.change, restocked.level.stock), (-2, 0));
    assert_law_1(ledger).await;
    let unknown = ProductId::new("nothing").unwrap();
    let error = ledger
        .restock(&sale.id, &unknown, 1, None)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::UnknownProduct { .. }));
}

#[tokio::test]
async fn two_sales_cannot_offer_one_product_until_the_first_lets_go() {
    let services = Services::start().await;
    let (first, second) = (sale("one", &[("p", 3)]), sale("two", &[("p", 8), ("q", 1)]));
    let ledger = &services.ledger;
    ledger.declare(&first).await.unwrap();
    let error = ledger.declare(&second).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "product p is offered by sale one; take it out of one of the two sales, or wait until that \
         one is closed, every buy has its outcome, and it has no dead letters; or delete it"
    );
    assert!(
        ledger.stock(&second.id).await.unwrap().is_empty(),
        "a refused declaration changes nothing"
    );
    ledger.release(&first.id).await.unwrap();
    assert_eq!(ledger.declare(&second).await.unwrap().levels[0].stock, 8);
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn the_first_designs_columns_are_enough_to_add_a_product() {
    let services = Services::start().await;
    sqlx::query("INSERT INTO products (id, name, price, stock_quantity) VALUES ('p', 'P', 1, 7)")
        .execute(services.ledger.pool())
        .await
        .unwrap();
    assert_law_1(&services.ledger).await;
    services.ledger.migrate().await.unwrap();
}

#[tokio::test]
async fn a_restock_by_hand_survives_the_same_manifest_even_below_what_is_sold() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", 10)]);
    let ledger = &services.ledger;
    ledger.declare(&sale).await.unwrap();
    let p = sale.products[0].id.clone();
    settle(ledger, &sale, &jobs(&sale, "u", 10)).await;
    sale.products[0].stock = 8;
    assert_eq!(ledger.declare(&sale).await.unwrap().levels[0].stock, 0);
    ledger.restock(&sale.id, &p, 5, None).await.unwrap();
    let again = ledger.declare(&sale).await.unwrap();
    assert_eq!(again.levels[0].stock, 5, "the manifest was not edited");
    sale.products[0].stock = 12;
    assert_eq!(
        ledger.declare(&sale).await.unwrap().levels[0].stock,
        7,
        "10 counted as declared, so 12 are 2 more"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_restock_that_is_repeated_with_its_id_is_made_once() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    ledger.declare(&sale).await.unwrap();
    let request = Some(Uuid::new_v4());
    let restock = async |by| ledger.restock(&sale.id, p, by, request).await;
    // At once, as after an answer that was lost while the first was still at work.
    let (first, second) = tokio::join!(restock(5), restock(5));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.level.stock, first.change), (6, 5));
    settle(ledger, &sale, &jobs(&sale, "u", 2)).await;
    let third = restock(5).await.unwrap();
    for again in [second, third] {
        assert_eq!(again.change, first.change);
        assert_eq!(again.level.stock, first.level.stock);
        assert_eq!(again.level.version, first.level.version);
    }
    assert_eq!(ledger.stock(&sale.id).await.unwrap()[0].stock, 4);
    let other = restock(6).await.unwrap_err();
    assert!(
        matches!(other, LedgerError::RequestReused { .. }),
        "{other}"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn stock_of_any_size_is_declared_twice_and_too_much_is_refused_in_words() {
    let services = Services::start().await;
    let mut sale = sale("drop", &[("p", i32::MAX - 1)]);
    let (ledger, p) = (&services.ledger, sale.products[0].id.clone());
    ledger.declare(&sale).await.unwrap();
    let again = ledger.declare(&sale).await.unwrap();
    assert_eq!(again.levels[0].stock, i32::MAX - 1);
    settle(ledger, &sale, &jobs(&sale, "u", 2)).await;
    sale.products[0].stock = i32::MAX;
    assert_eq!(
        ledger.declare(&sale).await.unwrap().levels[0].stock,
        i32::MAX - 2
    );
    let beyond = [
        ledger.restock(&sale.id, &p, 1, None).await.unwrap_err(),
        ledger
            .restock(&sale.id, &p, i32::MAX, None)
            .await
            .unwrap_err(),
    ];
    for error in beyond {
        assert!(matches!(error, LedgerError::TooManyUnits { .. }), "{error}");
    }
    // What is sold counts on when another sale takes the product.
    ledger.release(&sale.id).await.unwrap();
    let error = ledger.declare(&sale).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "product p would have had 2147483649 units on offer, over all its sales; 2147483647 are \
         the most: declare less"
    );
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_product_taken_out_of_the_manifest_is_no_longer_listed_and_can_be_let_go() {
    let services = Services::start().await;
    let before = sale("drop", &[("p", 5), ("q", 7)]);
    let (after, other) = (sale("drop", &[("p", 5)]), sale("other", &[("q", 3)]));
    let ledger = &services.ledger;
    let q = before.products[1].id.clone();
    assert!(ledger.declare(&before).await.unwrap().unlisted.is_empty());
    for _ in 0..2 {
        let declared = ledger.declare(&after).await.unwrap();
        assert_eq!(declared.levels.len(), 1);
        assert_eq!(
            declared.unlisted,
            std::slice::from_ref(&q),
            "until it is let go"
        );
    }
    let mut stocks = ledger
        .stocks(std::slice::from_ref(&after.id))
        .await
        .unwrap();
    let stock = stocks.remove(&after.id).unwrap();
    assert_eq!((stock.remaining(), stock.unlisted[0].stock), (5, 7));
    // Jobs that waited for it are settled all the same.
    let waiting = job(&before, "u", &q, "k");
    let settled = ledger
        .settle_alone(&before.id, &q, &[&waiting])
        .await
        .unwrap();
    assert_eq!(settled.confirmed, 1);
    assert!(ledger.declare(&other).await.is_err(), "not let go yet");
    let p = after.products[0].id.clone();
    ledger
        .release_products(&after.id, &[p.clone(), q])
        .await
        .unwrap();
    assert_eq!(ledger.declare(&other).await.unwrap().levels[0].stock, 3);
    let listed = ledger.stock(&after.id).await.unwrap();
    assert_eq!(listed[0].product, p, "what is listed is not let go");
    assert_law_1(ledger).await;
}

#[tokio::test]
async fn a_product_put_back_into_the_manifest_is_listed_with_the_units_it_had() {
    let services = Services::start().await;
    let both = sale("drop", &[("p", 5), ("q", 7)]);
    let one = sale("drop", &[("p", 5)]);
    let ledger = &services.ledger;
    ledger.declare(&both).await.unwrap();
    ledger.declare(&one).await.unwrap();
    let declared = ledger.declare(&both).await.unwrap();
    assert_eq!((declared.levels[1].stock, declared.unlisted), (7, vec![]));
    assert_eq!(ledger.stock(&both.id).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declarations_of_the_same_products_in_opposite_order_do_not_block_each_other() {
    let services = Services::start().await;
    let ids: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let products: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
    let forth = sale("drop", &products);
    let mut back = forth.clone();
    back.products.reverse();
    services.ledger.declare(&forth).await.unwrap();
    let declare = async |sale| {
        for _ in 0..20 {
            services.ledger.declare(sale).await.unwrap();
        }
    };
    tokio::join!(declare(&forth), declare(&back), declare(&forth));
}

/// Of products that the ledger does not know there are no rows to lock in order beforehand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_products_declared_at_once_in_opposite_order_do_not_block_each_other() {
    let services = Services::start().await;
    for round in 0..10 {
        let ids: Vec<String> = (0..8).map(|number| format!("p{round}-{number}")).collect();
        let products: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
        let forth = sale(&format!("drop{round}"), &products);
        let mut back = forth.clone();
        back.products.reverse();
        let declare = async |sale| services.ledger.declare(sale).await.unwrap().levels;
        let (one, two) = tokio::join!(declare(&forth), declare(&back));
        assert_eq!(one, two);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restock_that_is_repeated_at_once_is_made_once() {
    let services = Services::start().await;
    let sale = sale("drop", &[("p", 1)]);
    let (ledger, p) = (&services.ledger, &sale.products[0].id);
    ledger.declare(&sale).await.unwrap();
    for stock in 2..22 {
        let request = Some(Uuid::new_v4());
        let restock = async || ledger.restock(&sale.id, p, 1, request).await.unwrap();
        let (one, two) = tokio::join!(restock(), restock());
        assert_eq!(one.level.stock, stock);
        assert_eq!(one, two);
    }
}

/// A round trip for each product would take longer than a call may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_products_are_declared_over_a_slow_link() {
    let services = Services::start().await;
    let (_, address) = services.database_url.split_once('@').unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let link = FaultProxy::start(address.parse().unwrap()).await.unwrap();
    let ledger = flashsale_ledger::Ledger::open(&LedgerConfig {
        url: link.url(&services.database_url).unwrap().into(),
        tls: TlsSource::System,
        connections: 1,
        transaction_pooler: false,
        ping_before_use: true,
        bounds: None,
    })
    .unwrap();
    link.set_both(Flow::Delayed(Duration::from_millis(10)));
    let ids: Vec<String> = (0..1_000).map(|number| format!("p{number:04}")).collect();
    let products: Vec<(&str, i32)> = ids.iter().map(|id| (id.as_str(), 5)).collect();
    let mut large = sale("large", &products[..900]);
    let new = ledger.declare(&large).await.unwrap();
    assert_eq!(new.levels.len(), 900);
    // Some are known, some are new, one is changed, and one is taken out.
    large = sale("large", &products[1..]);
    large.products[0].stock = 7;
    large.products[0].description = Some("changed".to_owned());
    let changed = ledger.declare(&large).await.unwrap();
    let levels = changed.levels.iter();
    let levels: Vec<(&str, i32)> = levels
        .map(|level| (level.product.as_str(), level.stock))
        .collect();
    assert_eq!(levels[0], ("p0001", 7));
    assert_eq!(levels[1..], products[2..], "all, by id");
    assert_eq!(changed.unlisted, [ProductId::new("p0000").unwrap()]);
    let (description, sold_by): (String, String) =
        sqlx::query_as("SELECT description, sale_id FROM products WHERE id = 'p0001'")
            .fetch_one(services.ledger.pool())
            .await
            .unwrap();
    assert_eq!(
        (description.as_str(), sold_by.as_str()),
        ("changed", "large")
    );
    assert_law_1(&services.ledger).await;
}
