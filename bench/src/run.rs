//! A whole run: rounds, table, judgement. The short form is judged by a baseline, the other by the
//! targets.

use std::{fs, mem, process::ExitCode};

use clap::ValueEnum as _;
use flashsale_telemetry::shutdown;

use crate::{
    arguments::{Arguments, Command, Part, RunArguments},
    baseline::{self, Baseline, Verdict},
    error::{self, Result},
    limits::empty_route,
    load::wrk,
    machine::Machine,
    measurements::{
        acknowledgement, broadcast, confirmation, growth, memory,
        peer::{self, install::Installed},
        settlement, tls, tokens,
    },
    report,
    session::Session,
    targets::{Judgement, judge},
};

/// Status of a process ended by Ctrl-C, by the shells' convention.
const INTERRUPTED: u8 = 130;

/// Exit status when a target was missed and `--check` asked for it, or a ratio of the baseline fell.
const MISSED: u8 = 1;

/// The parts whose load is made by wrk.
const BY_WRK: [Part; 5] = [
    Part::Acknowledgements,
    Part::Tokens,
    Part::Tls,
    Part::Memory,
    Part::Growth,
];

/// Does what `arguments` say; answers the status to exit with.
pub(crate) async fn execute(arguments: Arguments) -> Result<ExitCode> {
    let interrupted = shutdown::on_signals().map_err(|error| {
        format!("could not listen to signals: {error}; check the limit of open files (ulimit -n)")
    })?;
    if let Some(Command::EmptyRoute { listen }) = arguments.command {
        empty_route::serve(listen, interrupted).await?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::select! {
        outcome = run(arguments.run) => outcome.map(ExitCode::from),
        // Dropping the run ends its servers and removes its files.
        () = interrupted.cancelled() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Measures what `arguments` ask for, prints the table, and answers the exit status.
async fn run(arguments: RunArguments) -> Result<u8> {
    if arguments.is_short() && cfg!(debug_assertions) {
        Err("a debug build says nothing about speed: build with --release")?;
    }
    if arguments.is_short() || BY_WRK.into_iter().any(|part| arguments.wants(part)) {
        wrk::check_installed()?;
    }
    // Before any time is spent.
    let baseline = arguments.baseline.as_deref().map(Baseline::read);
    let baseline = baseline.transpose()?;
    let peer = peer::install::prepare(&arguments).await?;
    let mut session = Session::start(arguments.clone()).await?;
    let mut machine = Machine::look(&session.stores).await?;
    session.tell(&machine.describe());
    for warning in machine.warnings() {
        session.tell(&format!("WARNING: {warning}"));
    }
    rounds(&mut session, peer.as_ref()).await?;
    let verdicts = match &baseline {
        Some(baseline) => hold(&mut session, baseline).await?,
        None => Vec::new(),
    };
    machine.others_used = session.others_used;
    let figures = session.stop().await?;
    let judgements = if arguments.is_short() {
        Vec::new()
    } else {
        judge(&figures)
    };
    let table = report::table(&machine, &figures, &judgements, arguments.rounds());
    print!("{table}{}", baseline::render(&verdicts));
    if let Some(file) = &arguments.json {
        let sizes = (arguments.jobs(), arguments.load_seconds());
        let text = report::json(&machine, &figures, &judgements, sizes)?;
        fs::write(file, text).map_err(error::file(file))?;
    }
    if let Some(file) = &arguments.write_baseline {
        Baseline::of(&figures)?.write(file)?;
    }
    let missed = arguments.check && !judgements.iter().all(Judgement::is_met);
    let failed = missed || baseline::any_fell(&verdicts);
    Ok(if failed { MISSED } else { 0 })
}

async fn rounds(session: &mut Session, peer: Option<&Installed>) -> Result<()> {
    let rounds = session.arguments.rounds();
    for number in 1..=rounds {
        let round = session.begin(number)?;
        if session.arguments.is_short() {
            short_round(session).await?;
        }
        for part in Part::value_variants() {
            if session.arguments.wants(*part) {
                measure(session, *part, peer).await?;
            }
        }
        if number == rounds && session.arguments.wants(Part::Growth) {
            growth::measure(session).await?;
        }
        session.end(&round)?;
    }
    Ok(())
}

/// The short form: what a baseline holds and nothing else, each beside its limit.
async fn short_round(session: &mut Session) -> Result<()> {
    settlement::load_rows(session).await?;
    settlement::default_batch(session).await?;
    let emptied = memory::fill_and_empty(session, session.arguments.jobs()).await?;
    session.record("redis-queued", emptied.queued_bytes)?;
    session.record("redis-settled", emptied.settled_bytes)?;
    acknowledgement::gateway_alone(session).await
}

async fn measure(session: &mut Session, part: Part, peer: Option<&Installed>) -> Result<()> {
    match part {
        Part::Settlement => settlement::round(session).await,
        Part::Acknowledgements => acknowledgement::round(session).await,
        Part::Tokens => tokens::round(session).await,
        Part::Tls => tls::round(session).await,
        Part::Memory => memory::round(session).await,
        Part::Confirmations => confirmation::round(session).await,
        Part::Sockets => broadcast::round(session).await,
        Part::Peer => match peer {
            Some(peer) => peer::round(session, peer).await,
            None => Ok(()),
        },
        // Once a run.
        Part::Growth => Ok(()),
    }
}

/// Judges what was measured, and measures once more where something fell.
async fn hold(session: &mut Session, baseline: &Baseline) -> Result<Vec<Verdict>> {
    let first = baseline.judge(&session.figures);
    if !baseline::any_fell(&first) {
        return Ok(first);
    }
    for fallen in first.iter().filter(|verdict| verdict.fell()) {
        let title = fallen.ratio.title;
        session.tell(&format!("{title} fell; all is measured once more"));
    }
    mem::take(&mut session.figures);
    rounds(session, None).await?;
    let second = baseline.judge(&session.figures);
    Ok(baseline::better_of(&first, &second))
}
