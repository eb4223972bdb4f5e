//! `flashsale sales`: the sales in force and their lanes, or those whose FlashSale is gone.

mod orphans;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use flashsale_domain::{
    id::SaleId,
    lifecycle::{self, Announced, Phase, Readings},
    observation::{LaneObservation, SaleObservation},
    sale::Sale,
};
use flashsale_queue::{catalogue, observation};
use flashsale_testbed::figures::grouped;
use jiff::Timestamp;

use super::{Outcome, ToolError};
use crate::{
    connection::{OptionalLedgerArgs, RedisArgs},
    reach,
};

/// List the sales in force: phase, stock, waiting jobs and drivers of each lane, dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale sales --redis-url redis://127.0.0.1:6379/
  kubectl get flashsales -A -o json | flashsale sales --orphans -

A lane is the queue of one product; its driver is the worker that settles it.
How many orders wait for their payment is told by the operator or `flashsale up`. Where neither
looks after the sale, a database URL lets this command count them itself.")]
pub(super) struct Arguments {
    #[command(flatten)]
    redis: RedisArgs,
    #[command(flatten)]
    ledger: OptionalLedgerArgs,
    /// List only what no FlashSale of FILE owns: sales in Redis and, with a database URL, products
    /// in PostgreSQL. FILE is what `kubectl get flashsales -A -o json` prints; - is standard input.
    /// Exit status 1 when there are any; `flashsale withdraw` frees them.
    #[arg(long, value_name = "FILE")]
    orphans: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    if let Some(file) = &arguments.orphans {
        return orphans::run(file, &arguments.redis, &arguments.ledger).await;
    }
    let mut redis = arguments.redis.connect().await?;
    let announced = catalogue::read_all(&mut redis).await?.announced;
    let sales: Vec<&Sale> = announced.iter().map(|announced| &announced.sale).collect();
    let mut observations = observation::observe(&mut redis, &sales).await?;
    ask_ledger(&arguments.ledger, &mut observations).await?;
    let now = reach::redis_clock(&mut redis).await?;
    let mut out = io::stdout().lock();
    if announced.is_empty() {
        writeln!(out, "no sale is in force")?;
    }
    for (announced, observation) in announced.iter().zip(&observations) {
        print(&mut out, announced, observation, now)?;
    }
    Ok(Outcome::Holds)
}

/// Asks the ledger, where its address is given, how many orders wait for their payment in sales of which nobody
/// told Redis.
async fn ask_ledger(
    ledger: &OptionalLedgerArgs,
    observations: &mut [SaleObservation],
) -> Result<(), ToolError> {
    let untold = observations.iter_mut();
    let untold: Vec<&mut SaleObservation> = untold.filter(|sale| sale.pending.is_none()).collect();
    if untold.is_empty() {
        return Ok(());
    }
    let Some(ledger) = ledger.connect().await? else {
        return Ok(());
    };
    let ids: Vec<SaleId> = untold.iter().map(|sale| sale.sale.clone()).collect();
    let stocks = ledger.stocks(&ids).await?;
    for sale in untold {
        let stock = stocks.get(&sale.sale);
        sale.pending = stock.and_then(|stock| u64::try_from(stock.pending).ok());
    }
    Ok(())
}

fn print(
    out: &mut impl Write,
    announced: &Announced,
    observation: &SaleObservation,
    now: Timestamp,
) -> io::Result<()> {
    let sale = &announced.sale;
    let readings = Readings {
        queue_depth: Some(observation.depth()),
        remaining: observation.remaining(),
        pending: observation.pending,
    };
    let phase = lifecycle::phase(sale.schedule, announced.switches(), readings, now);
    let phase = match (phase, observation.pending) {
        (Phase::Settling, None) => "Settling or Closed",
        (phase, _) => phase.as_str(),
    };
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    write!(
        out,
        "{}  {phase}  opens {}  closes {}  dead letters {}",
        console::style(&sale.id).bold(),
        time(sale.schedule.opens_at),
        time(sale.schedule.closes_at),
        grouped(observation.dead)
    )?;
    if sale.payment.is_some() {
        let pending = observation.pending;
        let pending = pending.map_or_else(|| "unknown".to_owned(), grouped);
        write!(out, "  unpaid orders {pending}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "  {:<24} {:>10} {:>10} {:>10}  driver",
        "product", "stock", "waiting", "settled"
    )?;
    observation
        .lanes
        .iter()
        .try_for_each(|lane| print_lane(out, lane))
}

fn print_lane(out: &mut impl Write, lane: &LaneObservation) -> io::Result<()> {
    let stock = lane.stock.stock.and_then(|stock| u64::try_from(stock).ok());
    writeln!(
        out,
        "  {:<24} {:>10} {:>10} {:>10}  {}",
        lane.product.as_str(),
        stock.map_or_else(|| "unknown".to_owned(), grouped),
        grouped(lane.depth),
        grouped(lane.stock.settled),
        lane.driver.as_deref().unwrap_or("-")
    )
}
