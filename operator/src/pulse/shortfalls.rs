//! Finds out why workers that were asked for are not available. Only sales that lack workers are looked
//! at, later and later; no pod is kept in memory.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::id::SaleId;
use futures_util::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, api::ListParams};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::rounds::see;
use crate::{
    context::Context,
    obstacle::{Cause, Obstacle},
    reconcile::build,
    roster::shortfall::Shortfall,
    workers::{Workers, object_of},
};

/// How often it is looked for sales that lack workers.
const ROUND: Duration = Duration::from_secs(1);

/// Sales whose pods are listed in one round at most: so many requests a second.
const LISTS_A_ROUND: usize = 4;

/// Pods read of a sale at most. What keeps one from running mostly keeps them all.
const PODS: u32 = 50;

/// How long the API server may take to list pods.
const PATIENCE: Duration = Duration::from_secs(5);

/// Goes round until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = stop.cancelled() => return,
        }
        let (over, due) = shortfalls(&context, Instant::now());
        for sale in over {
            see(&context, &sale, |observed| observed.obstacle = None);
        }
        let looks = due.iter().map(|(sale, deployment)| async {
            let obstacle = look(&context, sale, deployment).await;
            see(&context, sale, |observed| {
                let is_unread = |found: &Obstacle| found.cause == Cause::PodsUnread;
                // What was found before still counts as long as nobody can look.
                if !(obstacle.as_ref().is_some_and(is_unread) && observed.obstacle.is_some()) {
                    observed.obstacle = obstacle;
                }
            });
        });
        join_all(looks).await;
    }
}

/// Sales that lack workers no more, and those to look at now with their Deployments.
fn shortfalls(context: &Context, now: Instant) -> (Vec<SaleId>, Vec<(SaleId, Arc<Deployment>)>) {
    let (mut over, mut due) = (Vec::new(), Vec::new());
    let mut entries = context.roster.entries();
    for (sale, entry) in entries.iter_mut() {
        let lacking = context.deployment(sale).filter(|deployment| {
            let workers = Workers::of(deployment);
            !workers.are_available(workers.asked)
        });
        let Some(deployment) = lacking else {
            if entry.memory.shortfall.take().is_some() {
                over.push(sale.clone());
            }
            continue;
        };
        let shortfall = entry
            .memory
            .shortfall
            .get_or_insert_with(|| Shortfall::new(now));
        if shortfall.next_look <= now {
            due.push((shortfall.next_look, sale.clone(), deployment));
        }
    }
    // Those that have waited for the longest come first.
    due.sort_by_key(|(next_look, ..)| *next_look);
    due.truncate(LISTS_A_ROUND);
    for (_, sale, _) in &due {
        if let Some(shortfall) = entries
            .get_mut(sale)
            .and_then(|entry| entry.memory.shortfall.as_mut())
        {
            shortfall.looked(now);
        }
    }
    let due = due
        .into_iter()
        .map(|(_, sale, deployment)| (sale, deployment));
    (over, due.collect())
}

async fn look(context: &Context, sale: &SaleId, deployment: &Deployment) -> Option<Obstacle> {
    if let Some(obstacle) = Obstacle::to_creation(deployment) {
        return Some(obstacle);
    }
    let (namespace, name) = object_of(sale);
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let ours = ListParams::default()
        .labels(&build::selector_text(name))
        .limit(PODS);
    match timeout(PATIENCE, pods.list(&ours)).await {
        Ok(Ok(pods)) => Obstacle::to_pods(deployment, &pods.items, Timestamp::now()),
        Ok(Err(error)) => Some(Obstacle::new(Cause::PodsUnread, error.to_string())),
        Err(_) => Some(Obstacle::new(
            Cause::PodsUnread,
            format!("the API server did not answer within {PATIENCE:?}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_that_lasts_is_looked_at_less_and_less_often() {
        let start = Instant::now();
        let mut shortfall = Shortfall::new(start);
        let mut looks = Vec::new();
        while looks.len() < 7 {
            let now = shortfall.next_look;
            looks.push(now.duration_since(start).as_secs());
            shortfall.looked(now);
        }
        assert_eq!(looks, [2, 4, 8, 16, 32, 62, 92]);
    }
}
