//! A run of the short form: rounds, judgement, and once more where something fell.

use std::mem;

use crate::{
    arguments::RunArguments, error::BenchError, figures::Figures, machine::Machine, report::table,
    session::Session, wrk,
};

use super::{
    Baseline, BaselineError, short,
    verdict::{Verdict, any_fell, better_of, render},
};

/// Exit status when a ratio fell.
const FELL: u8 = 1;

/// Measures in short, prints the table, holds it against the baseline or writes a new one, as
/// `arguments` say, and answers the exit status.
pub async fn run(arguments: RunArguments) -> Result<u8, BenchError> {
    if cfg!(debug_assertions) {
        Err(BaselineError::DebugBuild)?;
    }
    wrk::check_installed()?;
    // Before any time is spent.
    let baseline = match &arguments.baseline {
        Some(file) => Some(Baseline::read(file)?),
        None => None,
    };
    let mut session = Session::start(arguments.clone()).await?;
    let mut machine = Machine::look(&session.stores).await?;
    rounds(&mut session).await?;
    let verdicts = match &baseline {
        Some(baseline) => judge(&mut session, baseline).await?,
        None => Vec::new(),
    };
    let Session {
        figures,
        stores,
        others_used,
        ..
    } = session;
    stores.stop().await?;
    machine.others_used = others_used;
    print!(
        "{}",
        told(&machine, &figures, &verdicts, arguments.rounds())
    );
    if let Some(file) = &arguments.write_baseline {
        Baseline::of(&figures)?.write(file)?;
    }
    Ok(if any_fell(&verdicts) { FELL } else { 0 })
}

async fn rounds(session: &mut Session) -> Result<(), BenchError> {
    for number in 1..=session.arguments.rounds() {
        let round = session.begin(number)?;
        short::round(session).await?;
        session.end(&round)?;
    }
    Ok(())
}

async fn judge(session: &mut Session, baseline: &Baseline) -> Result<Vec<Verdict>, BenchError> {
    let first = baseline.judge(&session.figures);
    if !any_fell(&first) {
        return Ok(first);
    }
    for fallen in first.iter().filter(|verdict| verdict.fell()) {
        session.tell(&format!("{} fell; all is measured once more", fallen.ratio));
    }
    mem::take(&mut session.figures);
    rounds(session).await?;
    Ok(better_of(&first, &baseline.judge(&session.figures)))
}

fn told(machine: &Machine, figures: &Figures, verdicts: &[Verdict], rounds: u32) -> String {
    let mut text = table::render(machine, figures, &[], rounds);
    if !verdicts.is_empty() {
        text += &render(verdicts);
    }
    text
}
