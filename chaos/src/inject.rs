//! Makes faults happen, and undoes them.

mod ledger_faults;
mod redis_faults;

use std::time::{Duration, Instant};

use flashsale_testbed::fault_proxy::{Direction, End, FaultProxy, Flow};
use jiff::Timestamp;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use crate::{
    error::ChaosError,
    faults::{Kind, Part, ProviderTrouble, Side, Store, Trouble},
    flow::Watcher,
    judge::Loss,
    stores::clock,
    world::{GATEWAYS, Member, WORKERS, World},
};

/// How long a part that was killed stays away.
const AWAY: Duration = Duration::from_secs(2);

/// How late the bytes of a delayed link are, in milliseconds.
const DELAY_MS: std::ops::Range<u64> = 200..800;

/// A fault that happened.
#[derive(Debug)]
pub(crate) struct Injected {
    /// From when on everything must flow again within the limit: from the beginning where another
    /// part can take over, from the end where none can.
    pub(crate) since: Instant,
    /// What stores lost.
    pub(crate) losses: Vec<Loss>,
    /// What was drawn, for the report.
    pub(crate) how: String,
}

impl Injected {
    fn since(since: Instant, how: impl Into<String>) -> Self {
        Self {
            since,
            losses: Vec::new(),
            how: how.into(),
        }
    }

    /// A store lost what it was given from `from` until `to`, and is back now.
    fn lost(how: impl Into<String>, store: Store, from: Option<Timestamp>, to: Timestamp) -> Self {
        Self {
            losses: vec![Loss { store, from, to }],
            ..Self::since(Instant::now(), how)
        }
    }
}

/// How long a fault lasts: 5 to 15 s.
fn length(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(5_000..15_000))
}

/// Makes a fault happen and undoes it; comes back when it is over.
pub(crate) async fn inject(
    world: &mut World,
    watcher: &Watcher,
    kind: Kind,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    match kind {
        Kind::Killed(part) | Kind::KilledWhilePaying(part) => {
            stop(world, part, Stop::Killed, random).await
        }
        Kind::Paused(part) => stop(world, part, Stop::Paused(length(random)), random).await,
        Kind::Link(side, store, trouble) => link(world, side, store, trouble, random).await,
        Kind::Packets(store, direction) => packets(world, store, direction, random).await,
        Kind::LedgerReadOnly => ledger_faults::read_only(world, length(random)).await,
        Kind::LedgerFull => ledger_faults::full(world, length(random)).await,
        Kind::CommitUnknown => ledger_faults::commit_unknown(world, length(random)).await,
        Kind::LedgerPromoted => ledger_faults::promoted(world, random).await,
        Kind::RedisFull => redis_faults::full(world, length(random)).await,
        Kind::Flushed => redis_faults::flushed(world).await,
        Kind::RedisRestored => redis_faults::restored(world, random).await,
        Kind::RedisPromoted => redis_faults::promoted(world, watcher, true, random).await,
        Kind::RedisDemoted => redis_faults::promoted(world, watcher, false, random).await,
        Kind::RedisClock(step) => step_clock(world, "redis", step, random).await,
        Kind::WorkerClock(step) => {
            let name = format!("worker-{}", world.busiest_worker().await + 1);
            step_clock(world, &name, step, random).await
        }
        Kind::Three => three(world, random).await,
        Kind::Provider(trouble) => provider(world, trouble, random).await,
    }
}

async fn step_clock(
    world: &World,
    name: &str,
    step: i32,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    clock::step(world.directory(), name, step)?;
    let since = Instant::now();
    tokio::time::sleep(length(random)).await;
    Ok(Injected::since(since, format!("{name} {step:+} s")))
}

/// How a part is stopped.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// By SIGKILL; it is started again after [`AWAY`].
    Killed,
    /// By SIGSTOP, for so long.
    Paused(Duration),
}

/// Stops a program or a server and has it go on.
macro_rules! stop_for_a_while {
    ($stopped:expr, $stop:expr) => {
        match $stop {
            Stop::Killed => {
                $stopped.kill().await?;
                tokio::time::sleep(AWAY).await;
                $stopped.restart().await?;
            }
            Stop::Paused(length) => {
                $stopped.pause()?;
                tokio::time::sleep(length).await;
                $stopped.resume()?;
            }
        }
    };
}

async fn stop(
    world: &mut World,
    part: Part,
    stop: Stop,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let mut who = None;
    match part {
        Part::Worker => who = Some(world.busiest_worker().await),
        Part::Gateway => who = Some(random.random_range(0..GATEWAYS)),
        Part::Control | Part::Redis | Part::Postgres => {}
    }
    let began = Instant::now();
    match part {
        Part::Worker | Part::Gateway => {
            let programs = match part {
                Part::Worker => &mut world.workers,
                _ => &mut world.gateways,
            };
            let program = who.and_then(|number| programs.get_mut(number));
            let program = program.ok_or_else(nobody)?;
            stop_for_a_while!(program, stop);
        }
        Part::Control => stop_for_a_while!(world.control, stop),
        Part::Redis => stop_for_a_while!(world.stores.redis, stop),
        Part::Postgres => stop_for_a_while!(world.stores.postgres, stop),
    }
    // Another program takes over at once, and nothing takes the place of a store.
    let since = match part {
        Part::Redis | Part::Postgres => Instant::now(),
        Part::Worker | Part::Gateway | Part::Control => began,
    };
    let who = who.map(|number| format!("{part} {}", number + 1));
    let length = match stop {
        Stop::Killed => None,
        Stop::Paused(length) => Some(format!("{} ms", length.as_millis())),
    };
    let how: Vec<String> = who.into_iter().chain(length).collect();
    Ok(Injected::since(since, how.join(", ")))
}

async fn members(world: &World, side: Side) -> Vec<Member> {
    match side {
        Side::Worker => vec![Member::Worker(world.busiest_worker().await)],
        Side::Workers => (0..WORKERS).map(Member::Worker).collect(),
        Side::Gateways => (0..GATEWAYS).map(Member::Gateway).collect(),
        Side::Control => vec![Member::Control],
    }
}

async fn link(
    world: &World,
    side: Side,
    store: Store,
    trouble: Trouble,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let members = members(world, side).await;
    let length = length(random);
    let delay = Duration::from_millis(random.random_range(DELAY_MS));
    let began = Instant::now();
    for proxy in world.proxies(&members, store) {
        apply(proxy, trouble, delay).await;
    }
    tokio::time::sleep(length).await;
    world.heal();
    // Another worker can take over from one, lanes need neither gateways nor a control loop, and
    // swallowed connections can be replaced at once. No buy is taken while no gateway reaches Redis.
    // Over a slow link a lane goes as slowly as the link, and nobody has to take it over.
    let all_are_cut_off = match side {
        Side::Workers => true,
        Side::Gateways => store == Store::Redis,
        Side::Worker | Side::Control => false,
    };
    let is_the_only_way = all_are_cut_off && trouble != Trouble::Swallowed;
    let counts_from_the_end = is_the_only_way || trouble == Trouble::Delayed;
    let since = if counts_from_the_end {
        Instant::now()
    } else {
        began
    };
    let how = format!("{members:?}, {} ms", length.as_millis());
    Ok(Injected::since(since, how))
}

async fn apply(proxy: &FaultProxy, trouble: Trouble, delay: Duration) {
    match trouble {
        Trouble::Cut => proxy.cut(End::Reset).await,
        Trouble::Delayed => proxy.set_both(Flow::Delayed(delay)),
        Trouble::Silent(direction) => proxy.set(direction, Flow::Silent),
        Trouble::Swallowed => proxy.swallow_present(),
    }
}

async fn packets(
    world: &World,
    store: Store,
    direction: Direction,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let namespace = world.namespace.as_ref().ok_or_else(nobody)?;
    let port = match store {
        Store::Redis => world.stores.redis.port(),
        Store::Postgres => world.stores.postgres.port(),
    };
    let length = length(random);
    let began = Instant::now();
    namespace.drop_packets(port, direction).await?;
    tokio::time::sleep(length).await;
    namespace.pass().await?;
    Ok(Injected::since(began, format!("{} ms", length.as_millis())))
}

/// Three faults that can be undone by themselves, at once.
async fn three(world: &mut World, random: &mut StdRng) -> Result<Injected, ChaosError> {
    let stopped = [Part::Worker, Part::Gateway, Part::Redis, Part::Postgres];
    let mut troubles = vec![
        Trouble::Cut,
        Trouble::Delayed,
        Trouble::Swallowed,
        Trouble::Silent(Direction::ToTarget),
        Trouble::Silent(Direction::ToClient),
    ];
    let part = *stopped.choose(random).ok_or_else(nobody)?;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let trouble = troubles.swap_remove(random.random_range(0..troubles.len()));
        let side = *[Side::Worker, Side::Gateways, Side::Workers, Side::Control]
            .choose(random)
            .ok_or_else(nobody)?;
        let store = *[Store::Redis, Store::Postgres]
            .choose(random)
            .ok_or_else(nobody)?;
        let delay = Duration::from_millis(random.random_range(DELAY_MS));
        let members = members(world, side).await;
        for proxy in world.proxies(&members, store) {
            apply(proxy, trouble, delay).await;
        }
        drawn.push(format!("{side}-{store}-{trouble}"));
    }
    drawn.push(format!("{part}-paused"));
    let length = length(random);
    stop(world, part, Stop::Paused(length), random).await?;
    world.heal();
    let how = format!("{}, {} ms", drawn.join(" + "), length.as_millis());
    Ok(Injected::since(Instant::now(), how))
}

async fn provider(
    world: &World,
    trouble: ProviderTrouble,
    random: &mut StdRng,
) -> Result<Injected, ChaosError> {
    let payments = world.payments.as_ref().ok_or_else(nobody)?;
    let length = length(random);
    // Buys and lanes need no provider.
    let began = Instant::now();
    payments.set_trouble(Some(trouble));
    tokio::time::sleep(length).await;
    payments.set_trouble(None);
    Ok(Injected::since(began, format!("{} ms", length.as_millis())))
}

fn nobody() -> ChaosError {
    ChaosError::wrong("there is nothing that this fault could hit")
}
