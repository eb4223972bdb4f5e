//! Whether the cluster knows what a FlashSale is.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    crd::FlashSale,
    definition::{NAME, is_established},
};

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// An API server that answers at all does so well below this.
const ANSWER: Duration = Duration::from_secs(3);

/// Time between two lines in the log that tell of the same.
const REPEAT: Duration = Duration::from_secs(30);

/// Why sales cannot be read. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Missing {
    #[error(
        "the cluster has no definition of FlashSales: run `helm upgrade` with the chart's \
         `crds.install`, or `flashsale crd | kubectl create -f -`"
    )]
    Definition,
    #[error("the definition of FlashSales is not established yet: `kubectl describe crd {NAME}`")]
    Established,
    #[error(
        "the operator may not list FlashSales: bind its service account to the chart's role ({0})"
    )]
    Forbidden(String),
    #[error("the API server did not answer within {} s", ANSWER.as_secs())]
    Silent,
    #[error("the API server cannot be asked: {0}")]
    Unreachable(String),
}

/// Waits until FlashSales of one of `namespaces` (none: of all) can be read; `false` when `stop` was
/// cancelled before.
pub(super) async fn wait(client: &Client, namespaces: &[String], stop: &CancellationToken) -> bool {
    let mut told: Option<(Missing, Instant)> = None;
    loop {
        let seen = tokio::select! {
            seen = look(client, namespaces) => seen,
            () = stop.cancelled() => return false,
        };
        let Err(missing) = seen else {
            return true;
        };
        let is_old = told
            .as_ref()
            .is_some_and(|(last, when)| *last == missing && when.elapsed() < REPEAT);
        if !is_old {
            tracing::warn!("waiting: {missing}");
            told = Some((missing, Instant::now()));
        }
        tokio::select! {
            () = sleep(PERIOD) => {}
            () = stop.cancelled() => return false,
        }
    }
}

/// Whether FlashSales of one of `namespaces` (none: of all) can be read now. Others may have no role yet,
/// which must not keep this one waiting; their watches tell.
pub(super) async fn look(client: &Client, namespaces: &[String]) -> Result<(), Missing> {
    let Some((first, others)) = namespaces.split_first() else {
        return look_in(client, None).await;
    };
    let mut seen = look_in(client, Some(first)).await;
    for namespace in others {
        if !matches!(seen, Err(Missing::Forbidden(_))) {
            break;
        }
        seen = look_in(client, Some(namespace)).await;
    }
    seen
}

async fn look_in(client: &Client, namespace: Option<&str>) -> Result<(), Missing> {
    timeout(ANSWER, ask(client, namespace))
        .await
        .unwrap_or(Err(Missing::Silent))
}

async fn ask(client: &Client, namespace: Option<&str>) -> Result<(), Missing> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    match definitions.get(NAME).await {
        Ok(definition) if is_established(&definition) => Ok(()),
        Ok(_) => Err(Missing::Established),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Missing::Definition),
        // With the rights of one namespace only sales themselves can be asked for.
        Err(kube::Error::Api(status)) if status.code == 403 => list(client, namespace).await,
        Err(error) => Err(Missing::Unreachable(error.to_string())),
    }
}

async fn list(client: &Client, namespace: Option<&str>) -> Result<(), Missing> {
    let sales: Api<FlashSale> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    match sales.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Missing::Definition),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Err(Missing::Forbidden(status.message))
        }
        Err(error) => Err(Missing::Unreachable(error.to_string())),
    }
}
