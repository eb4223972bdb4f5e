//! `flashsale crd`: what a cluster has to know of FlashSales.

use std::io::{self, Write as _};

use clap::Args;

use super::{Outcome, ToolError};

/// The committed definition, which a test of the operator keeps equal to its types.
const DEFINITION: &str = include_str!("../../../crds/flashsales.flashsale.dev.yaml");

/// Print the custom resource definition of FlashSales, for a Kubernetes cluster.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  flashsale crd | kubectl create -f -      the first time
  flashsale crd | kubectl replace -f -     to upgrade

The Helm chart does both by itself.")]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<Outcome, ToolError> {
    write!(io::stdout(), "{DEFINITION}")?;
    Ok(Outcome::Holds)
}
