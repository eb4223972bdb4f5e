//! What a sale may add to its workers' pods, and what it may not.

use flashsale_e2e::{
    operator::{Stage, one_product, with},
    services::Services,
};
use serde_json::{Value, json};

/// The pod template of the workers of `name`.
async fn template(stage: &Stage, name: &str) -> Value {
    let deployment = stage.workers(name).await.unwrap();
    serde_json::to_value(deployment.spec.unwrap().template).unwrap()
}

fn sale(product: &str, template: &Value) -> Value {
    let worker = json!({"worker": {"podTemplate": template}});
    with(one_product(product, 5), &worker)
}

#[tokio::test]
async fn fields_of_the_list_are_in_the_pods_and_others_are_refused_with_a_sentence() {
    let stage = Stage::set(Services::start().await).await;
    let _operator = stage.operator("operator").await;
    let good = json!({
        "metadata": {"labels": {"team": "shop"}, "annotations": {"note": "a"}},
        "spec": {
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "topologySpreadConstraints": [],
            "containers": [{
                "name": "worker",
                "resources": {"limits": {"cpu": 2}},
                "env": [{"name": "FLASHSALE_LOG", "value": "debug"}],
            }],
        },
    });
    stage.create("good", sale("shoe", &good)).await;
    stage.until_replicas("good", 1).await;
    let made = template(&stage, "good").await;
    assert_eq!(made["metadata"]["labels"]["team"], "shop");
    assert_eq!(made["metadata"]["annotations"]["note"], "a");
    let pod = &made["spec"];
    let nodes = json!({"disk": "fast", "kubernetes.io/os": "linux"});
    assert_eq!(pod["nodeSelector"], nodes);
    let tolerations = pod["tolerations"].as_array().unwrap();
    let keys: Vec<_> = tolerations.iter().map(|one| one["key"].clone()).collect();
    let lost = ["not-ready", "unreachable"].map(|taint| format!("node.kubernetes.io/{taint}"));
    assert_eq!(keys, ["dedicated", &lost[0], &lost[1]]);
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"]["cpu"], "2");
    let variables = container["env"].as_array().unwrap();
    let log = json!({"name": "FLASHSALE_LOG", "value": "debug"});
    assert!(variables.contains(&log), "{variables:?}");

    // What stays in force has its pods as before.
    for (refused, sentence) in [
        (
            json!({"spec": {"hostNetwork": true}}),
            "spec.hostNetwork: may not be written",
        ),
        (
            json!({"spec": {"serviceAccountName": "default"}}),
            "--worker-pod-template-permit=serviceAccountName",
        ),
        (
            json!({"spec": {"containers": [{"name": "worker", "envFrom": []}]}}),
            "containers[0].envFrom: is not permitted",
        ),
    ] {
        let edit = json!({"worker": {"podTemplate": null}});
        stage.edit("good", edit).await;
        stage
            .until_condition("good", "Accepted", "True", "Accepted")
            .await;
        stage
            .edit("good", json!({"worker": {"podTemplate": refused}}))
            .await;
        let told = stage
            .until_condition("good", "Accepted", "False", "InvalidSpec")
            .await;
        assert!(told.contains(sentence), "{told}");
    }
    let kept = template(&stage, "good").await;
    assert_eq!(kept["spec"]["hostNetwork"], Value::Null);
    assert_eq!(kept["spec"]["serviceAccountName"], Value::Null);
}

#[tokio::test]
async fn what_the_configuration_permits_is_in_the_pods_and_they_stay_restricted() {
    let stage = Stage::set(Services::start().await).await;
    let permitted = ["--worker-pod-template-permit=volumes,volumeMounts,serviceAccountName"];
    let _operator = stage.operator_with("operator", &permitted).await;
    let more = json!({"spec": {
        "serviceAccountName": "default",
        "volumes": [{"name": "authority", "configMap": {"name": "authority"}}],
        "containers": [{
            "name": "worker",
            "volumeMounts": [{"name": "authority", "mountPath": "/authority"}],
        }],
    }});
    stage.create("more", sale("shoe", &more)).await;
    stage.until_replicas("more", 1).await;
    let pod = template(&stage, "more").await["spec"].clone();
    assert_eq!(pod["serviceAccountName"], "default");
    assert_eq!(pod["automountServiceAccountToken"], false);
    let volumes = pod["volumes"].as_array().unwrap().iter();
    let names: Vec<_> = volumes.map(|volume| volume["name"].clone()).collect();
    assert_eq!(names, ["redis-tls", "database-tls", "authority"]);
    let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 3, "{mounts:?}");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let security = &pod["containers"][0]["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);

    let root = json!({"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}});
    stage.create("root", sale("hat", &root)).await;
    let told = stage
        .until_condition("root", "Accepted", "False", "InvalidSpec")
        .await;
    assert!(told.contains("volumes[0].hostPath: may not be"), "{told}");
}
