//! The definition of FlashSales in a cluster with one release, several, and one after another.

use std::time::Duration;

use flashsale_e2e::{
    cluster::{ControlPlane, Helm, told},
    patience::until,
};
use flashsale_operator::{crd::servers::definition_for, definition::NAME};
use flashsale_testbed::data_dir::DataDir;
use k8s_openapi::{
    api::{apps::v1::Deployment, rbac::v1::ClusterRole},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{
    helm::chart,
    release::{Release, chart_with_the_definition},
};

/// What needs no node takes well below.
const SOON: Duration = Duration::from_secs(30);

/// A cluster has one definition, so tests of it take turns. The cluster has none at the beginning, and no
/// operator that would need one.
async fn cluster() -> (&'static ControlPlane, MutexGuard<'static, ()>) {
    static CLUSTER: OnceCell<ControlPlane> = OnceCell::const_new();
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let cluster = CLUSTER.get_or_init(ControlPlane::start).await;
    delete_definition(cluster).await;
    let operators = ListParams::default().labels("app.kubernetes.io/name=flashsale-operator");
    let deployments: Api<Deployment> = Api::all(cluster.client());
    for left in deployments.list(&operators).await.unwrap() {
        let namespaced: Api<Deployment> =
            Api::namespaced(cluster.client(), &left.namespace().unwrap());
        let _ = namespaced
            .delete(&left.name_any(), &DeleteParams::default())
            .await;
    }
    until("no operator is left", SOON, || async {
        deployments.list(&operators).await.unwrap().items.is_empty()
    })
    .await;
    (cluster, turn)
}

fn definitions(cluster: &ControlPlane) -> Api<CustomResourceDefinition> {
    Api::all(cluster.client())
}

async fn delete_definition(cluster: &ControlPlane) {
    let definitions = definitions(cluster);
    let _ = definitions.delete(NAME, &DeleteParams::default()).await;
    until("the definition is gone", SOON, || async {
        definitions.get_opt(NAME).await.unwrap().is_none()
    })
    .await;
}

/// The definition, unless it is the one of this release: then nothing.
async fn foreign(cluster: &ControlPlane) -> Option<Value> {
    let present = definitions(cluster).get(NAME).await.unwrap();
    assert!(present.metadata.deletion_timestamp.is_none());
    // Whoever renders charts and prunes what is not in them keeps it.
    for (name, value) in [
        ("helm.sh/resource-policy", "keep"),
        (
            "argocd.argoproj.io/sync-options",
            "Prune=false,Delete=false",
        ),
        ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ] {
        let annotation = present.annotations().get(name);
        assert_eq!(annotation.map(String::as_str), Some(value), "{name}");
    }
    let minor = cluster.minor_version().await;
    let columns =
        |definition: &Value| definition["spec"]["versions"][0]["additionalPrinterColumns"].clone();
    let present = serde_json::to_value(present).unwrap();
    (columns(&present) != columns(&definition_for(minor).unwrap())).then_some(present)
}

/// Writes another definition over the present one, as `kubectl replace` does.
async fn replace(cluster: &ControlPlane, version: Option<&str>) {
    let definitions = definitions(cluster);
    let mut present = definitions.get(NAME).await.unwrap();
    present.spec.versions[0].additional_printer_columns = None;
    if let Some(version) = version {
        let labels = present.labels_mut();
        labels.insert("app.kubernetes.io/version".to_owned(), version.to_owned());
    }
    let text = serde_json::to_string(&present).unwrap();
    let arguments = ["replace", "--validate=false", "--filename", "-"];
    let output = cluster.kubectl_with_input(&arguments, &text).await;
    assert!(output.status.success(), "{}", told(&output));
    assert!(foreign(cluster).await.is_some());
}

fn sales(release: &Release<'_>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<flashsale_operator::crd::FlashSale>(&());
    Api::namespaced_with(release.cluster.client(), &release.namespace, &resource)
}

async fn sell(release: &Release<'_>) {
    let sale = json!({
        "apiVersion": "flashsale.dev/v1alpha1", "kind": "FlashSale",
        "metadata": {"name": "drop"},
        "spec": {"products": [{"id": "shoe", "name": "Shoe", "price": 1, "stock": 5}]},
    });
    let sale = serde_json::from_value(sale).unwrap();
    let sales = sales(release);
    until("a sale can be created", SOON, || async {
        sales.create(&PostParams::default(), &sale).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_brings_it_up_to_date_whoever_replaced_it() {
    let (cluster, _turn) = cluster().await;
    for helm in Helm::BOTH {
        let release = Release::new(cluster, helm).await;
        release.put_chart(&chart(), &[], &[]).await.unwrap();
        assert_eq!(foreign(cluster).await, None);
        sell(&release).await;
        replace(cluster, None).await;
        release.put_chart(&chart(), &[], &[]).await.unwrap();
        assert_eq!(foreign(cluster).await, None);
        release
            .put_chart(&chart(), &["gateway.logLevel=debug"], &[])
            .await
            .unwrap();
        release.run("rollback", &["1"]).await.unwrap();
        assert_eq!(foreign(cluster).await, None);
        assert!(sales(&release).get("drop").await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_of_other_names_share_it_and_the_newest_writes_it() {
    let (cluster, _turn) = cluster().await;
    // Somebody made it by hand.
    let text = definition_for(cluster.minor_version().await).unwrap();
    let arguments = ["create", "--validate=false", "--filename", "-"];
    let output = cluster
        .kubectl_with_input(&arguments, &text.to_string())
        .await;
    assert!(output.status.success(), "{}", told(&output));
    for helm in Helm::BOTH {
        let first = Release::new(cluster, helm).await;
        first.put_chart(&chart(), &[], &[]).await.unwrap();
        // Of the same name in another namespace, and of another name.
        let second = Release::new(cluster, helm).await;
        second.put_chart(&chart(), &[], &[]).await.unwrap();
        first.run("uninstall", &[]).await.unwrap();
        let third = Release::named(cluster, helm, "other").await;
        third.put_chart(&chart(), &[], &[]).await.unwrap();
        assert_eq!(foreign(cluster).await, None);

        replace(cluster, Some("9.0.0")).await;
        let said = second.put_chart(&chart(), &[], &[]).await.unwrap();
        assert!(said.contains("is of release 9.0.0, and stays"), "{said}");
        assert!(foreign(cluster).await.is_some());
        replace(cluster, Some("0.0.9")).await;
        let said = second.put_chart(&chart(), &[], &[]).await.unwrap();
        assert!(said.contains("is up to date"), "{said}");
        assert_eq!(foreign(cluster).await, None);
        for release in [second, third] {
            release.run("uninstall", &[]).await.unwrap();
        }
        assert_eq!(foreign(cluster).await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_keep_it_takes_it_from_no_sale_and_no_other_release() {
    let (cluster, _turn) = cluster().await;
    let gone = ["crds.keep=false"];
    for helm in Helm::BOTH {
        let release = Release::new(cluster, helm).await;
        release.put_chart(&chart(), &gone, &[]).await.unwrap();
        sell(&release).await;
        let refused = release.run("uninstall", &[]).await.unwrap_err();
        let sale = format!("there are sales ({}/drop)", release.namespace);
        assert!(refused.contains(&sale), "{refused}");
        assert_eq!(foreign(cluster).await, None);
        // Helm 3 leaves the right to delete it when the Job failed, until the next one succeeds.
        let roles: Api<ClusterRole> = Api::all(cluster.client());
        let role = format!("flashsale-definition-{}", release.namespace);
        if helm == Helm::Four {
            assert!(roles.get_opt(&role).await.unwrap().is_none());
        }
        // The release still runs. Helm has noted that it goes, and upgrades it after a rollback alone.
        release.run("rollback", &["1"]).await.unwrap();
        release.put_chart(&chart(), &gone, &[]).await.unwrap();
        assert!(roles.get_opt(&role).await.unwrap().is_none(), "{helm:?}");
        let sales = sales(&release);
        sales
            .delete("drop", &DeleteParams::default())
            .await
            .unwrap();

        let next = Release::named(cluster, helm, "next").await;
        next.put_chart(&chart(), &gone, &[]).await.unwrap();
        let said = release.run("uninstall", &[]).await.unwrap();
        let operator = format!("{}/next-flashsale-operator use it", next.namespace);
        assert!(said.contains(&operator), "{said}");
        assert_eq!(foreign(cluster).await, None);

        next.run("uninstall", &[]).await.unwrap();
        assert!(definitions(cluster).get_opt(NAME).await.unwrap().is_none());
        let last = Release::new(cluster, helm).await;
        last.put_chart(&chart(), &gone, &[]).await.unwrap();
        assert_eq!(foreign(cluster).await, None);
        last.run("uninstall", &[]).await.unwrap();
    }
}

/// Helm deletes what a release does not list any more, unless the object says that it is to stay.
#[tokio::test(flavor = "multi_thread")]
async fn it_survives_the_upgrade_from_a_release_that_had_it_among_its_objects() {
    let (cluster, _turn) = cluster().await;
    let directory = DataDir::temporary().unwrap();
    let definition = definition_for(cluster.minor_version().await).unwrap();
    let former = directory.path().join("flashsale");
    chart_with_the_definition(&former, &definition.to_string());
    for helm in Helm::BOTH {
        let release = Release::new(cluster, helm).await;
        release
            .put_chart(&former, &["crds.keep=false"], &[])
            .await
            .unwrap();
        sell(&release).await;
        release.put_chart(&chart(), &[], &[]).await.unwrap();
        assert!(sales(&release).get("drop").await.is_ok(), "{helm:?}");
        // The way back: Helm 3 rolls back to no object that the release in between did not have.
        if helm == Helm::Four {
            release.run("rollback", &["1"]).await.unwrap();
        } else {
            release.run("rollback", &["1"]).await.unwrap_err();
            release.put_chart(&former, &[], &[]).await.unwrap();
        }
        assert!(sales(&release).get("drop").await.is_ok(), "{helm:?}");
        release.put_chart(&chart(), &[], &[]).await.unwrap();
        release.run("uninstall", &[]).await.unwrap();
        assert!(sales(&release).get("drop").await.is_ok(), "{helm:?}");
        delete_definition(cluster).await;
    }
}

/// An installation right after somebody deleted the definition, whose sales are drained first.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_waits_for_a_definition_that_is_being_deleted() {
    let (cluster, _turn) = cluster().await;
    let release = Release::new(cluster, Helm::Four).await;
    release.put_chart(&chart(), &[], &[]).await.unwrap();
    sell(&release).await;
    let sales = sales(&release);
    let drain = |finalizers: Value| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    let parameters = PatchParams::default();
    let finalizers = json!(["flashsale.dev/drain"]);
    sales
        .patch("drop", &parameters, &drain(finalizers))
        .await
        .unwrap();
    let definitions = definitions(cluster);
    definitions
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    let chart = chart();
    let upgrade = release.put_chart(&chart, &[], &[]);
    let drained = async {
        until("the Job runs", SOON, || async {
            let arguments = [
                "get",
                "pods",
                "--namespace",
                &release.namespace,
                "-o",
                "name",
            ];
            !cluster.kubectl(&arguments).await.stdout.is_empty()
        })
        .await;
        sales
            .patch("drop", &parameters, &drain(json!([])))
            .await
            .unwrap();
    };
    let (upgraded, ()) = tokio::join!(upgrade, drained);
    upgraded.unwrap();
    assert_eq!(foreign(cluster).await, None);
}
