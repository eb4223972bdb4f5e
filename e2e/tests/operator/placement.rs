//! Where workers run, and what may take them away from there.

use flashsale_e2e::{
    operator::{SOON, Stage, one_product, with},
    patience::until,
    services::Services,
};
use kube::{
    Api,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::ready::make_ready;

/// The disruption budget of the workers of `name`, if there is one.
async fn budget(stage: &Stage, name: &str) -> Option<Value> {
    let client = stage.cluster.client();
    let minor = client.apiserver_version().await.unwrap().minor;
    let version = if minor.starts_with("20") {
        "v1beta1"
    } else {
        "v1"
    };
    let kind = GroupVersionKind::gvk("policy", version, "PodDisruptionBudget");
    let budgets: Api<DynamicObject> =
        Api::namespaced_with(client, &stage.namespace, &ApiResource::from_gvk(&kind));
    let found = budgets.get_opt(&format!("{name}-worker")).await.unwrap();
    found.map(|found| serde_json::to_value(found).unwrap())
}

/// The pod template of the workers of `name`.
async fn template(stage: &Stage, name: &str) -> Value {
    let deployment = stage.workers(name).await.unwrap();
    serde_json::to_value(deployment.spec.unwrap().template).unwrap()
}

#[tokio::test]
async fn workers_leave_lost_nodes_soon_are_spread_and_go_one_at_a_time() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let two = json!({"worker": {"minReplicas": 2}});
    let created = stage
        .create("drop", with(one_product("shoe", 5), &two))
        .await;
    stage.until_replicas("drop", 2).await;

    let template = template(&stage, "drop").await;
    let pod = &template["spec"];
    let leaves = |taint: &str| json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10});
    let expected = json!([leaves("not-ready"), leaves("unreachable")]);
    assert_eq!(pod["tolerations"], expected);
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    let spread = pod["topologySpreadConstraints"].as_array().unwrap();
    let keys: Vec<_> = spread.iter().map(|over| &over["topologyKey"]).collect();
    assert_eq!(
        keys,
        ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    );
    for over in spread {
        assert_eq!(over["whenUnsatisfiable"], "ScheduleAnyway");
    }
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["karpenter.sh/do-not-disrupt"], "true");
    assert_eq!(
        annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"],
        "false"
    );

    until("the workers have a disruption budget", SOON, || async {
        budget(&stage, "drop").await.is_some()
    })
    .await;
    let found = budget(&stage, "drop").await.unwrap();
    let owner = &found["metadata"]["ownerReferences"][0];
    assert_eq!(owner["kind"], "FlashSale");
    assert_eq!(owner["uid"], json!(created.metadata.uid));
    if stage.cluster.has_controllers() {
        make_ready(&stage, "drop").await;
        until("one of both may be disrupted", SOON, || async {
            let status = budget(&stage, "drop").await.unwrap()["status"].clone();
            status["currentHealthy"] == 2 && status["disruptionsAllowed"] == 1
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_sale_says_of_placement_counts() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let stays = json!({"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    let worker = json!({"worker": {
        "tolerations": [stays],
        "nodeSelector": {"kubernetes.io/os": "other"},
        "podAnnotations": {"karpenter.sh/do-not-disrupt": "false"},
    }});
    stage
        .create("own", with(one_product("shoe", 5), &worker))
        .await;
    stage.until_replicas("own", 1).await;
    let template = template(&stage, "own").await;
    assert_eq!(template["spec"]["tolerations"], json!([stays]));
    let nodes = &template["spec"]["nodeSelector"];
    assert_eq!(*nodes, json!({"kubernetes.io/os": "other"}));
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["karpenter.sh/do-not-disrupt"], "false");
}

#[tokio::test]
async fn a_platform_can_choose_who_workers_run_as() {
    let stage = Stage::set(Services::start().await).await;
    let nobody = ["--worker-run-as-user=", "--worker-run-as-group="];
    let _operator = stage.operator_with("operator", &nobody).await;
    // A number where Kubernetes takes text as well.
    let worker = json!({"worker": {"resources": {"limits": {"cpu": 2, "memory": "1Gi"}}}});
    stage
        .create("drop", with(one_product("shoe", 5), &worker))
        .await;
    stage.until_replicas("drop", 1).await;
    let pod = template(&stage, "drop").await["spec"].clone();
    let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(pod["securityContext"], expected);
    let resources = &pod["containers"][0]["resources"];
    assert_eq!(resources["limits"], json!({"cpu": "2", "memory": "1Gi"}));
    assert_eq!(
        resources["requests"],
        json!({"cpu": "100m", "memory": "64Mi"})
    );
}
