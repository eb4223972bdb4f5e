//! `flashsale validate`: every mistake at once.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;
use flashsale_domain::sale::Sale;

use super::{Outcome, ToolError};
use crate::manifest::{self, Declared};

/// Check FlashSale files: every mistake with its place, its path and what to write instead.
///
/// A file may hold several documents (`---` between them); `-` is standard input. Names and
/// products that two sales claim are mistakes too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale validate examples/*.yaml
  envsubst < sale.yaml | flashsale validate -

Exit status: 0 all valid, 1 there are mistakes, 3 a file cannot be read.")]
pub(super) struct Arguments {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let reading = manifest::read_files(&arguments.files)?;
    let mut out = io::stdout().lock();
    for declared in &reading.declared {
        writeln!(out, "{}", describe(declared))?;
    }
    for problem in &reading.problems {
        writeln!(out, "{}", console::style(problem).red())?;
    }
    let count = reading.problems.len();
    if count > 0 {
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        writeln!(out, "{count} {mistakes}")?;
    }
    Ok(Outcome::holds_if(count == 0))
}

fn describe(declared: &Declared) -> String {
    let Declared { file, place, sale } = declared;
    format!("{file}:{}: {}", place.line, summary(sale))
}

/// One line on a sale, e.g. `sale sneaker-drop is valid: 1 product, 500 units, open at once`.
fn summary(sale: &Sale) -> String {
    let units: i64 = sale.products.iter().map(|p| i64::from(p.stock)).sum();
    let products = match sale.products.len() {
        1 => "1 product".to_owned(),
        count => format!("{count} products"),
    };
    let opens = match sale.schedule.opens_at {
        Some(at) => format!("opens at {at}"),
        None => "open at once".to_owned(),
    };
    let closes = match sale.schedule.closes_at {
        Some(at) => format!(", closes at {at}"),
        None => String::new(),
    };
    format!(
        "sale {} is valid: {products}, {units} units, {opens}{closes}",
        sale.id
    )
}
