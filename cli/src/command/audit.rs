//! `flashsale audit`: do the laws hold?

use std::io::{self, Write as _};

use clap::Args;
use flashsale_audit::{KnownSales, SaleAudit};
use flashsale_domain::id::SaleId;

use super::{Outcome, ToolError};
use crate::{
    audit_report::{details, headline},
    connection::StoresArgs,
};

/// Check from PostgreSQL and Redis that nothing is oversold, lost, duplicated or paid without an order.
///
/// Reads only, and may run while a sale does. Every law is told with the numbers behind it and
/// the rows that break it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale audit --sale sneaker-drop
  flashsale audit --json | jq .holds

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags.

Exit status: 0 all laws hold, 1 one is broken, 3 a server cannot be asked.")]
pub(super) struct Arguments {
    #[command(flatten)]
    stores: StoresArgs,
    /// The sale; may be given several times. Without it: every sale that Redis or the ledger
    /// knows.
    #[arg(long = "sale", value_name = "SALE")]
    sales: Vec<SaleId>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let (mut redis, ledger) = arguments.stores.connect().await?;
    let KnownSales { sales, invalid } = if arguments.sales.is_empty() {
        flashsale_audit::sales(&ledger, &mut redis).await?
    } else {
        KnownSales {
            sales: arguments.sales.clone(),
            invalid: Vec::new(),
        }
    };
    let mut audits = Vec::with_capacity(sales.len());
    for sale in &sales {
        audits.push(flashsale_audit::audit(&ledger, &mut redis, sale).await?);
    }
    let holds = audits.iter().all(SaleAudit::holds) && invalid.is_empty();
    let mut out = io::stdout().lock();
    if arguments.json {
        let result = serde_json::json!({"holds": holds, "sales": audits, "invalidNames": invalid});
        writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?;
        return Ok(Outcome::holds_if(holds));
    }
    if audits.is_empty() && invalid.is_empty() {
        writeln!(
            out,
            "there is no sale: neither Redis nor the ledger knows one"
        )?;
    }
    for audit in &audits {
        write!(out, "{}", details(audit))?;
    }
    for name in &invalid {
        writeln!(
            out,
            "a store knows a sale {name:?}, which is no name of a sale: it was not audited"
        )?;
    }
    let line = console::style(headline(&audits)).bold();
    writeln!(out, "{}", if holds { line.green() } else { line.red() })?;
    Ok(Outcome::holds_if(holds))
}
