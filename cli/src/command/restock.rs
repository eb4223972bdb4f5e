//! `flashsale restock`: units added or taken back while a sale runs.

use std::io::{self, Write as _};

use clap::Args;
use flashsale_core::{
    id::{ProductId, SaleId},
    keys::SaleKeys,
    stock,
};

use super::{
    CommandError, Outcome,
    connection::{LedgerArgs, RedisArgs},
};

/// Add units to a product while its sale runs, or take back units that are not sold.
///
/// The ledger changes first, then Redis is told, so that the next buy finds the new stock.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale restock --sale sneaker-drop --product sneaker-001 --by 50
  flashsale restock --sale sneaker-drop --product sneaker-001 --by -20

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags.")]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    redis: RedisArgs,
    /// The sale.
    #[arg(long)]
    sale: SaleId,
    /// The product.
    #[arg(long)]
    product: ProductId,
    /// Units to add; a negative number takes back, at most what is not sold.
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    by: i32,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, CommandError> {
    let Arguments {
        sale, product, by, ..
    } = arguments;
    // Both must answer before anything changes: a stock that Redis is not told of sells nothing.
    let mut redis = arguments.redis.connect().await?;
    let ledger = arguments.ledger.connect().await?;
    let restocked = ledger.restock(sale, product, *by, None).await?;
    let keys = SaleKeys::new(sale);
    stock::publish(&mut redis, &keys, std::slice::from_ref(&restocked.level)).await?;
    writeln!(
        io::stdout(),
        "{product} of {sale}: {:+} units, {} left now",
        restocked.change,
        restocked.level.stock
    )?;
    if restocked.change != *by {
        writeln!(
            io::stdout(),
            "less than asked for: what is sold is not taken back"
        )?;
    }
    Ok(Outcome::Holds)
}
