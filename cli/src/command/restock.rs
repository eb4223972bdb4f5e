//! `flashsale restock`: units added or taken back while a sale runs.

use std::io::{self, Write as _};

use clap::Args;
use flashsale_domain::{
    id::{ProductId, SaleId},
    stock::{KnownStock, StockLevel},
};
use flashsale_ledger::Ledger;
use flashsale_queue::{connect::DedicatedConnection, keys::SaleKeys, stock};
use uuid::Uuid;

use super::{Outcome, ToolError};
use crate::connection::StoresArgs;

/// Add units to a product while its sale runs, or take back units that are not sold.
///
/// The ledger changes first, then Redis is told, so that the next buy finds the new stock. The
/// command says whether Redis took it over.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale restock --sale sneaker-drop --product sneaker-001 --by 50
  flashsale restock --sale sneaker-drop --product sneaker-001 --by -20
  flashsale restock --sale sneaker-drop --product sneaker-001 --by 50 \\
    --request-id 6f1c2a4e-8f0b-4c43-9a57-0d1f5b6f3a21

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags.

Exit status: 0 done, 1 done in the ledger but not taken over by Redis, 3 a server cannot be asked.
A command that was cut off is safely repeated with the same --request-id.")]
pub(super) struct Arguments {
    #[command(flatten)]
    stores: StoresArgs,
    /// The sale.
    #[arg(long)]
    sale: SaleId,
    /// The product.
    #[arg(long)]
    product: ProductId,
    /// Units to add; a negative number takes back, at most what is not sold.
    #[arg(long, value_name = "UNITS", allow_negative_numbers = true)]
    by: i32,
    /// Names this restock, so that repeating it changes nothing: any UUID. Without it, one is made,
    /// and shown if something fails.
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let Arguments {
        sale, product, by, ..
    } = arguments;
    let request = arguments.request_id.unwrap_or_else(Uuid::new_v4);
    // Both must answer before anything changes: a stock that Redis is not told of sells nothing.
    let (mut redis, ledger) = arguments.stores.connect().await?;
    let restocked = ledger.restock(sale, product, *by, Some(request)).await?;
    let (change, left) = (restocked.change, restocked.level.stock);
    let taken_over = tell(&ledger, &mut redis, sale, &restocked.level)
        .await
        .map_err(|source| ToolError::NotTold {
            what: format!("{product} of {sale}: {change:+} units, {left} left"),
            request,
            source: Box::new(source),
        })?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{product} of {sale}: {change:+} units, {left} left now; {}",
        taken_over.words()
    )?;
    if change != *by {
        writeln!(out, "less than asked for: what is sold is not taken back")?;
    }
    Ok(Outcome::holds_if(!matches!(
        taken_over,
        TakenOver::Refused(_)
    )))
}

/// What Redis made of a restock.
enum TakenOver {
    /// It has the figure, or a later one of this ledger.
    Done,
    /// Jobs of the batch before it are still in the lane; their acknowledgement tells the figure.
    WithTheNextBatch,
    /// The sale is not in force, so there is nothing to tell.
    NotInForce,
    /// It holds a figure that this ledger has forgotten: the ledger went back.
    Refused(KnownStock),
}

impl TakenOver {
    fn words(&self) -> String {
        match self {
            Self::Done => "Redis took it over".to_owned(),
            Self::WithTheNextBatch => {
                "Redis takes it over with the batch that is being acknowledged".to_owned()
            }
            Self::NotInForce => "the sale is not in force, so Redis was not told".to_owned(),
            Self::Refused(known) => {
                let kept = known.stock.map(|units| units.to_string());
                let kept = kept.unwrap_or_else(|| "an unknown number of".to_owned());
                format!(
                    "Redis did NOT take it over: it keeps {kept} units by a version that the ledger \
                     has forgotten. The ledger has lost commits; the operator or `flashsale up` \
                     corrects that within seconds, see FlashsaleLedgerWentBack in the runbook"
                )
            }
        }
    }
}

/// Tells Redis the product's stock as it is in the ledger now, which a repeated restock need not
/// have left.
async fn tell(
    ledger: &Ledger,
    redis: &mut DedicatedConnection,
    sale: &SaleId,
    restocked: &StockLevel,
) -> Result<TakenOver, ToolError> {
    let keys = SaleKeys::new(sale);
    let levels = ledger.stock(sale).await?;
    let mut levels = levels.into_iter();
    let level = levels.find(|level| level.product == restocked.product);
    let level = level.unwrap_or_else(|| restocked.clone());
    stock::update(redis, &keys, std::slice::from_ref(&level)).await?;
    let known = stock::read(redis, &keys).await?;
    let Some(known) = known.get(&level.product).copied() else {
        return Ok(TakenOver::NotInForce);
    };
    if known.version < level.version {
        return Ok(TakenOver::WithTheNextBatch);
    }
    // A later figure than that is of a batch since; the ledger then has it too.
    let now = ledger.stock(sale).await?;
    let now = now.iter().find(|now| now.product == level.product);
    let is_forgotten = now.is_some_and(|now| now.version < known.version);
    Ok(if is_forgotten {
        TakenOver::Refused(known)
    } else {
        TakenOver::Done
    })
}
