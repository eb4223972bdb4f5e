//! A sale whose orders are paid at a stand-in, and what became of its money.

use std::io::Write as _;

use flashsale_domain::sale::Sale;
use flashsale_ledger::Ledger;
use flashsale_testbed::{
    fixtures::queue::job,
    postgres::Postgres,
    stripe::{SECRET_KEY, Stripe},
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    orders::migrated,
    support::{Gateway, World, client::Answer, eventually, one_product, process::GatewayProcess},
};

/// Where the stand-in tells of payments.
pub const EVENTS: &str = "/payments/pay/events";

/// What it signs with.
pub const SECRET: &str = "whsec_of_the_tests_alone";

pub struct Till {
    pub world: World,
    _postgres: Postgres,
    pub ledger: Ledger,
    pub sale: Sale,
    pub stripe: Stripe,
    pub gateway: Gateway,
    file: NamedTempFile,
}

/// A sale whose orders are paid at provider `pay`.
pub fn spec(on_late: &str) -> Value {
    let mut spec = one_product("p", 10);
    spec["payment"] = json!({ "windowSeconds": 600, "provider": "pay", "onLate": on_late });
    spec
}

impl Till {
    pub async fn open() -> Self {
        Self::open_with("Reacquire").await
    }

    pub async fn open_with(on_late: &str) -> Self {
        let (world, postgres) = World::with_ledger().await;
        let ledger = migrated(&postgres.url()).await;
        let sale = world.announce("drop", spec(on_late)).await;
        ledger.declare(&sale).await.unwrap();
        let stripe = Stripe::start().await.unwrap();
        let file = providers_file(
            &stripe,
            &format!("kind: stripe\n  secretKey: {SECRET_KEY}"),
            &[SECRET],
        );
        let gateway = gateway(&world, &file).await;
        stripe.deliver_to(gateway.client.address, EVENTS, SECRET);
        Self {
            world,
            _postgres: postgres,
            ledger,
            sale,
            stripe,
            gateway,
            file,
        }
    }

    pub fn providers_file(&self, kind: &str, secrets: &[&str]) -> NamedTempFile {
        providers_file(&self.stripe, kind, secrets)
    }

    /// Another gateway, with these secrets of events where it is to have others.
    pub async fn another_gateway(&self, secrets: &[&str]) -> Gateway {
        if secrets.is_empty() {
            return gateway(&self.world, &self.file).await;
        }
        let kind = format!("kind: stripe\n  secretKey: {SECRET_KEY}");
        gateway(&self.world, &self.providers_file(&kind, secrets)).await
    }

    /// A gateway as a process of its own with these variables.
    pub async fn process(&self, variables: &[(&str, &str)]) -> GatewayProcess {
        let path = self.file.path().to_str().unwrap();
        GatewayProcess::start_with(&self.world, variables, &["--payment-providers", path]).await
    }

    /// An order of `user` that waits for its payment, by its job id.
    pub async fn order(&self, user: &str) -> String {
        let product = &self.sale.products[0].id;
        let job = job(&self.sale, user, product, "k");
        let settled = self
            .ledger
            .settle_alone(&self.sale.id, product, &[&job])
            .await;
        assert_eq!(settled.unwrap().confirmed, 1);
        job.job_id.to_string()
    }

    pub async fn call(&self, call: &str, job: &str) -> Answer {
        let path = format!("/orders/{job}/{call}");
        self.gateway.client.request("POST", &path, &[], b"").await
    }

    pub async fn refused(&self, call: &str, job: &str) -> (u16, String) {
        let answer = self.call(call, job).await;
        (answer.status, answer.problem())
    }

    /// Where the order is paid.
    pub async fn checkout(&self, job: &str) -> Value {
        let answer = self.call("checkout", job).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// The provider's id of the session in which the order is paid.
    pub async fn session(&self, job: &str) -> String {
        let page = self.checkout(job).await;
        let url = page["url"].as_str().unwrap();
        url.rsplit_once('/').unwrap().1.to_owned()
    }

    /// What is answered about a buy.
    pub async fn asked(&self, job: &str) -> Value {
        let answer = self.gateway.client.get(&format!("/orders/{job}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Waits until the order of a buy is in this state.
    pub async fn becomes(&self, job: &str, state: &str, reason: Option<&str>) {
        eventually(&format!("the order is {state}"), async || {
            let order = &self.asked(job).await["order"];
            order["state"] == state && order["reason"].as_str() == reason
        })
        .await;
    }

    /// The states of all payments, the first first.
    pub async fn payments(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT state::text FROM payments ORDER BY created_at, id")
            .fetch_all(self.ledger.pool())
            .await
            .unwrap()
    }

    /// Waits until the payments have these states.
    pub async fn comes_to(&self, states: &[&str]) {
        eventually(&format!("payments are {states:?}"), async || {
            self.payments().await == states
        })
        .await;
    }

    /// Waits until a counter has this value.
    pub async fn counts(&self, name: &str, result: &str, value: f64) {
        let metric = format!("flashsale_gateway_{name}_total{{result=\"{result}\"}}");
        eventually(&format!("{metric} is {value}"), async || {
            self.gateway.metric(&metric).await == Some(value)
        })
        .await;
    }

    /// Waits until what was paid in a session was paid back, and the ledger knows.
    pub async fn is_refunded(&self, session: &str) {
        eventually("the money is back", async || {
            let sessions = self.stripe.sessions();
            let found = sessions.iter().find(|found| found.id == session).unwrap();
            found.paid > 0
                && found.refunded == found.paid
                && !self.payments().await.contains(&"REFUND_DUE".to_owned())
        })
        .await;
    }

    /// Has all windows end now.
    pub async fn end_window(&self) {
        self.run(
            "UPDATE orders SET expires_at = now() WHERE status = 'PENDING'; \
             UPDATE payments SET expires_at = now() WHERE state IN ('OPENING', 'OPEN')",
        )
        .await;
    }

    /// Does what a worker does with orders that were not paid in time.
    pub async fn expire(&self) {
        self.run("UPDATE orders SET status = 'CANCELLED', end_reason = 'expired' WHERE status = 'PENDING'").await;
    }

    async fn run(&self, statements: &'static str) {
        sqlx::raw_sql(statements)
            .execute(self.ledger.pool())
            .await
            .unwrap();
    }

    /// What the provider would tell of a session that was paid.
    pub fn paid_event(&self, session: &str) -> String {
        let found = self
            .stripe
            .sessions()
            .into_iter()
            .find(|found| found.id == session)
            .unwrap();
        json!({
            "id": "evt_of_the_test", "object": "event", "type": "checkout.session.completed",
            "data": { "object": {
                "id": session, "payment_status": "paid", "status": "complete",
                "amount_total": found.amount, "currency": found.currency,
                "payment_intent": "pi_of_the_test", "metadata": found.metadata,
            } },
        })
        .to_string()
    }

    /// Every payment has one order or one refund, by the provider's account and by the ledger.
    pub async fn assert_law_8(&self) {
        let sessions = self.stripe.sessions();
        for session in &sessions {
            let orders: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM payments p JOIN orders o ON o.id = p.order_id
                  WHERE p.session_ref = $1 AND p.state = 'PAID' AND o.status = 'COMPLETED'",
            )
            .bind(&session.id)
            .fetch_one(self.ledger.pool())
            .await
            .unwrap();
            let is_kept = session.paid > session.refunded;
            assert!(session.refunds <= 1, "{session:?}");
            assert_eq!(orders, i64::from(is_kept), "{session:?}");
        }
        let (stock, orders): (i32, i64) = sqlx::query_as(
            "SELECT stock_quantity, (SELECT count(*) FROM orders WHERE status <> 'CANCELLED') FROM products",
        )
        .fetch_one(self.ledger.pool())
        .await
        .unwrap();
        assert_eq!(i64::from(stock) + orders, 10, "law 1");
    }
}

fn providers_file(stripe: &Stripe, kind: &str, secrets: &[&str]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let (api, secrets) = (stripe.url(), secrets.join(", "));
    write!(
        file,
        "pay:\n  {kind}\n  apiUrl: {api}\n  webhookSecrets: [{secrets}]\n  \
         returnUrl: https://shop.example.com/shop/{{sale}}?job={{jobId}}\n"
    )
    .unwrap();
    file
}

async fn gateway(world: &World, file: &NamedTempFile) -> Gateway {
    let path = file.path().to_str().unwrap();
    world
        .gateway_with(&["--auth-mode=off", "--payment-providers", path])
        .await
}
