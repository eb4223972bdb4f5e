//! Our custom resource's definition.

use std::{fs, path::Path, time::Duration};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ListParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};

use super::ControlPlane;
use crate::patience::until;

/// The committed definition.
const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crds/flashsales.flashsale.dev.yaml"
);

/// Establishing a definition takes well below a second.
const ESTABLISHED: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Creates or replaces the definition of `FlashSale` from `crds/`, and waits until sales can be
    /// listed. Later calls on the same control plane do nothing.
    pub async fn install_crd(&self) {
        self.crd
            .get_or_init(|| async {
                self.put_crd(Path::new(FILE)).await;
                until("sales can be listed", ESTABLISHED, || async {
                    sales(self).list(&ListParams::default()).await.is_ok()
                })
                .await;
            })
            .await;
    }

    /// Never by server-side apply, which an API server without validation rules refuses.
    async fn put_crd(&self, file: &Path) {
        let text = fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("`{}` is missing: {error}", file.display()));
        let mut definition: CustomResourceDefinition = serde_saphyr::from_str(&text).unwrap();
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client());
        let name = definition.metadata.name.clone().unwrap();
        if let Some(present) = definitions.get_opt(&name).await.unwrap() {
            definition.metadata.resource_version = present.metadata.resource_version;
            definitions
                .replace(&name, &PostParams::default(), &definition)
                .await
                .unwrap();
        } else {
            definitions
                .create(&PostParams::default(), &definition)
                .await
                .unwrap();
        }
    }
}

/// Sales of all namespaces, without the operator's types: the harness serves tests of those, too.
pub(super) fn sales(cluster: &ControlPlane) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("flashsale.dev", "v1alpha1", "FlashSale");
    let resource = ApiResource::from_gvk_with_plural(&kind, "flashsales");
    Api::all_with(cluster.client(), &resource)
}
