//! `flashsale sales`: the sales in force and their lanes, or those whose FlashSale is gone.

mod orphans;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use flashsale_domain::{
    lifecycle::{self, Announced, Readings},
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

A lane is the queue of one product; its driver is the worker that settles it.")]
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
    let observations = observation::observe(&mut redis, &sales).await?;
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
        // Redis does not know how many wait for their payment: such a sale stays Settling here.
        pending: sale.payment.is_none().then_some(0),
    };
    let phase = lifecycle::phase(sale.schedule, announced.switches(), readings, now);
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    writeln!(
        out,
        "{}  {}  opens {}  closes {}  dead letters {}",
        console::style(&sale.id).bold(),
        phase.as_str(),
        time(sale.schedule.opens_at),
        time(sale.schedule.closes_at),
        grouped(observation.dead)
    )?;
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
