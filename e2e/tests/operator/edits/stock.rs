//! Products, prices and stock, edited while a worker settles.

use flashsale_e2e::{
    operator::SOON, patience::until, processes::Child, sales::sale, shopping::orders,
};
use flashsale_queue::keys::SaleKeys;
use flashsale_testbed::fixtures::queue::job;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use sqlx::Connection;

use super::shop::Shop;

/// A product as it is written.
fn product(id: &str, price: i32, stock: i32) -> Value {
    json!({"id": id, "name": id, "price": price, "stock": stock})
}

fn products(all: &[Value]) -> Value {
    json!({ "products": all })
}

#[tokio::test]
async fn products_prices_and_stock_take_effect_within_two_seconds() {
    let shop = Shop::open(
        "stock",
        products(&[product("shoe", 100, 2), product("hat", 100, 50)]),
    )
    .await;
    let _worker = Child::worker(&shop.stage.services, "worker").await;
    shop.queued("shoe").await;
    shop.queued("shoe").await;
    shop.queued("hat").await;
    shop.settled(3).await;
    let restock = products(&[product("shoe", 100, 3), product("hat", 100, 50)]);
    shop.takes_effect("a restock", restock, async || {
        shop.press("shoe").await == 200
    })
    .await;
    shop.settled(4).await;

    let dearer = products(&[product("shoe", 100, 3), product("hat", 250, 50)]);
    shop.takes_effect("a price", dearer, async || shop.shows_price(250).await)
        .await;
    shop.queued("hat").await;
    shop.settled(5).await;
    assert_eq!(shop.prices("hat").await, [100, 250]);

    let mut hat = product("hat", 250, 50);
    hat["maxPerUser"] = json!(1);
    let rationed = products(&[product("shoe", 100, 3), hat.clone()]);
    shop.takes_effect("a lower maxPerUser", rationed, async || {
        shop.column("max_per_user", "hat").await == Some(1)
    })
    .await;
    for user in ["greedy", "greedy", "modest"] {
        assert_eq!(shop.press_as("hat", user).await, 200);
    }
    shop.settled(7).await;
    assert_eq!(shop.units_of("greedy").await, 1);

    let more = products(&[product("shoe", 100, 3), hat, product("scarf", 100, 5)]);
    shop.takes_effect("another product", more, async || {
        shop.press("scarf").await == 200
    })
    .await;
    shop.settled(8).await;
    shop.saw_only(&["Open"]).await;
}

/// Nobody pays more than what was asked for at the press.
#[tokio::test]
async fn buys_that_wait_keep_their_price() {
    let shop = Shop::open("price", products(&[product("shoe", 100, 50)])).await;
    let services = &shop.stage.services;
    for _ in 0..3 {
        shop.queued("shoe").await;
    }
    shop.append_without_price("shoe").await;
    let dearer = products(&[product("shoe", 9_900, 50)]);
    shop.takes_effect("a price", dearer, async || shop.shows_price(9_900).await)
        .await;
    assert_eq!(shop.column("price", "shoe").await, Some(9_900));
    shop.queued("shoe").await;
    let _worker = Child::worker(services, "worker").await;
    shop.settled(5).await;
    assert_eq!(shop.prices("shoe").await, [100, 100, 100, 9_900, 9_900]);
}

/// Law 1, and what `stock` says: units on offer in this sale, however often it is rewritten.
#[tokio::test]
async fn stock_below_what_is_sold_takes_back_only_the_rest() {
    let shop = Shop::open("below", products(&[product("shoe", 100, 10)])).await;
    let _worker = Child::worker(&shop.stage.services, "worker").await;
    for _ in 0..4 {
        shop.queued("shoe").await;
    }
    shop.settled(4).await;
    let fewer = products(&[product("shoe", 100, 0)]);
    shop.takes_effect("stock 0", fewer, async || {
        // Only pressed once nothing is left: nobody is to buy meanwhile.
        shop.column("stock_quantity", "shoe").await == Some(0) && shop.press("shoe").await == 409
    })
    .await;
    shop.stage.until_phase("drop", "SoldOut").await;
    shop.add_up(0, 4).await;
    let again = products(&[product("shoe", 100, 10)]);
    shop.takes_effect("the stock of before", again, async || {
        shop.press("shoe").await == 200
    })
    .await;
    shop.stage.until_phase("drop", "Open").await;
    shop.settled(5).await;
    shop.add_up(5, 5).await;
    shop.stage.until_event("drop", "Restocked").await;
    shop.saw_only(&["Open", "SoldOut"]).await;
}

impl Shop {
    /// Waits until the sale has `count` orders and no more.
    async fn settled(&self, count: i64) {
        let id = self.stage.id("drop");
        until(&format!("{count} orders"), SOON, async || {
            orders(&self.stage.services, &id).await == count
        })
        .await;
    }

    /// Whether shoppers see a product at this price.
    async fn shows_price(&self, price: i32) -> bool {
        self.shows(&format!("\"price\":{price},")).await
    }

    /// Appends a job that says no price, as another producer or a gateway of the release before.
    async fn append_without_price(&self, product: &str) {
        let sale = sale(self.stage.id("drop").as_str(), &[(product, 50)]);
        let product = &sale.products[0].id;
        let job = job(&sale, "elsewhere", product, "k");
        let json = serde_json::to_string(&job).unwrap();
        assert!(!json.contains("price"), "{json}");
        let lane = SaleKeys::new(&sale.id).lane(product);
        let mut queue = self.stage.services.queue.clone();
        let _: String = queue.xadd(&lane, "*", &[("job", json)]).await.unwrap();
    }

    /// What is left and what is sold of the shoe, and law 1.
    async fn add_up(&self, left: i32, sold: i32) {
        let found = (
            self.column("stock_quantity", "shoe").await,
            self.column("sold", "shoe").await,
        );
        assert_eq!(found, (Some(left), Some(sold)));
        let ledger = &self.stage.services.ledger;
        assert_eq!(ledger.oversold(&self.stage.id("drop")).await.unwrap(), 0);
    }

    /// A number in the product's row.
    async fn column(&self, column: &str, product: &str) -> Option<i32> {
        let select = format!("SELECT {column} FROM products WHERE id = $1");
        sqlx::query_scalar(sqlx::AssertSqlSafe(select))
            .bind(product)
            .fetch_one(&mut self.ledger().await)
            .await
            .unwrap()
    }

    /// What the orders of a product cost, the oldest first.
    async fn prices(&self, product: &str) -> Vec<i32> {
        sqlx::query_scalar("SELECT price FROM orders WHERE product_id = $1 ORDER BY id")
            .bind(product)
            .fetch_all(&mut self.ledger().await)
            .await
            .unwrap()
    }

    async fn units_of(&self, user: &str) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM orders WHERE user_id = $1")
            .bind(user)
            .fetch_one(&mut self.ledger().await)
            .await
            .unwrap()
    }

    async fn ledger(&self) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&self.stage.services.database_url)
            .await
            .unwrap()
    }
}
