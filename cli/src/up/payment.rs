//! The time after the crowd in which orders are paid, or end unpaid.

use std::time::Duration;

use flashsale_domain::sale::PaymentWindow;
use flashsale_testbed::figures::grouped;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Machine, ToolError};
use crate::{
    display::Display,
    load::{
        payers::{PayerCounts, Payers},
        target::Target,
    },
};

/// How often the ledger is asked how many orders wait.
const LOOK: Duration = Duration::from_millis(250);

/// How often it is told.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// How long after the longest window and its grace everything may take to end: late money, and calls of the
/// provider that have to be repeated.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// What waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Open {
    /// Orders that wait for their payment.
    orders: i64,
    /// Sessions that are to be ended, and refunds that are due, at the provider.
    chores: i64,
}

/// Shoppers who pay, where a sale of this machine wants that.
pub(super) fn payers(machine: &Machine, gateways: &[Target]) -> Option<Payers> {
    machine.stand_ins.as_ref()?;
    let payments = machine
        .sales
        .iter()
        .filter_map(|sale| sale.payment.as_ref());
    let grace = payments.map(|payment| payment.grace_seconds).max()?;
    let grace = Duration::from_secs(grace.into());
    let habits = machine.config.shape.habits();
    Some(Payers::new(gateways.to_vec(), habits, grace))
}

/// Waits until no order waits for its payment any more and nothing is left to do at the provider; tells how that
/// goes and what came of it. False when something did not end.
pub(super) async fn finish(
    machine: &Machine,
    payers: &Payers,
    display: &Display,
    stop: &CancellationToken,
) -> Result<bool, ToolError> {
    let payments = machine
        .sales
        .iter()
        .filter_map(|sale| sale.payment.as_ref());
    let longest = payments.map(PaymentWindow::longest).max();
    let until = Instant::now() + longest.unwrap_or_default() + AFTERWARDS;
    let mut told = None::<Instant>;
    loop {
        let open = open(machine).await?;
        // Shoppers whose money is late are not done when their order is.
        let is_done = open == Open::default() && payers.at_work() == 0;
        if is_done || stop.is_cancelled() {
            break;
        }
        if Instant::now() > until {
            display.line(format!("payments    {} have not ended", described(open)));
            return Ok(false);
        }
        if told.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
            told = Some(Instant::now());
            display.line(format!("payments    {}", described(open)));
        }
        sleep(LOOK).await;
    }
    display.line(summary(machine, payers.counts()).await?);
    Ok(true)
}

fn described(open: Open) -> String {
    let count = |number: i64| grouped(u64::try_from(number).unwrap_or(0));
    let (orders, chores) = (count(open.orders), count(open.chores));
    format!("{orders} orders wait for their payment, {chores} sessions or refunds for the provider")
}

async fn open(machine: &Machine) -> Result<Open, ToolError> {
    let sales: Vec<_> = machine.sales.iter().map(|sale| sale.id.clone()).collect();
    let stocks = machine.ledger.stocks(&sales).await?;
    let mut open = Open {
        orders: stocks.values().map(|stock| stock.pending).sum(),
        chores: 0,
    };
    for sale in sales.iter().map(Some).chain([None]) {
        let totals = machine.ledger.payments_of_sale(sale).await?;
        let chores = totals.iter().filter(|total| {
            matches!(
                total.state.as_str(),
                "OPENING" | "OPEN" | "ENDING" | "REFUND_DUE"
            )
        });
        open.chores += chores.map(|total| total.payments).sum::<i64>();
    }
    Ok(open)
}

/// What shoppers did, and what the ledger and the provider's own account say of it.
async fn summary(machine: &Machine, did: PayerCounts) -> Result<String, ToolError> {
    let (mut paid, mut refunded) = (0, 0);
    for sale in machine
        .sales
        .iter()
        .map(|sale| Some(&sale.id))
        .chain([None])
    {
        for total in machine.ledger.payments_of_sale(sale).await? {
            match total.state.as_str() {
                "PAID" => paid += total.payments,
                "REFUNDED" => refunded += total.payments,
                _ => {}
            }
        }
    }
    let count = |number: u64| grouped(number);
    let [in_time, late, cancelled, never, failed] =
        [did.paid, did.late, did.cancelled, did.never, did.failed].map(count);
    let ledger = [paid, refunded].map(|number| count(u64::try_from(number).unwrap_or(0)));
    let [paid, refunded] = ledger;
    let refunds = machine
        .stand_ins
        .as_ref()
        .map_or(0, |provider| provider.account().1);
    let refunds = count(u64::from(refunds));
    Ok(format!(
        "payments    shoppers: {in_time} paid in time, {late} too late, {cancelled} cancelled, {never} did not pay, \
         {failed} could not\n            ledger: {paid} paid, {refunded} refunded; provider: {refunds} refunds"
    ))
}
