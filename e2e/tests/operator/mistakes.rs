//! Other people's mistakes: a refused edit, a missing Secret, a store that is gone. Whatever is wrong
//! with an object, the sale in force is settled, can be stopped, and can be deleted.

mod api_proxy;
mod deletion;
mod late_list;
mod leftovers;
mod refused_edits;
mod rights;
mod watches;
mod webhooks;

use std::time::Duration;

use flashsale_domain::lifecycle::Announced;
use flashsale_e2e::{
    operator::{SOON, Stage},
    patience::until,
};
use flashsale_queue::catalogue;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::market::{Market, spec};

/// How long a Secret that was read counts as current, and a little more.
const SECRET_FRESH: Duration = Duration::from_secs(11);

/// An address at which nobody listens.
const NOWHERE: [(&str, &str); 2] = [
    ("database", "postgres://shop:none@127.0.0.1:1/shop"),
    ("redis", "redis://127.0.0.1:1/"),
];

/// A spec of one product, whose workers come with the first buy and whose addresses stand in Secrets
/// of its own, which this writes.
async fn own_secrets(stage: &Stage, name: &str) -> Value {
    let addresses = [
        ("database", stage.services.database_url.clone()),
        ("redis", stage.services.redis.url()),
    ];
    for (store, address) in addresses {
        stage
            .write_secret(&format!("{name}-{store}"), &address)
            .await;
    }
    let mut spec = spec(name, 1, &json!({"minReplicas": 0}));
    spec["databaseSecretRef"] = json!({"name": format!("{name}-database"), "key": "url"});
    spec["redisSecretRef"] = json!({"name": format!("{name}-redis"), "key": "url"});
    spec
}

/// The same, as an open sale.
async fn open(stage: &Stage, name: &str) -> Market {
    let market = Market::create(stage, name, own_secrets(stage, name).await).await;
    stage.until_phase(name, "Open").await;
    market
}

/// What Redis says of the sale.
async fn record(stage: &Stage, name: &str) -> Option<Announced> {
    let mut queue = stage.services.queue.clone();
    catalogue::read(&mut queue, &stage.id(name)).await.unwrap()
}

async fn delete(stage: &Stage, name: &str) {
    let parameters = DeleteParams::default();
    stage.sales.delete(name, &parameters).await.unwrap();
}

async fn until_gone(stage: &Stage, name: &str) {
    until(&format!("{name} is gone"), SOON, || async {
        stage.sales.get_opt(name).await.unwrap().is_none()
    })
    .await;
}

/// Waits until there is a worker Deployment that asks for workers, other than `before`; answers its
/// uid.
async fn until_workers(stage: &Stage, name: &str, before: Option<&str>) -> String {
    let found = async || {
        let deployment = stage.workers(name).await?;
        let metadata = deployment.metadata;
        let asks = deployment.spec?.replicas? > 0;
        let uid = metadata
            .uid
            .filter(|_| metadata.deletion_timestamp.is_none())?;
        (asks && before != Some(uid.as_str())).then_some(uid)
    };
    // The garbage collector learns of a new definition within half a minute, and may be busy.
    until(&format!("{name} has workers"), 3 * SOON, || async {
        found().await.is_some()
    })
    .await;
    found().await.unwrap()
}
