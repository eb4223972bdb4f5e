//! What happens to the servers of a combination in mid-sale.

use std::time::{Duration, Instant};

use flashsale_testbed::{cluster::Cluster, sentinel::Watched};
use jiff::{SignedDuration, Timestamp};

use super::{
    combinations::Queue,
    failovers::{self, Disturbance, Failover, Teller},
    replication::in_step,
    stores::{Redises, Stores},
};
use crate::{error::ChaosError, faults, judge::Loss, stores::until};

/// How long servers may take to fail over: a second of silence, a vote, and what a busy machine adds.
const FAILOVER: Duration = Duration::from_secs(30);

/// How far a replica of Redis may lag behind. It lags by milliseconds.
const LAG: SignedDuration = SignedDuration::from_secs(2);

/// Whether anything happens to these servers.
pub fn is_due(stores: &Stores) -> bool {
    stores.standby.is_some() || !matches!(stores.redis, Redises::Single(_))
}

/// Makes it happen, and comes back when other servers have taken over. `key` is one of the sale's, and
/// `tell` is told what is going on.
pub async fn disturb(
    stores: &mut Stores,
    queue: Queue,
    key: &str,
    tell: &impl Fn(&str),
) -> Result<Disturbance, ChaosError> {
    if queue == Queue::Failovers {
        return failovers::many(stores, tell).await;
    }
    if let Some(standby) = stores.standby.take() {
        let began = Instant::now();
        stores.postgres.kill().await?;
        standby.promote().await?;
        stores.postgres = standby;
        return Ok(Disturbance {
            what: format!(
                "PostgreSQL killed, standby promoted after {} ms",
                began.elapsed().as_millis()
            ),
            over: Timestamp::now(),
            // It replicated synchronously.
            loss: None,
        });
    }
    match &mut stores.redis {
        Redises::Single(_) => Err(ChaosError::Wrong(
            "nothing takes the place of a server that is alone".to_owned(),
        )),
        Redises::Watched(watched) => kill_the_watched_primary(watched).await,
        Redises::Cluster(cluster) => {
            let holder = move_the_slot(cluster, key).await?;
            kill_the_holder(cluster, key, holder).await
        }
    }
}

async fn kill_the_watched_primary(watched: &mut Watched) -> Result<Disturbance, ChaosError> {
    let failover = failovers::fail_over(watched, Teller::Harness).await?;
    Ok(killed_primary("primary killed", failover))
}

/// Moves the slot of `key` to another primary, whose position is given.
async fn move_the_slot(cluster: &Cluster, key: &str) -> Result<usize, ChaosError> {
    let unknown = || ChaosError::Wrong(format!("no primary has the slot of `{key}`"));
    let from = cluster.primary_of(0, key).await?.ok_or_else(unknown)?;
    let primaries = cluster.servers.len() / 2;
    let to = (from + 1) % primaries;
    cluster.move_slot(key, from, to).await?;
    until(
        "every server knows where the slot is",
        FAILOVER,
        async || {
            for asked in 0..cluster.servers.len() {
                if cluster.primary_of(asked, key).await? != Some(to) {
                    return Ok(false);
                }
            }
            Ok(true)
        },
    )
    .await?;
    // What was moved was acknowledged by the replica of the other primary, and this one's has yet to
    // get it.
    in_step(&cluster.servers[to], Queue::Cluster.replicas()).await?;
    Ok(to)
}

/// Kills the primary at `holder`, which has the slot of `key`, and starts it again once its replica was
/// promoted.
async fn kill_the_holder(
    cluster: &mut Cluster,
    key: &str,
    holder: usize,
) -> Result<Disturbance, ChaosError> {
    let began = Instant::now();
    cluster.servers[holder].kill().await?;
    let killed = Timestamp::now();
    let other = usize::from(holder == 0);
    let mut successor = None;
    until("the cluster promotes a replica", FAILOVER, async || {
        let now = cluster.primary_of(other, key).await?;
        successor = now.filter(|now| *now != holder);
        Ok(successor.is_some())
    })
    .await?;
    let promoted = began.elapsed();
    cluster.servers[holder].restart().await?;
    if let Some(successor) = successor {
        in_step(&cluster.servers[successor], Queue::Cluster.replicas()).await?;
    }
    let failover = Failover {
        killed,
        promoted,
        back: began.elapsed(),
    };
    Ok(killed_primary("slot moved, its primary killed", failover))
}

fn killed_primary(what: &str, failover: Failover) -> Disturbance {
    Disturbance {
        what: format!(
            "{what}, replica promoted after {} ms, the killed one in step after {} ms",
            failover.promoted.as_millis(),
            failover.back.as_millis()
        ),
        over: Timestamp::now(),
        loss: Some(Loss {
            store: faults::Store::Redis,
            from: Some(failover.killed - LAG),
            to: failover.killed,
        }),
    }
}
