//! Whoever scales gateways is not undone by an upgrade, nor in its way.

use flashsale_e2e::cluster::{ControlPlane, Helm};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{
    helm::render,
    manifests::Manifests,
    release::Release,
    values::{PLAIN, parse, with},
};

const GATEWAY: &str = "flashsale-gateway";

/// The manager by which the controller of `HorizontalPodAutoscaler` writes.
const AUTOSCALER: &str = "kube-controller-manager";

async fn gateways(release: &Release<'_>) -> i32 {
    let deployment = release.deployments().get(GATEWAY).await.unwrap();
    deployment.spec.unwrap().replicas.unwrap()
}

/// As `/scale` has it on current releases; that of Kubernetes 1.20 records no manager.
async fn scale(release: &Release<'_>, manager: &str, replicas: i32) {
    let parameters = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let deployments = release.deployments();
    deployments
        .patch(GATEWAY, &parameters, &patch)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_keeps_the_number_that_somebody_scaled_to() {
    for helm in Helm::BOTH {
        let release = Release::new(ControlPlane::shared().await, helm).await;
        release.put(&[], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 2, "{helm:?}");

        let arguments = ["scale", "deployment", GATEWAY, "--replicas=5"];
        let namespace = ["--namespace", release.namespace.as_str()];
        let scaled = [arguments.as_slice(), &namespace].concat();
        assert!(release.cluster.kubectl(&scaled).await.status.success());
        release.put(&["gateway.logLevel=debug"], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 5, "{helm:?}");
        scale(&release, "kubectl", 7).await;
        for level in ["info", "warn"] {
            let level = format!("gateway.logLevel={level}");
            release.put(&[&level], &[]).await.unwrap();
            assert_eq!(gateways(&release).await, 7, "{helm:?}");
        }

        // Whoever changes the value means it. Helm 4 asks whether that may undo what somebody else did.
        let three = ["gateway.replicas=3"];
        if helm == Helm::Four {
            let refused = release.put(&three, &[]).await.unwrap_err();
            assert!(refused.contains(".spec.replicas"), "{refused}");
            release.put(&three, &["--force-conflicts"]).await.unwrap();
        } else {
            release.put(&three, &[]).await.unwrap();
        }
        assert_eq!(gateways(&release).await, 3, "{helm:?}");
        release.put(&["gateway.replicas=4"], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 4, "{helm:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_has_the_number_of_its_revision() {
    for helm in Helm::BOTH {
        let release = Release::new(ControlPlane::shared().await, helm).await;
        release.put(&[], &[]).await.unwrap();
        release.put(&["gateway.logLevel=debug"], &[]).await.unwrap();
        release.run("rollback", &["1"]).await.unwrap();
        assert_eq!(gateways(&release).await, 2, "{helm:?}");
        scale(&release, "kubectl", 5).await;
        if helm == Helm::Four {
            let refused = release.run("rollback", &["2"]).await.unwrap_err();
            assert!(refused.contains(".spec.replicas"), "{refused}");
            let arguments = ["2", "--force-conflicts"];
            release.run("rollback", &arguments).await.unwrap();
        } else {
            release.run("rollback", &["2"]).await.unwrap();
        }
        assert_eq!(gateways(&release).await, 2, "{helm:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_keeps_its_number_when_it_comes_works_and_goes() {
    let on = "gateway.autoscaling.enabled=true";
    for helm in Helm::BOTH {
        let release = Release::new(ControlPlane::shared().await, helm).await;
        release.put(&["gateway.replicas=6"], &[]).await.unwrap();
        // Not 1, which a Deployment without a number has.
        release.put(&["gateway.replicas=6", on], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 6, "{helm:?}");
        for (replicas, level) in [(8, "debug"), (9, "warn")] {
            scale(&release, AUTOSCALER, replicas).await;
            let level = format!("gateway.logLevel={level}");
            let values = ["gateway.replicas=6", on, &level];
            release.put(&values, &[]).await.unwrap();
            assert_eq!(gateways(&release).await, replicas, "{helm:?}");
        }
        if helm == Helm::Three {
            // The first revision had a number, so each has one: without it there would be 1.
            release.run("rollback", &["3"]).await.unwrap();
            assert_eq!(gateways(&release).await, 8);
            scale(&release, AUTOSCALER, 9).await;
        }
        release.put(&["gateway.replicas=6"], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 9, "{helm:?}");
    }
}

/// It goes on while hooks run, which takes minutes at times, and after the revision that a rollback goes to.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_always_had_an_autoscaler_leaves_the_number_to_it() {
    let on = "gateway.autoscaling.enabled=true";
    for helm in Helm::BOTH {
        let release = Release::new(ControlPlane::shared().await, helm).await;
        release.put(&[on], &[]).await.unwrap();
        // As releases before the annotations left it.
        let none = json!({"flashsale.dev/replicas": null, "flashsale.dev/autoscaled": null});
        let patch = Patch::Merge(json!({"metadata": {"annotations": none}}));
        let parameters = PatchParams::default();
        let deployments = release.deployments();
        deployments
            .patch(GATEWAY, &parameters, &patch)
            .await
            .unwrap();
        for (replicas, level) in [(4, "debug"), (5, "warn")] {
            scale(&release, AUTOSCALER, replicas).await;
            let level = format!("gateway.logLevel={level}");
            release.put(&[on, &level], &[]).await.unwrap();
            let manifest = release.run("get manifest", &[]).await.unwrap();
            let manifests = Manifests::parse(manifest.trim());
            let deployment = manifests.named("Deployment", GATEWAY);
            assert!(deployment["spec"].get("replicas").is_none(), "{deployment}");
            assert_eq!(gateways(&release).await, replicas, "{helm:?}");
        }
        scale(&release, AUTOSCALER, 9).await;
        for revision in ["2", "1"] {
            release.run("rollback", &[revision]).await.unwrap();
            assert_eq!(gateways(&release).await, 9, "{helm:?}");
        }
        release.put(&[], &[]).await.unwrap();
        assert_eq!(gateways(&release).await, 9, "{helm:?}");
    }
}

#[test]
fn a_new_release_with_an_autoscaler_leaves_the_number_to_it() {
    let values = with(parse(PLAIN), "gateway.autoscaling.enabled", &json!(true));
    let manifests = render(&values, &[]);
    let deployment = manifests.named("Deployment", GATEWAY);
    assert!(deployment["spec"].get("replicas").is_none(), "{deployment}");
}
