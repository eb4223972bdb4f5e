//! The definition of FlashSales as an object of the cluster. It belongs to no release of the chart:
//! the newest that was installed has written it, and it stays until nobody uses it.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::apps::v1::Deployment,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::version::Info,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
};
use semver::Version;
use serde_json::json;
use tokio::time::sleep;

use crate::crd::{FlashSale, servers::definition_for};

/// Name of the definition.
pub const NAME: &str = "flashsales.flashsale.dev";

/// The field manager that the definition is applied by. Always forced: the definition is one piece of
/// text, of which nobody else can own a part.
const FIELD_MANAGER: &str = "flashsale-definition";

/// The label that says which release wrote the definition.
const VERSION: &str = "app.kubernetes.io/version";

/// Keep the definition where a release of the chart before this one had it among its objects: from Helm,
/// Argo CD and Flux.
const KEEP: [(&str, &str); 3] = [
    ("helm.sh/resource-policy", "keep"),
    (
        "argocd.argoproj.io/sync-options",
        "Prune=false,Delete=false",
    ),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
];

/// The label by which the chart marks operators, with the name of the release in another one.
const OPERATORS: &str = "app.kubernetes.io/name=flashsale-operator";

/// See [`OPERATORS`].
const RELEASE: &str = "app.kubernetes.io/instance";

/// How many objects a message names.
const NAMED: u32 = 5;

/// Time between two looks while waiting.
const PERIOD: Duration = Duration::from_millis(200);

/// Why the definition is not what it should be. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// The API server refused, or cannot be asked.
    #[error("the definition of FlashSales: {0}")]
    Api(#[from] kube::Error),
    /// The API server's version has no number.
    #[error("the API server is of version 1.{0}, which is no number")]
    Version(String),
    /// The version of this release is no semantic version.
    #[error("this release is of version {0}, which is no semantic version")]
    Own(String),
    /// The definition cannot be written.
    #[error("the definition of FlashSales cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// Deleting the definition would delete these.
    #[error(
        "there are sales ({0}), which would be deleted with their definition: delete them and wait \
         until they are drained, or set crds.keep=true"
    )]
    Sales(String),
}

/// What was done, to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The definition is there as this release has it.
    Applied,
    /// The definition is of a newer release, of this version, and stays as it is.
    Newer(String),
    /// The definition is gone.
    Removed,
    /// The definition stays, since these operators use it.
    InUse(String),
}

/// Creates the definition, or replaces it by that of this release unless a newer one wrote it; whoever
/// wrote it before. Waits for one that is being deleted, and until sales can be created.
///
/// # Errors
/// See [`DefinitionError`]. May be repeated. Without a deadline of its own.
pub async fn apply(client: &Client) -> Result<Outcome, DefinitionError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    wait_until_deleted(&definitions).await?;
    if let Some(present) = definitions.get_opt(NAME).await?
        && let Some(version) = present.labels().get(VERSION)
        && is_newer(version, env!("CARGO_PKG_VERSION"))?
    {
        return Ok(Outcome::Newer(version.clone()));
    }
    let server = client.apiserver_version().await?;
    let minor = minor_version(&server).ok_or(DefinitionError::Version(server.minor))?;
    let mut definition = definition_for(minor)?;
    definition["metadata"] = json!({
        "name": NAME,
        "labels": {VERSION: env!("CARGO_PKG_VERSION"), "app.kubernetes.io/part-of": "flashsale"},
        "annotations": BTreeMap::from(KEEP),
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    definitions
        .patch(NAME, &parameters, &Patch::Apply(&definition))
        .await?;
    while !is_established(&definitions.get(NAME).await?) {
        sleep(PERIOD).await;
    }
    Ok(Outcome::Applied)
}

/// Deletes the definition for the release `name` in `namespace`, unless operators of other releases use
/// it, and waits until it is gone.
///
/// # Errors
/// [`DefinitionError::Sales`] as long as there are any; see there for the others. May be repeated.
/// Without a deadline of its own.
pub async fn remove(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Outcome, DefinitionError> {
    let sales: Api<FlashSale> = Api::all(client.clone());
    let listed = match sales
        .list_metadata(&ListParams::default().limit(NAMED))
        .await
    {
        Ok(listed) => listed.items,
        // Nobody knows of sales, so there is no definition.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Outcome::Removed),
        Err(error) => return Err(error.into()),
    };
    if !listed.is_empty() {
        return Err(DefinitionError::Sales(names(&listed)));
    }
    let deployments: Api<Deployment> = Api::all(client.clone());
    let operators = ListParams::default().labels(OPERATORS);
    let mut others = deployments.list_metadata(&operators).await?.items;
    others.retain(|operator| {
        operator.namespace().as_deref() != Some(namespace)
            || operator.labels().get(RELEASE).map(String::as_str) != Some(name)
    });
    if !others.is_empty() {
        return Ok(Outcome::InUse(names(&others)));
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    if let Some(present) = definitions.get_opt(NAME).await? {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: present.uid(),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        definitions.delete(NAME, &parameters).await?;
    }
    wait_until_deleted(&definitions).await?;
    Ok(Outcome::Removed)
}

/// Returns at once for a definition that stays. One that is being deleted goes when its sales are
/// drained, for which the operator still runs.
async fn wait_until_deleted(
    definitions: &Api<CustomResourceDefinition>,
) -> Result<(), DefinitionError> {
    loop {
        let present = definitions.get_opt(NAME).await?;
        if present.is_none_or(|present| present.meta().deletion_timestamp.is_none()) {
            return Ok(());
        }
        sleep(PERIOD).await;
    }
}

pub(crate) fn is_established(definition: &CustomResourceDefinition) -> bool {
    let status = definition.status.as_ref();
    let mut conditions = status
        .into_iter()
        .flat_map(|status| &status.conditions)
        .flatten();
    conditions.any(|condition| condition.type_ == "Established" && condition.status == "True")
}

/// The minor version of Kubernetes that `server` is of; none when that is no number.
pub(crate) fn minor_version(server: &Info) -> Option<u32> {
    // Some providers append a plus sign.
    server
        .minor
        .trim_end_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .ok()
}

/// Whether `version` comes after `own`. One that is no semantic version does not.
fn is_newer(version: &str, own: &str) -> Result<bool, DefinitionError> {
    let own = Version::parse(own).map_err(|_| DefinitionError::Own(own.to_owned()))?;
    Ok(Version::parse(version).is_ok_and(|version| version.cmp_precedence(&own).is_gt()))
}

/// The first of them, for a message.
fn names<K: Resource>(objects: &[K]) -> String {
    let names = objects.iter().map(|object| {
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        format!(
            "{namespace}/{}",
            object.meta().name.as_deref().unwrap_or_default()
        )
    });
    names.take(NAMED as usize).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_semantic_versions() {
        for (version, own, newer) in [
            ("0.2.0", "0.1.0", true),
            ("0.10.0", "0.9.1", true),
            ("1.0.0", "0.9.1", true),
            ("0.1.0", "0.1.0", false),
            ("0.1.0", "0.2.0", false),
            ("0.2.0-rc.1", "0.1.0", true),
            ("0.1.0", "0.2.0-rc.1", false),
            ("0.2.0", "0.2.0-rc.1", true),
            ("0.2.0-rc.1", "0.2.0", false),
            ("0.2.0-rc.10", "0.2.0-rc.9", true),
            ("0.2.0-rc.1", "0.2.0-beta.2", true),
            ("0.1.0+2", "0.1.0+1", false),
            ("", "0.1.0", false),
            ("latest", "0.1.0", false),
            ("latest", "0.1.0-rc.1", false),
        ] {
            let found = is_newer(version, own).unwrap();
            assert_eq!(found, newer, "{version} after {own}");
        }
        assert!(is_newer("0.1.0", "next").is_err());
        assert!(!is_newer("0.1.0", env!("CARGO_PKG_VERSION")).unwrap());
    }
}
