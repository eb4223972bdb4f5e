//! `flashsale check`: do the laws hold on what a load sent and heard?

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use flashsale_domain::id::SaleId;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Outcome, ToolError};
use crate::{
    check::{circumstances::Circumstances, facts::Facts, judge::judge, report, snapshot},
    connection::StoresArgs,
    display::Display,
    history::{Ending, HistoryReader},
};

/// Lines between two looks at the progress.
const PROGRESS_EVERY: u64 = 4_096;

/// How often the terminal is redrawn while nothing is counted.
const TICK: Duration = Duration::from_millis(200);

/// Judge laws 1 to 8 and the order of arrival on histories of a load and on both stores.
///
/// A history (`flashsale load --history FILE`) has every request, answer, event and poll with its
/// times. It is compared with the orders, products and rejections of PostgreSQL and the records,
/// lanes and dead letters of Redis. Reads only. Run it when the lanes are empty, or with
/// --running.
///
/// Where a store lost data, say so: buys that went with it are then listed by name under "lost with
/// the store". Without it they are violations. An oversell, a second order for a key, and two
/// outcomes of one job are violations whatever was lost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale load --url http://127.0.0.1:8080 --crowd 5000 --history run.jsonl
  flashsale check run.jsonl
  flashsale check run-1.jsonl run-2.jsonl --json | jq .violationsByLaw
  flashsale check run.jsonl --redis-lost
      Redis may have lost anything at any time
  flashsale check run.jsonl --redis-lost=2026-12-01T10:00:07Z
      Redis was flushed at that time: whatever it held is gone, and nothing after
  flashsale check run.jsonl --ledger-lost=2026-12-01T10:00:05Z..2026-12-01T10:00:07Z
      a replica was promoted that lacked the commits of two seconds

docs/history.md has the format and what is concluded from it.

Exit status: 0 every law holds, 1 one is broken, 2 the command line is wrong, 3 a store cannot be
asked or a file cannot be read.")]
pub(super) struct Arguments {
    /// Histories of one run of the same stores.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    stores: StoresArgs,

    #[command(flatten)]
    circumstances: Circumstances,

    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<Outcome, ToolError> {
    let display = Display::new();
    let mut facts = Facts::default();
    for file in &arguments.files {
        read(file, &mut facts, &display)?;
    }
    for (file, ending) in facts.endings() {
        if let Some(words) = unusual(ending) {
            display.passing(format!("{file} {words}"));
        }
    }
    let sales = sales(&facts)?;
    // Only now, so that everything in the histories is older than what the stores say.
    let (mut redis, ledger) = arguments.stores.connect().await?;
    let spinner = display
        .moves()
        .then(|| display.add(ProgressBar::new_spinner()));
    if let Some(spinner) = &spinner {
        spinner.enable_steady_tick(TICK);
    }
    let tell = |what: String| {
        if let Some(spinner) = &spinner {
            spinner.set_message(what);
        }
    };
    let stores = snapshot::read(&ledger, &mut redis, &sales, &tell).await?;
    tell("judging".to_owned());
    let verdict = judge(&facts, &stores, &arguments.circumstances);
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        let json = report::json(&verdict);
        writeln!(out, "{}", serde_json::to_string_pretty(&json)?)?;
    } else {
        let line = console::style(report::headline(&verdict)).bold();
        let line = if verdict.is_clean() {
            line.green()
        } else {
            line.red()
        };
        writeln!(out, "{}{line}", report::words(&verdict))?;
    }
    Ok(Outcome::holds_if(verdict.is_clean()))
}

fn unusual(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Complete => None,
        Ending::Open => Some("has no last line: the load was killed, or still runs"),
        Ending::Truncated => Some("ends within a line, which is left out: the load was killed"),
    }
}

/// Folds a file in, with its progress.
fn read(file: &Path, facts: &mut Facts, display: &Display) -> Result<(), ToolError> {
    let name = file.display().to_string();
    let mut reader = HistoryReader::open(file)?;
    let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    let bar = display.moves().then(|| display.add(bar(size, &name)));
    facts.begin(&name);
    let mut lines = 0_u64;
    while let Some(line) = reader.next_line()? {
        facts.add(line);
        lines += 1;
        if let (Some(bar), 0) = (&bar, lines % PROGRESS_EVERY) {
            bar.set_position(reader.bytes());
        }
    }
    facts.end(reader.ending());
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(())
}

fn bar(size: u64, name: &str) -> ProgressBar {
    let bar = ProgressBar::new(size);
    // The template is constant; were it malformed, the plain style would do.
    if let Ok(style) =
        ProgressStyle::with_template("  {bar:40.cyan/blue} {bytes}/{total_bytes}  {msg}")
    {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

/// The sales of the histories; a name that is none of ours cannot be in the stores.
fn sales(facts: &Facts) -> Result<Vec<(SaleId, Vec<String>)>, ToolError> {
    let sales = facts.sales().into_iter().map(|(name, products)| {
        let sale = SaleId::new(name.as_str());
        let sale = sale.map_err(|source| ToolError::Name { name, source })?;
        Ok((sale, products))
    });
    sales.collect()
}
