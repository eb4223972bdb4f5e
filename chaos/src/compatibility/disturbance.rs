//! What happens to the servers of a combination in mid-sale.

use std::time::{Duration, Instant};

use flashsale_testbed::{cluster::Cluster, sentinel::Watched};
use jiff::{SignedDuration, Timestamp};

use super::stores::{Redises, Stores};
use crate::{error::ChaosError, faults, judge::Loss, stores::until};

/// How long servers may take to fail over: a second of silence, a vote, and what a busy machine adds.
const FAILOVER: Duration = Duration::from_secs(30);

/// How far a replica of Redis may lag behind. It lags by milliseconds.
const LAG: SignedDuration = SignedDuration::from_secs(2);

/// What happened.
#[derive(Debug, Clone)]
pub struct Disturbance {
    /// In words.
    pub what: String,
    /// When it was over: another server had taken the place of the one that was killed.
    pub over: Timestamp,
    /// What the servers may have lost.
    pub loss: Option<Loss>,
}

/// Whether anything happens to these servers.
#[must_use]
pub fn is_due(stores: &Stores) -> bool {
    stores.standby.is_some() || !matches!(stores.redis, Redises::Single(_))
}

/// Makes it happen, and comes back when other servers have taken over. `key` is one of the sale's.
pub async fn disturb(stores: &mut Stores, key: &str) -> Result<Disturbance, ChaosError> {
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
    let unknown = || ChaosError::Wrong("the Sentinels name no primary".to_owned());
    let primary = watched.primary().await.ok_or_else(unknown)?;
    let server = watched.servers.get_mut(primary).ok_or_else(unknown)?;
    let began = Instant::now();
    server.kill().await?;
    let killed = Timestamp::now();
    until("the Sentinels promote a replica", FAILOVER, async || {
        Ok(watched.primary().await.is_some_and(|now| now != primary))
    })
    .await?;
    Ok(killed_primary("primary killed", began, killed))
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
    Ok(to)
}

/// Kills the primary at `holder`, which has the slot of `key`.
async fn kill_the_holder(
    cluster: &mut Cluster,
    key: &str,
    holder: usize,
) -> Result<Disturbance, ChaosError> {
    let unknown = || ChaosError::Wrong("the cluster has no such server".to_owned());
    let began = Instant::now();
    let server = cluster.servers.get_mut(holder).ok_or_else(unknown)?;
    server.kill().await?;
    let killed = Timestamp::now();
    let other = usize::from(holder == 0);
    until("the cluster promotes a replica", FAILOVER, async || {
        let now = cluster.primary_of(other, key).await?;
        Ok(now.is_some_and(|now| now != holder))
    })
    .await?;
    Ok(killed_primary(
        "slot moved, its primary killed",
        began,
        killed,
    ))
}

fn killed_primary(what: &str, began: Instant, killed: Timestamp) -> Disturbance {
    Disturbance {
        what: format!(
            "{what}, replica promoted after {} ms",
            began.elapsed().as_millis()
        ),
        over: Timestamp::now(),
        loss: Some(Loss {
            store: faults::Store::Redis,
            from: Some(killed - LAG),
            to: killed,
        }),
    }
}
