//! `flashsale report`: what came of a sale.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use flashsale_domain::id::SaleId;
use flashsale_queue::{answers, catalogue};
use flashsale_report::{SaleReport, Sources};
use jiff::Timestamp;
use serde::Serialize;

use super::{Outcome, ToolError};
use crate::{connection::StoresArgs, laws::Law};

/// How long PostgreSQL may count the orders of a sale: a million take a few seconds.
const LEDGER_LIMIT: Duration = Duration::from_mins(5);

/// Tell what came of a sale: asked, refused by reason, queued, confirmed, paid, expired, refunded.
///
/// With times, money, the order of arrival and the laws, per product and in total. Reads only, and may run while the
/// sale does, or after it was withdrawn. Orders are counted in PostgreSQL. What gateways answered is counted in Redis
/// until the sale is withdrawn, and is "unknown" from then on, so keep a report before that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale report sneaker-drop
  flashsale report sneaker-drop --output sneaker-drop.md
  flashsale report sneaker-drop --json | jq .total.orders
  flashsale report sneaker-drop --incarnation 1

The addresses come from FLASHSALE_DATABASE_URL and FLASHSALE_REDIS_URL, or from the flags. The fields
of the JSON are described in docs/report.md.

Exit status: 0 all laws that can be judged hold, 1 one is broken, 3 a server cannot be asked, or
neither knows the sale.")]
pub(super) struct Arguments {
    #[command(flatten)]
    stores: StoresArgs,
    /// The sale, in Kubernetes NAMESPACE.NAME.
    sale: SaleId,
    /// Report the sale of this name that was declared as the Nth, counted from 1, and not the
    /// present or last one. The laws and what gateways answered are of the present one alone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    incarnation: Option<i32>,
    /// Print JSON for programs instead of Markdown.
    #[arg(long)]
    json: bool,
    /// Write to FILE, which is replaced, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A report with the laws, which only the owner of the tables can judge.
#[derive(Debug, Serialize)]
struct WithLaws {
    #[serde(flatten)]
    report: SaleReport,
    laws: Vec<Law>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    let Arguments {
        sale, incarnation, ..
    } = arguments;
    let (mut redis, ledger) = arguments.stores.connect().await?;
    let products = ledger.sale_report(sale, *incarnation, LEDGER_LIMIT).await?;
    let announced = catalogue::read(&mut redis, sale).await?;
    let answers = answers::read(&mut redis, sale).await?;
    if products.is_empty() && (incarnation.is_some() || announced.is_none() && answers.is_none()) {
        let known = flashsale_audit::sales(&ledger, &mut redis).await?.sales;
        return Err(match incarnation {
            Some(number) if known.contains(sale) => ToolError::UnknownIncarnation {
                sale: sale.clone(),
                number: *number,
            },
            _ => ToolError::unknown_sale(sale.clone(), &known),
        });
    }
    // An earlier sale of the name had answers, a schedule and a currency of its own.
    let is_present = incarnation.is_none() || products.iter().any(|product| product.is_on);
    let answers = if is_present {
        Ok(answers)
    } else {
        Err("What gateways answered is kept for the present sale of this name alone.".to_owned())
    };
    let announced = announced.filter(|_| is_present);
    let report = SaleReport::new(Sources {
        sale,
        at: Timestamp::now(),
        declared: announced.as_ref().map(|announced| &announced.sale),
        answers,
        products: &products,
    });
    let audit = flashsale_audit::audit(&ledger, &mut redis, sale).await?;
    let holds = audit.holds();
    let laws = Law::of(&audit);
    let text = if arguments.json {
        serde_json::to_string_pretty(&WithLaws { report, laws })? + "\n"
    } else {
        report.to_markdown() + &Law::to_markdown(&laws)
    };
    match &arguments.output {
        Some(file) => std::fs::write(file, text).map_err(|source| ToolError::Write {
            file: file.clone(),
            source,
        })?,
        None => io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Outcome::holds_if(holds))
}
