//! An operator that may do less than it needs says so at each sale that suffers from it, and does the
//! rest.

use flashsale_e2e::{
    operator::{SOON, Stage},
    patience::until,
    services::Services,
};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::{Api, api::PostParams};
use serde_json::json;

use super::{delete, open, own_secrets, until_gone, until_workers};

/// Who the operator is to the API server.
const USER: &str = "narrow-operator";

/// The chart's rights without those to list autoscalers and pods, to write disruption budgets and to read
/// every Secret.
async fn grant(stage: &Stage, secrets: &[&str]) {
    let right = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let mut rights = vec![
        right(
            "apps",
            &["deployments"],
            &["get", "list", "watch", "create", "patch"],
        ),
        right("apps", &["deployments/scale"], &["get", "patch"]),
        right("events.k8s.io", &["events"], &["create", "patch"]),
        right(
            "flashsale.dev",
            &["flashsales"],
            &["get", "list", "watch", "patch"],
        ),
        right("flashsale.dev", &["flashsales/status"], &["patch"]),
        right("flashsale.dev", &["flashsales/finalizers"], &["update"]),
    ];
    let mut of_secrets = right("", &["secrets"], &["get"]);
    of_secrets["resourceNames"] = json!(secrets);
    rights.push(of_secrets);
    let role: Role =
        serde_json::from_value(json!({"metadata": {"name": USER}, "rules": rights})).unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }))
    .unwrap();
    let client = stage.cluster.client();
    let parameters = PostParams::default();
    let roles: Api<Role> = Api::namespaced(client.clone(), &stage.namespace);
    roles.create(&parameters, &role).await.unwrap();
    let bindings: Api<RoleBinding> = Api::namespaced(client, &stage.namespace);
    bindings.create(&parameters, &binding).await.unwrap();
}

#[tokio::test]
async fn a_missing_right_is_told_at_the_sale_and_stops_nothing_else() {
    let stage = Stage::set(Services::start().await).await;
    grant(&stage, &["drop-database", "drop-redis"]).await;
    let kubeconfig = stage.cluster.kubeconfig_as(USER, &[]);
    let operator = stage.operator_through("operator", &kubeconfig).await;
    let market = open(&stage, "drop").await;
    let said = stage
        .until_condition("drop", "Scaling", "Unknown", "AutoscalersUnread")
        .await;
    assert!(said.contains("forbidden"), "{said}");
    market.fill(&stage.services, 0..1, 1).await;
    until_workers(&stage, "drop", None).await;
    let said = stage
        .until_condition("drop", "WorkersAvailable", "Unknown", "PodsUnread")
        .await;
    assert!(said.contains("forbidden"), "{said}");
    until("the missing budget is logged", SOON, || async {
        let log = operator.log();
        log.contains("disruption budget") && log.contains("poddisruptionbudgets")
    })
    .await;
    market.empty(&stage.services).await;

    let spec = own_secrets(&stage, "hidden").await;
    stage.create("hidden", spec).await;
    let said = stage
        .until_condition("hidden", "Accepted", "False", "ReconcileFailed")
        .await;
    assert!(
        said.contains("hidden-redis") && said.contains("forbidden"),
        "{said}"
    );
    stage.until_event("hidden", "ReconcileFailed").await;
    for name in ["drop", "hidden"] {
        delete(&stage, name).await;
    }
    for name in ["drop", "hidden"] {
        until_gone(&stage, name).await;
    }
    assert!(!operator.log().contains("panicked"), "{}", operator.log());
}
