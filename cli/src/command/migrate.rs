//! `flashsale migrate`: the schema of the ledger.

use std::io::{self, Write as _};

use clap::Args;

use super::{CommandError, Outcome, connection::LedgerArgs};

/// Bring the schema of the PostgreSQL database up to date. Harmless to repeat, and to run from
/// several places at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  flashsale migrate --database-url 'postgres://flashsale:secret@db.example.com/flashsale?sslmode=require'

With FLASHSALE_DATABASE_URL in the environment the password does not show in `ps`.")]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: LedgerArgs,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, CommandError> {
    arguments.ledger.connect().await?.migrate().await?;
    writeln!(io::stdout(), "the schema is up to date")?;
    Ok(Outcome::Holds)
}
