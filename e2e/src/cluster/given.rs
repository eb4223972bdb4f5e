//! A cluster that runs already and that the caller declares fit for tests.

use std::{collections::BTreeSet, env, path::PathBuf};

use flashsale_testbed::data_dir::DataDir;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::ListParams};

use super::{ControlPlane, TEST_LABEL, crd::sales, start::assemble};

/// Names a kubeconfig; the first that is set counts.
const VARIABLES: [&str; 2] = ["FLASHSALE_TEST_KUBECONFIG", "KUBECONFIG"];

pub(super) fn kubeconfig() -> Option<PathBuf> {
    VARIABLES
        .iter()
        .find_map(|variable| env::var_os(variable).filter(|value| !value.is_empty()))
        .map(PathBuf::from)
}

pub(super) async fn connect(kubeconfig: PathBuf) -> ControlPlane {
    eprintln!("using the cluster of `{}`", kubeconfig.display());
    let cluster = assemble(None, true, kubeconfig, DataDir::temporary().unwrap()).await;
    refuse_sales_of_others(&cluster).await;
    cluster
}

/// Whoever has `KUBECONFIG` set may have forgotten what it points to.
async fn refuse_sales_of_others(cluster: &ControlPlane) {
    let listed = match sales(cluster).list(&ListParams::default()).await {
        Ok(listed) => listed,
        Err(kube::Error::Api(status)) if status.code == 404 => return,
        Err(error) => panic!("the cluster that was given does not answer: {error}"),
    };
    let namespaces: Api<Namespace> = Api::all(cluster.client());
    let of_tests: BTreeSet<String> = namespaces
        .list(&ListParams::default().labels(TEST_LABEL))
        .await
        .unwrap()
        .into_iter()
        .filter_map(|namespace| namespace.metadata.name)
        .collect();
    let stranger = listed
        .into_iter()
        .filter_map(|sale| sale.metadata.namespace)
        .find(|namespace| !of_tests.contains(namespace));
    if let Some(namespace) = stranger {
        panic!(
            "namespace `{namespace}` of `{}` has sales that are not of these tests; \
             unset {} to test on a control plane of the tests' own",
            cluster.kubeconfig().display(),
            VARIABLES.join(" and ")
        );
    }
}
