//! `flashsale migrate`: the schema of the ledger.

use std::io::{self, Write as _};

use clap::Args;
use flashsale_core::ledger::Widened;

use super::{CommandError, Outcome, connection::LedgerArgs};

/// Bring the schema of the PostgreSQL database up to date. Harmless to repeat, and to run from
/// several places at once. Sales go on meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale migrate --database-url 'postgres://flashsale:secret@db.example.com/flashsale?sslmode=require'
  flashsale migrate --widen-orders

With FLASHSALE_DATABASE_URL in the environment the password does not show in `ps`.")]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Give order ids 64 bits afterwards, so that they never run out. Only when no process of the
    /// release before this one is left: those read 32 bits. Sales go on meanwhile; a run that was
    /// broken off is simply started again.
    #[arg(long)]
    widen_orders: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, CommandError> {
    let ledger = arguments.ledger.connect().await?;
    ledger.migrate().await?;
    writeln!(io::stdout(), "the schema is up to date")?;
    if arguments.widen_orders {
        match ledger.widen_orders().await? {
            Widened::Before => writeln!(io::stdout(), "order ids had 64 bits already")?,
            Widened::Now(copied) => {
                writeln!(
                    io::stdout(),
                    "order ids have 64 bits, {copied} orders copied"
                )?;
            }
        }
    }
    Ok(Outcome::Holds)
}
