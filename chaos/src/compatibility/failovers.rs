//! Failovers by Sentinel, one or many: the primary is killed, a replica takes its place, and the one
//! that was killed comes back as a replica.

use std::time::{Duration, Instant};

use flashsale_testbed::{
    fault_proxy::{FaultProxy, Flow},
    sentinel::Watched,
};
use jiff::Timestamp;

use super::{
    replication::{Replication, follow, in_step},
    stores::{Redises, Stores},
};
use crate::{error::ChaosError, judge::Loss, stores::until};

/// How often the primary is killed.
const KILLS: usize = 20;

/// Orders between a failover and the next kill: the sale has to go on.
const BETWEEN: i64 = 400;

/// How long Sentinels may take to promote a replica: a second of silence, a vote, what a busy machine
/// adds, and where one failover follows another ten seconds since the last one began
/// (twice `failover-timeout`).
const PROMOTION: Duration = Duration::from_secs(40);

/// How long a replica is cut off at least.
const CUT: Duration = Duration::from_secs(2);

/// Bytes that a primary has to take meanwhile: some twenty buys.
const TAKEN_ALONE: u64 = 10_000;

/// How long it may take to get them.
const ALONE: Duration = Duration::from_secs(20);

/// Who tells a server that comes back as a primary to follow the one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Teller {
    /// This program, at once.
    Harness,
    /// The Sentinels, which wait 8 to 20 s before they do.
    Sentinels,
}

/// A failover that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failover {
    /// When the primary was dead.
    pub(super) killed: Timestamp,
    /// How long it took until a replica was promoted.
    pub(super) promoted: Duration,
    /// How long it took until the one that was killed was back in step.
    pub(super) back: Duration,
}

/// What happened to the servers.
#[derive(Debug, Clone)]
pub struct Disturbance {
    /// In words.
    pub what: String,
    /// When it was over: another server had taken the place of the one that was killed, and that was
    /// back as a replica if it is Redis.
    pub over: Timestamp,
    /// What the servers may have lost.
    pub loss: Option<Loss>,
}

/// What becomes of the link to the replica before a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It is well.
    Well,
    /// It is cut, and well again before the kill.
    CutBefore,
    /// It is cut until after the kill.
    CutDuring,
}

impl Link {
    /// At the kill of this number, from 1.
    fn at(kill: usize) -> Self {
        match kill % 8 {
            0 => Self::CutDuring,
            4 => Self::CutBefore,
            _ => Self::Well,
        }
    }
}

/// Which server is the primary.
async fn primary(watched: &Watched) -> Result<usize, ChaosError> {
    let primary = watched.primary().await;
    primary.ok_or_else(|| ChaosError::wrong("the Sentinels name no primary"))
}

/// Kills the primary and starts it again once a replica was promoted. Comes back when all other
/// servers are replicas of the new primary and have everything.
pub(super) async fn fail_over(
    watched: &mut Watched,
    teller: Teller,
) -> Result<Failover, ChaosError> {
    let dies = primary(watched).await?;
    let began = Instant::now();
    watched.servers[dies].kill().await?;
    let killed = Timestamp::now();
    // The Sentinels hear of a failover one after the other: only the first to name another server
    // tells which it is.
    let mut successor = dies;
    until("the Sentinels promote a replica", PROMOTION, async || {
        successor = watched.primary().await.unwrap_or(dies);
        Ok(successor != dies)
    })
    .await?;
    let promoted = began.elapsed();
    watched.servers[dies].restart().await?;
    if teller == Teller::Harness {
        follow(&watched.servers[dies], watched.servers[successor].port()).await?;
    }
    let replicas = u8::try_from(watched.servers.len() - 1).unwrap_or(u8::MAX);
    in_step(&watched.servers[successor], replicas).await?;
    Ok(Failover {
        killed,
        promoted,
        back: began.elapsed(),
    })
}

/// Has one failover after another, and cuts the link to the replica before some of them.
pub(super) async fn many(
    stores: &mut Stores,
    tell: &impl Fn(&str),
) -> Result<Disturbance, ChaosError> {
    let mut failovers = Vec::new();
    for kill in 1..=KILLS {
        stores.more_orders(BETWEEN).await?;
        let Redises::Watched(watched) = &mut stores.redis else {
            return Err(ChaosError::wrong("no Sentinels watch Redis"));
        };
        let link = Link::at(kill);
        let cable = match link {
            Link::Well => None,
            Link::CutBefore | Link::CutDuring => Some(cut_off(watched).await?),
        };
        if let (Link::CutBefore, Some(cable)) = (link, &cable) {
            cable.heal();
            in_step(&watched.servers[primary(watched).await?], 1).await?;
        }
        // The first server comes back as a primary, the other as what it was at the start: a replica.
        let teller = match kill % 6 {
            1 => Teller::Sentinels,
            _ => Teller::Harness,
        };
        let failover = fail_over(watched, teller).await?;
        tell(&format!(
            "kill {kill} of {KILLS} ({link:?}): promoted after {} ms, back after {} ms ({teller:?})",
            failover.promoted.as_millis(),
            failover.back.as_millis()
        ));
        failovers.push(failover);
    }
    Ok(Disturbance {
        what: summary(&failovers),
        over: Timestamp::now(),
        loss: None,
    })
}

fn summary(failovers: &[Failover]) -> String {
    let cut = |wanted: &[Link]| {
        let links = (1..=failovers.len()).map(Link::at);
        links.filter(|link| wanted.contains(link)).count()
    };
    format!(
        "primary killed {} times, replica promoted after {}, the killed one in step after {}; cut off \
         from its replica {} times, {} of them until the kill",
        failovers.len(),
        range(failovers.iter().map(|failover| failover.promoted)),
        range(failovers.iter().map(|failover| failover.back)),
        cut(&[Link::CutBefore, Link::CutDuring]),
        cut(&[Link::CutDuring]),
    )
}

/// Leads the replica to its primary over a link, and cuts that. Comes back when the primary has taken
/// buys that the replica does not get. Dropping the proxy ends the link.
async fn cut_off(watched: &Watched) -> Result<FaultProxy, ChaosError> {
    let position = primary(watched).await?;
    let primary = &watched.servers[position];
    let replica = watched
        .servers
        .iter()
        .find(|other| other.port() != primary.port());
    let replica = replica.ok_or_else(|| ChaosError::wrong("there is no replica"))?;
    let link = FaultProxy::start(([127, 0, 0, 1], primary.port()).into()).await?;
    follow(replica, link.address().port()).await?;
    until("the replica follows over the link", ALONE, async || {
        Ok(link.connections() > 0)
    })
    .await?;
    in_step(primary, 1).await?;
    link.set_both(Flow::Silent);
    let (began, before) = (Instant::now(), Replication::of(primary).await?);
    until("the primary takes buys alone", ALONE, async || {
        let now = Replication::of(primary).await?;
        // Of a replica, that is what it has.
        if Replication::of(replica).await?.written > before.written {
            return Err(ChaosError::wrong("the replica was not cut off"));
        }
        Ok(began.elapsed() >= CUT && now.written >= before.written + TAKEN_ALONE)
    })
    .await?;
    Ok(link)
}

/// The shortest and the longest of these times.
fn range(times: impl Iterator<Item = Duration> + Clone) -> String {
    match times.clone().min().zip(times.max()) {
        Some((least, most)) => {
            format!("{:.1} to {:.1} s", least.as_secs_f64(), most.as_secs_f64())
        }
        None => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replica_is_cut_off_five_times() {
        let links: Vec<Link> = (1..=KILLS).map(Link::at).collect();
        let count = |link| links.iter().filter(|other| **other == link).count();
        assert_eq!((count(Link::CutBefore), count(Link::CutDuring)), (3, 2));
    }
}
