//! `flashsale withdraw`: frees what a sale without a FlashSale still holds.

use std::io::{self, Write as _};

use clap::Args;
use flashsale_domain::id::SaleId;
use flashsale_queue::{catalogue, observation};
use flashsale_testbed::figures::grouped;

use super::{Outcome, ToolError};
use crate::connection::StoresArgs;

/// Close a sale that has no FlashSale any more, and free its keys and its products.
///
/// For what the operator had to leave behind (event `LeftBehind`), or what lost its object by force.
/// Intake is closed first. While buys wait, or orders wait for their payment, nothing is freed: start a worker
/// for the sale, or give them up. Orders stay. Not for a sale whose FlashSale is there: delete that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl get flashsales -A -o json | flashsale sales --orphans -
  flashsale withdraw shop.drop
  flashsale withdraw shop.drop --abandon-queue

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags.

Exit status: 0 all is freed, 1 buys or orders still wait, 3 a server cannot be asked. Repeating is safe.")]
pub(super) struct Arguments {
    #[command(flatten)]
    stores: StoresArgs,
    /// The sale: NAMESPACE.NAME of the FlashSale that it had.
    sale: SaleId,
    /// Give up buys that wait: their shoppers never get an answer. Orders that wait for their payment stay
    /// pending until another sale with payment offers the products.
    #[arg(long)]
    abandon_queue: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let sale = &arguments.sale;
    let (mut redis, ledger) = arguments.stores.connect().await?;
    catalogue::close(&mut redis, sale).await?;
    let mut waiting = 0;
    if let Some(announced) = catalogue::read(&mut redis, sale).await? {
        let lanes = observation::observe(&mut redis, &[&announced.sale]).await?;
        waiting = lanes
            .iter()
            .map(flashsale_domain::observation::SaleObservation::depth)
            .sum();
    }
    let stocks = ledger.stocks(std::slice::from_ref(sale)).await?;
    let pending = stocks.get(sale).map_or(0, |stock| stock.pending);
    if waiting == 0 && pending > 0 && !arguments.abandon_queue {
        writeln!(
            io::stdout(),
            "{sale}: closed, and {pending} orders wait for their payment; start a worker for the sale and \
             repeat when their time is over, or leave them with --abandon-queue"
        )?;
        return Ok(Outcome::Broken);
    }
    if waiting > 0 && !arguments.abandon_queue {
        writeln!(
            io::stdout(),
            "{sale}: closed, and {} buys wait; start a worker for the sale and repeat, or give them \
             up with --abandon-queue",
            grouped(waiting)
        )?;
        return Ok(Outcome::Broken);
    }
    catalogue::withdraw(&mut redis, sale).await?;
    ledger.release(sale).await?;
    writeln!(
        io::stdout(),
        "{sale}: its keys and products are free; {} buys were given up",
        grouped(waiting)
    )?;
    Ok(Outcome::Holds)
}
