//! `flashsale schema`: the JSON schema of FlashSale files.

use std::io::{self, Write as _};

use clap::Args;

use super::{Outcome, ToolError};
use crate::manifest;

/// Print the JSON schema of FlashSale files, for editors and other checkers.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  flashsale schema > flashsale.schema.json

In VS Code (YAML extension) the first line of a manifest then reads:
  # yaml-language-server: $schema=flashsale.schema.json")]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<Outcome, ToolError> {
    writeln!(io::stdout(), "{}", manifest::schema_text()?)?;
    Ok(Outcome::Holds)
}
