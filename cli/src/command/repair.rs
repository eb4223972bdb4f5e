//! `flashsale repair`: lost orders are made again after PostgreSQL went back.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

use clap::Args;
use flashsale_domain::id::{ProductId, SaleId};
use flashsale_ledger::{Claim, LedgerError, Repair};
use flashsale_recovery::{LostOrders, RecoveryError};
use flashsale_testbed::figures::grouped;

use super::{Outcome, ToolError};
use crate::{connection::StoresArgs, display::Display};

/// How often it is told how far the records are read.
const PROGRESS: Duration = Duration::from_secs(1);

/// Settle orders again that shoppers were told of and that PostgreSQL has lost.
///
/// For after a failover to a replica that lagged, a restore from a backup, or a database built anew
/// while Redis kept its data. Every buy that Redis says is confirmed is looked up in the ledger.
/// Those without an order get it again, with the number that the shopper was told where no other
/// order has it; each product in one transaction, so that no new buy comes in between. What cannot
/// be honoured, since the units are sold, is listed.
///
/// An order that is made again has the price that its product has now, which is not the one that the
/// shopper saw if it was edited in between.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale repair --sale sneaker-drop --dry-run
  flashsale repair --sale sneaker-drop
  flashsale restock --sale sneaker-drop --product sneaker-001 --by 3
  flashsale repair --sale sneaker-drop --close

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags.

Exit status: 0 every confirmed buy has its order, 1 some have none, 3 a server cannot be asked.
Repeating is safe.")]
pub(super) struct Arguments {
    #[command(flatten)]
    stores: StoresArgs,
    /// The sale.
    #[arg(long)]
    sale: SaleId,
    /// List what is missing and change nothing.
    #[arg(long, conflicts_with = "close")]
    dry_run: bool,
    /// End it although some buys cannot be honoured: their shoppers were told by other means. The
    /// sale then counts as repaired.
    #[arg(long)]
    close: bool,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let sale = &arguments.sale;
    let (mut redis, ledger) = arguments.stores.connect().await?;
    let mut progress = Progress::new();
    let lost =
        flashsale_recovery::lost_orders(&ledger, &mut redis, sale, |read| progress.tell(read))
            .await?;
    writeln!(
        io::stdout(),
        "{sale}: {} buys are told confirmed, {} of them without an order",
        grouped(lost.confirmed),
        lost.count()
    )?;
    if arguments.dry_run {
        list(&lost)?;
        return Ok(Outcome::holds_if(lost.count() == 0));
    }
    let mut unhonoured = 0;
    for (product, claims) in &lost.claims {
        match flashsale_recovery::settle_again(&ledger, &mut redis, sale, product, claims).await {
            Ok(repairs) => unhonoured += report(product, claims, &repairs)?,
            Err(RecoveryError::Ledger(LedgerError::UnknownProduct { .. })) => {
                unhonoured += claims.len();
                writeln!(
                    io::stdout(),
                    "{product}: the sale does not offer it, so {} orders cannot be made; declare \
                     the sale (apply its file again), then repeat",
                    claims.len()
                )?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if unhonoured == 0 || arguments.close {
        flashsale_recovery::clear_mark(&mut redis, sale).await?;
    }
    if unhonoured > 0 {
        let end = if arguments.close {
            "; the sale counts as repaired all the same"
        } else {
            ": add units with `flashsale restock` and repeat, or tell these shoppers and end it \
             with --close"
        };
        writeln!(io::stdout(), "{unhonoured} cannot be honoured{end}")?;
    }
    Ok(Outcome::holds_if(unhonoured == 0))
}

/// What is missing, one line an order.
fn list(lost: &LostOrders) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (product, claims) in &lost.claims {
        for claim in claims {
            writeln!(out, "{}", line(product, claim, "has no order"))?;
        }
    }
    Ok(())
}

/// What became of the claims of one product; answers how many cannot be honoured.
fn report(product: &ProductId, claims: &[Claim], repairs: &[Repair]) -> io::Result<usize> {
    let mut out = io::stdout().lock();
    let (mut made, mut unhonoured) = (0, 0);
    for (claim, repair) in claims.iter().zip(repairs) {
        let words = match repair {
            Repair::Made { order } if *order == claim.told => {
                made += 1;
                continue;
            }
            Repair::Made { order } => {
                made += 1;
                format!("has order {order} now, its number was given again")
            }
            Repair::Present { order } => format!("has order {order}"),
            Repair::NoUnit => {
                unhonoured += 1;
                "cannot be honoured: no unit is left".to_owned()
            }
            Repair::LimitReached => {
                unhonoured += 1;
                "cannot be honoured: the shopper has bought up to maxPerUser since".to_owned()
            }
        };
        writeln!(out, "{}", line(product, claim, &words))?;
    }
    writeln!(out, "{product}: {made} orders are made again")?;
    Ok(unhonoured)
}

fn line(product: &ProductId, claim: &Claim, words: &str) -> String {
    let Claim {
        job, user, told, ..
    } = claim;
    format!("{product}: job {job} of shopper {user}, told order {told}, {words}")
}

/// Says now and then how many records were read.
struct Progress {
    display: Display,
    told: Instant,
}

impl Progress {
    fn new() -> Self {
        Self {
            display: Display::new(),
            told: Instant::now(),
        }
    }

    fn tell(&mut self, read: u64) {
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let read = grouped(read);
            self.display
                .passing(format!("{read} confirmed buys compared with the ledger"));
        }
    }
}
