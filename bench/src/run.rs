//! A whole run: rounds, table, judgement.

use std::path::Path;

use crate::{
    acknowledgement,
    arguments::{Part, RunArguments},
    broadcast, confirmation,
    error::BenchError,
    growth,
    machine::Machine,
    memory, peer,
    report::{json, table},
    session::Session,
    settlement,
    targets::{Judgement, judge},
    tls, tokens, wrk,
};

/// Exit status when a target was missed and `--check` asked for it.
const MISSED: u8 = 1;

/// Measures what `arguments` ask for, prints the table, and answers the exit status.
pub async fn run(arguments: RunArguments) -> Result<u8, BenchError> {
    if [
        Part::Acknowledgements,
        Part::Tokens,
        Part::Tls,
        Part::Memory,
        Part::Growth,
    ]
    .into_iter()
    .any(|part| arguments.wants(part))
    {
        wrk::check_installed()?;
    }
    let peer = peer::install::prepare(&arguments).await?;
    let mut session = Session::start(arguments.clone()).await?;
    let mut machine = Machine::look(&session.stores).await?;
    session.tell(&machine.describe());
    for warning in machine.warnings() {
        session.tell(&format!("WARNING: {warning}"));
    }
    for number in 1..=arguments.rounds() {
        let round = session.begin(number)?;
        measure(&mut session, &arguments).await?;
        if let Some(peer) = &peer {
            peer::round(&mut session, peer).await?;
        }
        if number == arguments.rounds() && arguments.wants(Part::Growth) {
            growth::measure(&mut session).await?;
        }
        session.end(&round)?;
    }
    let Session {
        figures,
        stores,
        others_used,
        ..
    } = session;
    stores.stop().await?;
    machine.others_used = others_used;
    let judgements = judge(&figures);
    print!(
        "{}",
        table::render(&machine, &figures, &judgements, arguments.rounds())
    );
    if let Some(file) = &arguments.json {
        let sizes = (arguments.jobs(), arguments.load_seconds());
        write(file, &json::render(&machine, &figures, &judgements, sizes)?)?;
    }
    let missed = !judgements.iter().all(Judgement::is_met);
    Ok(if missed && arguments.check { MISSED } else { 0 })
}

async fn measure(session: &mut Session, arguments: &RunArguments) -> Result<(), BenchError> {
    if arguments.wants(Part::Settlement) {
        settlement::round(session).await?;
    }
    if arguments.wants(Part::Acknowledgements) {
        acknowledgement::round(session).await?;
    }
    if arguments.wants(Part::Tokens) {
        tokens::round(session).await?;
    }
    if arguments.wants(Part::Tls) {
        tls::round(session).await?;
    }
    if arguments.wants(Part::Memory) {
        memory::round(session).await?;
    }
    if arguments.wants(Part::Confirmations) {
        confirmation::round(session).await?;
    }
    if arguments.wants(Part::Sockets) {
        broadcast::round(session).await?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(file, text).map_err(BenchError::file(file))
}
