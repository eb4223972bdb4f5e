//! While an edit is refused, the sale in force goes on: with workers, with its Secrets, and with
//! what of the edit only restricts it.

use flashsale_e2e::{
    operator::{SOON, Stage, one_product},
    patience::until,
    services::Services,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use super::{NOWHERE, SECRET_FRESH, open, record, until_workers};

/// A way to have an edit refused.
#[derive(Clone, Copy)]
struct Mistake {
    /// Name of the sale.
    name: &'static str,
    /// The reason that its condition Accepted gives.
    reason: &'static str,
    /// Makes it.
    make: Make,
}

#[derive(Clone, Copy)]
enum Make {
    Edit(fn() -> Value),
    /// Writes this into the sale's own Secret for a store.
    Secret(&'static str, &'static str),
    /// Deletes the sale's own Secret for Redis.
    DeleteSecret,
}

const PRODUCT_OF_OTHERS: &str = "wanted";

fn swapped() -> Value {
    json!([{"id": "another", "name": "Another", "price": 100, "stock": 5}])
}

const MISTAKES: [Mistake; 8] = [
    Mistake {
        name: "invalid",
        reason: "InvalidSpec",
        make: Make::Edit(
            || json!({"worker": {"tolerations": [{"operator": "Equal", "value": "x"}]}}),
        ),
    },
    Mistake {
        name: "forbidden",
        reason: "ForbiddenEdit",
        make: Make::Edit(|| json!({ "products": swapped() })),
    },
    Mistake {
        name: "taken",
        reason: "ProductTaken",
        make: Make::Edit(|| {
            let product = |id: &str| json!({"id": id, "name": id, "price": 100, "stock": 100_000});
            json!({"products": [product("taken-0"), product(PRODUCT_OF_OTHERS)]})
        }),
    },
    Mistake {
        name: "elsewhere",
        reason: "SecretMissing",
        make: Make::Edit(|| json!({"worker": {"databaseSecretRef": {"name": "no-such-secret"}}})),
    },
    Mistake {
        name: "lost",
        reason: "SecretMissing",
        make: Make::DeleteSecret,
    },
    Mistake {
        name: "words",
        reason: "AddressUnusable",
        make: Make::Secret("redis", "the usual one"),
    },
    Mistake {
        name: "undeclared",
        reason: "Undeclared",
        make: Make::Secret(NOWHERE[0].0, NOWHERE[0].1),
    },
    Mistake {
        name: "impossible",
        reason: "ApplyFailed",
        make: Make::Edit(
            || json!({"worker": {"resources": {"requests": {"example.com/gpu": "1"}}}}),
        ),
    },
];

#[tokio::test]
async fn a_refused_edit_leaves_the_sale_in_force_settled_and_stoppable() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    stage
        .create("holder", one_product(PRODUCT_OF_OTHERS, 5))
        .await;
    stage.until_phase("holder", "Open").await;
    join_all(MISTAKES.map(|mistake| goes_on(&stage, mistake))).await;
}

async fn goes_on(stage: &Stage, mistake: Mistake) {
    let Mistake { name, reason, .. } = mistake;
    let market = open(stage, name).await;
    assert!(stage.workers(name).await.is_none(), "nobody is needed yet");
    make(stage, mistake).await;
    until_refused(stage, mistake).await;

    market.fill(&stage.services, 0..1, 1).await;
    let workers = until_workers(stage, name, None).await;
    until_refused(stage, mistake).await;
    let deployment = format!("{name}-worker");
    stage
        .deployments
        .delete(&deployment, &DeleteParams::default())
        .await
        .unwrap();
    until_workers(stage, name, Some(&workers)).await;

    let closes = Timestamp::now() + SignedDuration::from_hours(1);
    let closes = Timestamp::from_second(closes.as_second()).unwrap();
    stage.edit(name, json!({ "closesAt": closes })).await;
    until(&format!("{name} closes earlier"), SOON, || async {
        let record = record(stage, name).await.unwrap();
        record.sale.schedule.closes_at == Some(closes)
    })
    .await;
    stage.edit(name, json!({"suspend": true})).await;
    let took = until(&format!("{name} is suspended"), SOON, || async {
        record(stage, name).await.unwrap().sale.suspended
    })
    .await;
    println!("{name}: suspended after {took:?} in spite of {reason}");
    until_refused(stage, mistake).await;
}

async fn make(stage: &Stage, Mistake { name, make, .. }: Mistake) {
    match make {
        Make::Edit(edit) => stage.edit(name, edit()).await,
        Make::Secret(store, text) => {
            stage.write_secret(&format!("{name}-{store}"), text).await;
            touch(stage, name).await;
        }
        Make::DeleteSecret => {
            let secrets: Api<Secret> = Api::namespaced(stage.cluster.client(), &stage.namespace);
            let parameters = DeleteParams::default();
            secrets
                .delete(&format!("{name}-redis"), &parameters)
                .await
                .unwrap();
            touch(stage, name).await;
        }
    }
}

/// Has the sale visited, and asked for more stock, once the operator reads its Secrets again.
async fn touch(stage: &Stage, name: &str) {
    tokio::time::sleep(SECRET_FRESH).await;
    let product = format!("{name}-0");
    let more = json!([{"id": product, "name": product, "price": 100, "stock": 200_000}]);
    stage.edit(name, json!({ "products": more })).await;
}

async fn until_refused(stage: &Stage, Mistake { name, reason, .. }: Mistake) {
    let is = if reason == "Undeclared" {
        "Unknown"
    } else {
        "False"
    };
    stage.until_condition(name, "Accepted", is, reason).await;
}
