//! Finds `HorizontalPodAutoscaler`s that aim at a worker Deployment: two that set the number of
//! replicas would pull it to and fro.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::autoscaling::v1::HorizontalPodAutoscaler;
use kube::{Api, Client, ResourceExt, api::ListParams};

/// How long a list counts as current: all sales of a namespace share it.
const FRESH: Duration = Duration::from_secs(10);

/// Name of an autoscaler and of the Deployment that it aims at.
type Aim = (String, String);

/// Lists autoscalers.
pub struct Autoscalers {
    client: Client,
    /// Those of each namespace, and when they were listed.
    listed: Mutex<HashMap<String, (Instant, Vec<Aim>)>>,
}

impl Autoscalers {
    /// Nothing is listed yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            listed: Mutex::default(),
        }
    }

    /// The autoscaler that aims at `deployment`, if there is one.
    ///
    /// # Errors
    /// When the API server does not list them.
    pub async fn aiming_at(
        &self,
        namespace: &str,
        deployment: &str,
    ) -> Result<Option<String>, kube::Error> {
        let aims = self.aims(namespace).await?;
        let aiming = aims.into_iter().find(|(_, target)| target == deployment);
        Ok(aiming.map(|(name, _)| name))
    }

    async fn aims(&self, namespace: &str) -> Result<Vec<Aim>, kube::Error> {
        if let Some((at, aims)) = self.lock().get(namespace)
            && at.elapsed() < FRESH
        {
            return Ok(aims.clone());
        }
        let api: Api<HorizontalPodAutoscaler> = Api::namespaced(self.client.clone(), namespace);
        let list = api.list(&ListParams::default()).await?;
        let aims: Vec<Aim> = list.into_iter().filter_map(aim).collect();
        self.lock()
            .insert(namespace.to_owned(), (Instant::now(), aims.clone()));
        Ok(aims)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Vec<Aim>)>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn aim(autoscaler: HorizontalPodAutoscaler) -> Option<Aim> {
    let name = autoscaler.name_any();
    let target = autoscaler.spec?.scale_target_ref;
    (target.kind == "Deployment").then_some((name, target.name))
}
