//! The pulse: every second one look at all sales that are awake, pipelined for each Redis,
//! and at once what follows from it: workers, a sale that Redis lost, stock that it does not know.
//!
//! The reconciler says what shall be; the pulse sees to it. It never writes a status: when it sees
//! something that people should know, it asks for a visit.

mod act;
mod look;
mod opening;
pub mod rounds;
pub mod shortfalls;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flashsale_domain::lifecycle::{self, Announced, Phase};
use flashsale_telemetry::probes::Heartbeat;
use jiff::Timestamp;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    crd::{
        FlashSale,
        condition::{self, Type},
    },
    roster::Observation,
    stores::{LOOKS_AT_ONCE, Stores},
};

/// How often sales that are awake are looked at. With the patch behind it, a spike is answered
/// within two seconds.
const BEAT: Duration = Duration::from_secs(1);

/// How often sales that sleep are looked at.
const SLEEP: Duration = Duration::from_secs(30);

/// How long before its next instant a sleeping sale wakes.
const WAKE_AHEAD: Duration = Duration::from_secs(3);

/// Longest time that one look and what follows may take before the sale counts as due again.
const LONGEST_BEAT: Duration = Duration::from_secs(30);

/// Lanes that are looked at together. What hangs or is too slow concerns no others.
const LANES_A_LOOK: usize = 2_000;

/// Beats until `stop`, and shows by `heartbeat` that it does.
pub async fn run(context: Arc<Context>, heartbeat: Heartbeat, stop: CancellationToken) {
    let started = Instant::now();
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Looks in work; they end with this task.
    let mut looks = JoinSet::new();
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = context.roster.wake.notified() => {}
            () = stop.cancelled() => return,
        }
        heartbeat.beat();
        while looks.try_join_next().is_some() {}
        let show_every = context.show_every();
        // Not waited for: a Redis that hangs must not hold up the sales of another.
        for (stores, sales) in due(&context).into_values() {
            let turns = Arc::new(Semaphore::new(LOOKS_AT_ONCE as usize));
            for sales in parts(sales) {
                let (context, stores, turns) = (context.clone(), stores.clone(), turns.clone());
                looks.spawn(async move {
                    let seen = {
                        let _turn = turns.acquire().await;
                        look::look(&stores, &sales).await
                    };
                    let now = act::Now {
                        uptime: started.elapsed(),
                        show_every,
                    };
                    act::act(&context, &stores, &sales, seen, now).await;
                });
            }
        }
        tell_phases(&context);
    }
}

/// Sales that are due, gathered by their stores.
type Due = HashMap<usize, (Arc<Stores>, Vec<Announced>)>;

fn due(context: &Context) -> Due {
    let now = Instant::now();
    let mut due = Due::new();
    for entry in context.roster.entries().values_mut() {
        let Some(record) = entry.begin_look(now, now + LONGEST_BEAT) else {
            continue;
        };
        let place = Arc::as_ptr(entry.stores()) as usize;
        let (_, sales) = due
            .entry(place)
            .or_insert_with(|| (entry.stores().clone(), Vec::new()));
        sales.push(record);
    }
    due
}

/// The sales of one pair of stores in parts of about [`LANES_A_LOOK`] lanes, each of which is looked at
/// by itself.
fn parts(sales: Vec<Announced>) -> Vec<Vec<Announced>> {
    let mut parts: Vec<Vec<Announced>> = Vec::new();
    let mut lanes = 0;
    for record in sales {
        let more = record.sale.lanes().count();
        match parts.last_mut() {
            Some(part) if lanes + more <= LANES_A_LOOK => part.push(record),
            _ => {
                parts.push(vec![record]);
                lanes = 0;
            }
        }
        lanes += more;
    }
    parts
}

/// When to look again at a sale that was seen like this at `now`, the instant its phase was decided
/// for: with a later one, an opening in between would be past for the schedule and still to come for
/// the phase, and the sale would sleep through it.
fn next_look(desired: &Announced, observed: &Observation, now: Timestamp) -> Duration {
    if is_awake(desired, observed, now) {
        // A little early, so that the beat after the next is not the one that finds it due.
        return BEAT.mul_f32(0.9);
    }
    let sale = &desired.sale;
    let next = lifecycle::next_instant(sale.schedule, &sale.workers, now);
    let wait = next.map_or(SLEEP, |next| until(next, now));
    wait.saturating_sub(WAKE_AHEAD).clamp(BEAT, SLEEP)
}

fn until(instant: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(instant.duration_since(now)).unwrap_or_default()
}

/// Whether something can happen to the sale from one second to the next.
fn is_awake(desired: &Announced, observed: &Observation, now: Timestamp) -> bool {
    let sale = &desired.sale;
    let near = lifecycle::next_instant(sale.schedule, &sale.workers, now)
        .is_some_and(|next| until(next, now) <= WAKE_AHEAD);
    let resting = matches!(observed.phase, Some(Phase::Scheduled | Phase::Closed));
    let quiet = observed.queue_error.is_none()
        && observed.announced == Some(true)
        && observed
            .lanes
            .as_ref()
            .is_some_and(|lanes| lanes.depth() == 0);
    let stays = observed
        .decision
        .is_some_and(|decision| decision.workers == 0);
    near || !resting
        || !quiet
        || lifecycle::is_prewarming(sale.schedule, &sale.workers, now)
        || (!stays && observed.phase == Some(Phase::Closed))
}

/// Counts every FlashSale by the phase that its status tells, those that never came into force too, and
/// shows which of those in force need attention.
fn tell_phases(context: &Context) {
    let mut counts: HashMap<Phase, usize> = HashMap::new();
    for watched in context.sales.state() {
        let phase = match &watched.0 {
            Ok(object) if !context.ownership.has_class_of(object) => continue,
            Ok(object) => {
                tell_stalled(context, object);
                let told = object
                    .status
                    .as_ref()
                    .and_then(|told| told.phase.as_deref());
                told.and_then(Phase::named).unwrap_or(Phase::Pending)
            }
            // Its status cannot be read either. What of it is in force goes on, but nobody can change it.
            Err(_) => Phase::Failed,
        };
        *counts.entry(phase).or_default() += 1;
    }
    let counts: Vec<(Phase, usize)> = counts.into_iter().collect();
    context
        .metrics
        .sales
        .phases(context.namespace.as_deref(), &counts);
}

fn tell_stalled(context: &Context, object: &FlashSale) {
    let (Ok(sale), Some(status)) = (object.sale_id(), &object.status) else {
        return;
    };
    let is_stalled = condition::holds(&status.conditions, Type::Stalled);
    // Held, so that a sale that is taken out meanwhile is not shown again.
    if context.roster.entries().contains_key(&sale) {
        context.metrics.sales.stalled(&sale, is_stalled);
    }
}

#[cfg(test)]
mod tests;
