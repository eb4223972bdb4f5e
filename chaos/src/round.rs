//! One round: a system, a crowd, faults one after the other, a judgement.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flashsale_testbed::program::Program;
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    error::ChaosError,
    faults::{Fault, Kind},
    files,
    flow::{STANDS_STILL, Watcher},
    inject::inject,
    judge::{Judgement, Loss, judge},
    load::{self, Load},
    namespace,
    stores::{clock, until},
    timeline::Timeline,
    world::{Member, World},
};

/// How long the crowd buys before the first fault, in milliseconds; drawn, so that faults come at
/// different instants.
const BEFORE_MS: std::ops::Range<u64> = 2_000..5_000;

/// How long everything must flow after a fault until the next one.
const CALM: Duration = Duration::from_secs(3);

/// How long lanes may stand still after a fault before that is called for good.
const FOR_GOOD: Duration = Duration::from_secs(30);

/// How long the first buys may take to be settled.
const FIRST: Duration = Duration::from_secs(30);

/// How often is looked whether lanes flow.
const LOOK: Duration = Duration::from_millis(50);

/// The longest that one fault takes, waits and recovery included; the crowd lasts that long.
const LONGEST_FAULT_SECONDS: u64 = 60;

/// One fault of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Name of the fault.
    pub fault: String,
    /// What was drawn for it.
    pub how: String,
    /// Milliseconds from the instant that counts until everything flowed again: lanes, and
    /// acknowledgements.
    pub recovered_ms: u64,
    /// Within how many it had to.
    pub limit_ms: u64,
    /// Whether lanes stood still until the workers were replaced.
    pub is_stuck: bool,
    /// The instant that counts, by the wall clock.
    since: Timestamp,
}

/// What a round found.
#[derive(Debug)]
pub struct Finding {
    /// What it was drawn by.
    pub seed: u64,
    /// Its faults in their order.
    pub episodes: Vec<Episode>,
    /// Whether the laws hold.
    pub judgement: Judgement,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Where logs and history are, when something was found.
    pub kept: Option<PathBuf>,
}

impl Finding {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.judgement.violations.is_empty() && self.episodes.iter().all(Episode::is_in_time)
    }
}

impl Episode {
    /// Whether everything flowed again in time.
    pub fn is_in_time(&self) -> bool {
        !self.is_stuck && self.recovered_ms <= self.limit_ms
    }
}

/// Why this fault cannot happen here; none when it can.
pub fn impossible(kind: Kind) -> Option<String> {
    match kind {
        Kind::Packets(..) => namespace::unavailable(),
        Kind::RedisClock(_) | Kind::WorkerClock(_) if !clock::is_available() => Some(
            "clocks are stepped by the package faketime: scripts/install-dependencies --for-chaos"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Plays a round: all of `faults`, one after the other, each when the one before has passed.
/// Evidence of what went wrong is kept below `keep`.
pub async fn play(faults: &[Fault], seed: u64, keep: &Path) -> Result<Finding, ChaosError> {
    let started = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let kinds: Vec<Kind> = faults.iter().map(|fault| fault.kind).collect();
    let mut world = World::start(&kinds).await?;
    let result = play_in(&mut world, faults, &mut random).await;
    let (episodes, judgement) = match result {
        Ok(found) => found,
        Err(error) => {
            // What the programs wrote says more than the error.
            let kept = keep_evidence(&world, keep, &names(faults), seed)?;
            eprintln!("logs are in {}", kept.display());
            return Err(error);
        }
    };
    let mut finding = Finding {
        seed,
        episodes,
        judgement,
        seconds: started.elapsed().as_secs_f64(),
        kept: None,
    };
    if !finding.is_clean() {
        finding.kept = Some(keep_evidence(&world, keep, &names(faults), seed)?);
    }
    Ok(finding)
}

async fn play_in(
    world: &mut World,
    faults: &[Fault],
    random: &mut StdRng,
) -> Result<(Vec<Episode>, Judgement), ChaosError> {
    let watcher = Watcher::start(world.stores.redis_url());
    let gateways: Vec<String> = world.gateways.iter().map(Program::url).collect();
    let longest = faults.len() as u64 * LONGEST_FAULT_SECONDS;
    let redis = [("FLASHSALE_REDIS_URL", world.redis_url(Member::Load)?)];
    let load = Load::start(load::RATE, &gateways, &redis, longest, world.directory()).await?;
    world.open_payments(random.random());
    let settled = async || Ok(watcher.has_settled());
    until("the first buys are settled", FIRST, settled).await?;
    let mut episodes = Vec::new();
    let mut losses: Vec<Loss> = Vec::new();
    for fault in faults {
        tokio::time::sleep(Duration::from_millis(random.random_range(BEFORE_MS))).await;
        let injected = inject(world, &watcher, fault.kind, random).await?;
        let is_stuck = !calm(&watcher).await;
        let recovered = watcher.recovered_after(injected.since);
        if is_stuck {
            world.replace_workers().await?;
            calm(&watcher).await;
        }
        losses.extend(injected.losses);
        episodes.push(Episode {
            fault: fault.name.clone(),
            how: injected.how,
            recovered_ms: u64::try_from(recovered.as_millis()).unwrap_or(u64::MAX),
            limit_ms: fault.kind.limit_ms(),
            is_stuck,
            since: Timestamp::now() - injected.since.elapsed(),
        });
    }
    let ended = load.end().await?;
    let unpaid = world.end_payments().await?;
    let history = world.directory().join(load::HISTORY);
    let mut judgement = judge(&world.stores.environment(), &history, &losses).await?;
    judgement.violations.extend(ended.problem);
    judgement.violations.extend(unpaid);
    // The time without any acknowledgement counts as well.
    let timeline = Timeline::read(&history)?;
    for episode in &mut episodes {
        let gap = timeline.gap_ms(episode.since).unwrap_or(0);
        episode.recovered_ms = episode.recovered_ms.max(gap);
    }
    Ok((episodes, judgement))
}

/// Waits until all lanes have flowed for a while; false when they do not.
async fn calm(watcher: &Watcher) -> bool {
    let started = Instant::now();
    let mut flows_since = Instant::now();
    // A lane is known to stand only after that time.
    while flows_since.elapsed() < CALM + STANDS_STILL {
        if !watcher.flows() {
            flows_since = Instant::now();
            if started.elapsed() > FOR_GOOD {
                return false;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

fn names(faults: &[Fault]) -> String {
    let names: Vec<&str> = faults.iter().map(|fault| fault.name.as_str()).collect();
    match names.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("{}-faults", several.len()),
    }
}

/// Copies what programs wrote and the history to a directory of its own.
fn keep_evidence(world: &World, keep: &Path, name: &str, seed: u64) -> Result<PathBuf, ChaosError> {
    let to = keep.join(format!("{name}-{seed}"));
    files::create(&to)?;
    let directory = world.directory();
    let stores = [
        world.stores.postgres.log_file(),
        world.stores.redis.log_file(),
    ];
    let written = fs::read_dir(directory).map_err(ChaosError::file(directory))?;
    let written = written.flatten().map(|entry| entry.path());
    for file in written.filter(|path| path.is_file()).chain(stores) {
        if let Some(name) = file.file_name() {
            fs::copy(&file, to.join(name)).map_err(ChaosError::file(&file))?;
        }
    }
    Ok(to)
}
