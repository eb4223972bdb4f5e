//! Where orders are paid.

use std::path::PathBuf;

use clap::Args;

/// Where orders are paid.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Payments")]
pub struct PaymentConfig {
    /// File with payment providers by name (YAML), by which sales with `payment.provider` are paid; see
    /// docs/payments.md. It is read at the start. Without it, the shop sees to payments by itself.
    #[arg(long, value_name = "FILE")]
    pub payment_providers: Option<PathBuf>,
}
