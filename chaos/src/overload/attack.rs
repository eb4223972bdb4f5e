//! Honest shoppers beside an attacker, and beside a process that only uses as much processor time.

mod keys;
mod verdict;

use std::{
    env, fs,
    net::Ipv4Addr,
    path::Path,
    time::{Duration, Instant},
};

use flashsale_testbed::{launch::Launch, process::Process};
use serde::Serialize;

use super::{
    attacker::Tally,
    crowd::{self, CrowdFigures, CrowdPlan},
    processor::{self, ProcessorLimit},
    report::Finding,
    settings::{Auth, Settings},
    system::{BAIT, GatewaySettings, PRODUCT, SALE, System},
    watch::{Watch, Watched},
};
use crate::{error::ChaosError, files};
use keys::Keys;

/// Where the attacker is. 127.0.0.1 would be taken for a proxy, which is not limited.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// Where the honest shoppers are: so many addresses of 127.0.1.0/24.
const HONEST_ADDRESSES: u8 = 16;

/// Keep-alive connections of the honest shoppers.
const HONEST_CONNECTIONS: u32 = 96;

/// Seconds that an honest shopper tries again after errors.
const GIVE_UP_SECONDS: u64 = 10;

/// How long the attack goes on before the honest shoppers come.
const LEAD: Duration = Duration::from_secs(2);

/// How long it goes on beyond them, in seconds: their crowd needs a moment to be drawn.
const OVERHANG_SECONDS: u64 = 6;

/// How long the process beside the shoppers may take to end.
const END: Duration = Duration::from_secs(40);

/// The file in which the attacker leaves its tally.
const TALLY: &str = "attack.json";

/// What runs beside the honest shoppers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Companion {
    /// Something that only uses its processor time.
    Spinner,
    /// The attacker.
    Attacker,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    crowd: CrowdFigures,
    gateway: Watched,
    /// Cores that the process beside the shoppers used.
    companion_cores: f64,
    /// Bytes by which Redis has grown.
    redis_growth: u64,
    /// What came of the attack.
    tally: Tally,
}

/// Measures both, the control run first.
pub async fn measure(
    auth: Auth,
    settings: &Settings,
    directory: &Path,
    tell: &impl Fn(&str),
) -> Result<Finding, ChaosError> {
    let control_directory = directory.join("control");
    tell("control run: honest shoppers beside a process that only computes");
    let control = run(Companion::Spinner, auth, settings, &control_directory).await?;
    tell("attack: the same shoppers beside the attacker");
    let attack_directory = directory.join("attack");
    let attacked = run(Companion::Attacker, auth, settings, &attack_directory).await?;
    Ok(verdict::judge(settings, &control, &attacked))
}

async fn run(
    companion: Companion,
    auth: Auth,
    settings: &Settings,
    directory: &Path,
) -> Result<Run, ChaosError> {
    // Before anything is started: where it cannot be had there is nothing to measure.
    let limit = ProcessorLimit::new("beside", settings.attacker_cores)?;
    files::create(directory)?;
    let shoppers = u64::from(settings.honest_rate) * settings.attack_seconds;
    let keys = match auth {
        Auth::Off => None,
        Auth::Jwt => Some(Keys::make(directory, shoppers)?),
    };
    let gateway = GatewaySettings {
        open_files: Some(settings.open_files),
        keys: keys.as_ref().map(|keys| keys.set.clone()),
    };
    let system = System::start(&gateway, directory).await?;
    let memory_before = system.redis_memory().await?;
    let beside = Process::start(launch(companion, &system, settings, directory)?).await?;
    limit.hold(beside.pid())?;
    let began = (Instant::now(), processor::used(beside.pid())?);
    let watch = Watch::start(&system.gateway)?;
    tokio::time::sleep(LEAD).await;
    let (url, environment, sources) = (system.gateway.url(), system.environment(), sources());
    let plan = CrowdPlan {
        name: "crowd",
        gateway: &url,
        product: PRODUCT,
        rate: settings.honest_rate,
        seconds: settings.attack_seconds,
        connections: HONEST_CONNECTIONS,
        sources: &sources,
        give_up: GIVE_UP_SECONDS,
        tokens: keys.as_ref().map(|keys| keys.tokens.as_path()),
    };
    let (crowd, meanwhile) = tokio::join!(crowd::send(&plan, &environment, directory), async {
        tokio::time::sleep(Duration::from_secs(settings.attack_seconds)).await;
        let used = processor::used(beside.pid())?.saturating_sub(began.1);
        let cores = used.as_secs_f64() / began.0.elapsed().as_secs_f64();
        Ok::<_, ChaosError>((watch.stop(&system.gateway).await?, cores))
    });
    let (gateway, companion_cores) = meanwhile?;
    beside
        .wait(END + Duration::from_secs(OVERHANG_SECONDS))
        .await?;
    let tally = match companion {
        Companion::Spinner => Tally::default(),
        Companion::Attacker => read_tally(&directory.join(TALLY), &beside)?,
    };
    Ok(Run {
        crowd: crowd?,
        gateway,
        companion_cores,
        redis_growth: system.redis_memory().await?.saturating_sub(memory_before),
        tally,
    })
}

/// This program again, as the process beside the shoppers.
fn launch(
    companion: Companion,
    system: &System,
    settings: &Settings,
    directory: &Path,
) -> Result<Launch, ChaosError> {
    let program = env::current_exe().map_err(ChaosError::file("flashsale-overload"))?;
    let seconds = settings.attack_seconds + LEAD.as_secs() + OVERHANG_SECONDS;
    let launch = Launch::new("beside", program, directory.join("beside.log"));
    Ok(match companion {
        Companion::Spinner => launch.args(["spin", "--seconds", &seconds.to_string()]),
        Companion::Attacker => launch
            .args(["attack", "--seconds", &seconds.to_string()])
            .args(["--gateway", &system.gateway.address.to_string()])
            .args(["--source", &ATTACKER.to_string()])
            .args(["--sale", SALE, "--product", BAIT])
            .arg("--into")
            .arg(directory.join(TALLY)),
    })
}

fn read_tally(file: &Path, attacker: &Process) -> Result<Tally, ChaosError> {
    let text = fs::read_to_string(file).map_err(|_| {
        let log = attacker.log_tail();
        ChaosError::Wrong(format!("the attacker left no tally: {log}"))
    })?;
    files::parse_json(file, &text)
}

fn sources() -> String {
    let addresses = (1..=HONEST_ADDRESSES).map(|last| Ipv4Addr::new(127, 0, 1, last).to_string());
    addresses.collect::<Vec<_>>().join(",")
}
