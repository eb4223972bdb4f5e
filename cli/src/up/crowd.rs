//! The crowd at the opening, and what came of it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use flashsale_audit::SaleAudit;
use flashsale_domain::id::{ProductId, SaleId};
use flashsale_queue::connect;
use flashsale_testbed::figures::grouped;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Machine, ToolError, opening, payment};
use crate::{
    audit_report::{details, headline},
    crowd::CrowdArgs,
    display::Display,
    load::{
        LoadError,
        book::Book,
        crowd::{Crowd, Offer},
        engine::Engine,
        events::EventReader,
        passes::Passes,
        report::Report,
        target::Target,
        verify::Verifier,
    },
    progress::Progress,
};

/// The first shoppers press this long after the opening: nobody's clock is exact to less.
const AFTER_OPENING: Duration = Duration::from_millis(2);

/// Counts down, sends the crowd, prints the table and the audit. Answers whether the laws hold;
/// interrupted by `stop`, only what was to be done before the end is left undone.
pub(super) async fn send(
    machine: &Machine,
    display: &Display,
    stop: &CancellationToken,
) -> Result<bool, ToolError> {
    let Some(shoppers) = machine.config.crowd else {
        return Ok(true);
    };
    let shape = &machine.config.shape;
    let mut queue = machine.queue.clone();
    let crowd = Arc::new(draw(machine, shoppers).await?);
    let (shoppers, units) = (crowd.shoppers(), units(machine).await?);
    opening::tell(&machine.sales, display);
    let passes = tokio::select! {
        passes = passes(machine, shape, &crowd, display) => passes?,
        () = stop.cancelled() => return Ok(!machine.config.exit_when_done),
    };
    // Now, where getting passes took until after it.
    let opening = opening::instant(&machine.sales, &mut queue).await?;
    let book = Book::new(crowd, opening + AFTER_OPENING).map_err(LoadError::from)?;
    let book = Arc::new(book);
    let payers = payment::payers(machine, &targets(machine)?);
    let events = EventReader::start(machine.queue.clone(), Arc::clone(&book), payers.clone())
        .await
        .map_err(LoadError::Events)?;
    tokio::select! {
        () = opening::count_down(opening, display) => {}
        () = stop.cancelled() => return Ok(!machine.config.exit_when_done),
    }
    let shoppers = grouped(u64::try_from(shoppers).unwrap_or(u64::MAX));
    display.line(format!(
        "crowd       {shoppers} shoppers want {} units",
        grouped(units)
    ));
    let report = press(machine, shape, passes, &book, display, stop).await?;
    display.line(format!("\n{report}"));
    let mut have_ended = true;
    if let Some(payers) = &payers {
        have_ended = payment::finish(machine, payers, display, stop).await?;
    }
    drop(events);
    if stop.is_cancelled() {
        display.line("interrupted before the crowd was through; the laws were not audited");
        return Ok(!machine.config.exit_when_done);
    }
    Ok(judge(machine, &report, display).await? && have_ended)
}

/// Prints the audit, and answers whether it and the report hold.
async fn judge(machine: &Machine, report: &Report, display: &Display) -> Result<bool, ToolError> {
    let audits = audit(machine).await?;
    let holds = report.holds() && audits.iter().all(SaleAudit::holds);
    for audit in &audits {
        display.line(details(audit).trim_end());
    }
    let mut line = headline(&audits);
    if !report.holds() {
        line = format!("{line} · acknowledged buys without exactly one outcome, see above");
    }
    let line = console::style(line).bold();
    display.line(if holds { line.green() } else { line.red() }.to_string());
    Ok(holds)
}

/// What shoppers want: by what is left, or all alike.
async fn draw(machine: &Machine, shoppers: u32) -> Result<Crowd, ToolError> {
    let shape = &machine.config.shape;
    let mut plan = shape.plan(shape.opening(shoppers), Vec::new());
    for sale in &machine.sales {
        let levels = machine.ledger.stock(&sale.id).await?;
        let left: HashMap<&ProductId, i32> = levels
            .iter()
            .map(|level| (&level.product, level.stock))
            .collect();
        plan.offers.extend(sale.products.iter().map(|product| {
            Offer {
                sale: sale.id.clone(),
                product: product.id.clone(),
                weight: left
                    .get(&product.id)
                    .and_then(|stock| u64::try_from(*stock).ok())
                    .unwrap_or(0),
            }
        }));
    }
    if shape.is_uniform() || plan.offers.iter().all(|offer| offer.weight == 0) {
        for offer in &mut plan.offers {
            offer.weight = 1;
        }
    }
    Ok(Crowd::draw(&plan)?)
}

/// Units on offer.
async fn units(machine: &Machine) -> Result<u64, ToolError> {
    let mut units = 0;
    for sale in &machine.sales {
        let levels = machine.ledger.stock(&sale.id).await?;
        units += levels
            .iter()
            .filter_map(|level| u64::try_from(level.stock).ok())
            .sum::<u64>();
    }
    Ok(units)
}

/// Gets the passes that sales ask for, of the first gateway: all gateways take them.
async fn passes(
    machine: &Machine,
    shape: &CrowdArgs,
    crowd: &Arc<Crowd>,
    display: &Display,
) -> Result<Option<Arc<Passes>>, ToolError> {
    let guarded = machine
        .sales
        .iter()
        .filter(|sale| sale.turnstile.pass_required);
    let guarded: HashSet<SaleId> = guarded.map(|sale| sale.id.clone()).collect();
    let targets = targets(machine)?;
    let Some(first) = targets.first().filter(|_| !guarded.is_empty()) else {
        return Ok(None);
    };
    let begun = Instant::now();
    let passes = Passes::get(crowd, first, guarded, None, shape.connections()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    display.line(format!("passes      got by the crowd in {seconds:.1} s"));
    Ok(passes)
}

/// The gateways, as the crowd reaches them.
fn targets(machine: &Machine) -> Result<Vec<Target>, ToolError> {
    let targets = machine.gateways.iter();
    let targets = targets.map(|address| Target::parse(&format!("http://{address}")));
    Ok(targets.collect::<Result<_, _>>().map_err(LoadError::from)?)
}

/// The crowd itself, until each acknowledged buy has its outcome.
async fn press(
    machine: &Machine,
    shape: &CrowdArgs,
    passes: Option<Arc<Passes>>,
    book: &Arc<Book>,
    display: &Display,
    stop: &CancellationToken,
) -> Result<Report, ToolError> {
    let view = machine.running.view();
    let progress = Progress::start(display.clone(), Arc::clone(book), Some(view));
    let targets = targets(machine)?;
    let engine = Engine {
        targets: targets.clone(),
        connections: shape.connections(),
        patience: shape.give_up,
        sources: Vec::new(),
        tokens: None,
        passes,
    };
    engine.run(book, stop).await;
    let elapsed = book.start().elapsed();
    let started_at = Timestamp::now() - elapsed;
    let verifier = Verifier {
        redis: Some(machine.queue.clone()),
        gateways: targets,
        patience: shape.settle_patience,
    };
    let mut found = verifier.run(book, stop).await;
    progress.finish().await;
    if stop.is_cancelled() {
        // Nobody has waited for these, so they cannot be called lost.
        found.lost.clear();
    }
    Ok(Report::new(book, started_at, elapsed, &found))
}

async fn audit(machine: &Machine) -> Result<Vec<SaleAudit>, ToolError> {
    let mut audits = Vec::with_capacity(machine.sales.len());
    // Long reads, so a connection that waits longer than those of the hot path.
    let mut queue = connect::blocking(&machine.client, AUDIT_PATIENCE).await?;
    for sale in &machine.sales {
        audits.push(flashsale_audit::audit(&machine.ledger, &mut queue, &sale.id).await?);
    }
    Ok(audits)
}

/// Longest wait for one answer of Redis during the audit.
const AUDIT_PATIENCE: Duration = Duration::from_secs(30);
