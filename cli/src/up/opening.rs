//! When the sales open, and bringing them into force.

use std::time::Duration;

use flashsale_domain::sale::{PaymentWindow, Sale, Schedule};
use flashsale_ledger::{Declared, Ledger, LedgerError};
use flashsale_queue::{catalogue, connect::Queue, keys::SaleKeys, stock};
use flashsale_recovery::retirement;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{ToolError, UpConfig};
use crate::{display::Display, reach};

/// How long after everything is ready a sale opens that has a crowd waiting and no time of its
/// own: long enough to see the countdown.
const DEFAULT_LEAD: Duration = Duration::from_secs(3);

/// Passes that a crowd gets in a second, on a machine of two cores that is busy with everything else as
/// well.
const PASSES_PER_SECOND: u32 = 1_000;

/// Longest countdown of which every second is told where nothing moves.
const TOLD_SECONDS: u64 = 10;

/// Declares the sales in the ledger, tells Redis their stock and brings them into force, each with
/// the opening that it really has; `sales` are changed accordingly.
pub(super) async fn announce(
    sales: &mut [Sale],
    config: &UpConfig,
    ledger: &Ledger,
    queue: &mut impl Queue,
) -> Result<(), ToolError> {
    // By Redis's clock, which is the one that decides.
    let now = reach::redis_clock(queue).await?;
    for sale in sales.iter() {
        keeps_terms(sale, queue, now).await?;
    }
    let mut taken = Vec::new();
    for sale in sales.iter() {
        match declare(sale, ledger, queue).await {
            Err(ToolError::Ledger(LedgerError::ProductTaken { .. })) => taken.push(sale),
            outcome => outcome?,
        }
    }
    // A product may have been moved from one of the files to another, in either order.
    for sale in taken {
        declare(sale, ledger, queue).await?;
    }
    let now = reach::redis_clock(queue).await?;
    for sale in sales.iter_mut() {
        let crowd_lead = config.crowd.map(|shoppers| lead(sale, shoppers));
        sale.schedule = schedule(sale, config.opens_in, crowd_lead, now)?;
        catalogue::announce(queue, sale, false).await?;
    }
    Ok(())
}

/// Refuses another currency for a sale that had opened by `now`, whose orders and waiting buys name prices
/// without one, and a change of whether its orders have to be paid.
async fn keeps_terms(sale: &Sale, queue: &mut impl Queue, now: Timestamp) -> Result<(), ToolError> {
    let Some(before) = catalogue::read(queue, &sale.id).await? else {
        return Ok(());
    };
    let Sale {
        currency,
        schedule,
        payment,
        ..
    } = before.sale;
    if schedule.opens_at.is_some_and(|opens| opens > now) {
        return Ok(());
    }
    let id = sale.id.clone();
    if currency != sale.currency {
        let currency = currency.code();
        return Err(ToolError::OtherCurrency { sale: id, currency });
    }
    let provider =
        |payment: Option<&PaymentWindow>| payment.map(|payment| payment.provider.clone());
    if provider(payment.as_ref()) != provider(sale.payment.as_ref()) {
        return Err(ToolError::OtherPayment { sale: id });
    }
    Ok(())
}

async fn declare(sale: &Sale, ledger: &Ledger, queue: &mut impl Queue) -> Result<(), ToolError> {
    let Declared { levels, unlisted } = retirement::declare(ledger, queue, sale).await?;
    stock::publish(queue, &SaleKeys::new(&sale.id), &levels).await?;
    retirement::let_go(ledger, queue, &sale.id, &unlisted).await?;
    Ok(())
}

/// How long before the opening of `sale` a crowd of so many has to be there: that leaves time to get
/// passes, where it asks for them.
fn lead(sale: &Sale, shoppers: u32) -> Duration {
    let passes = if sale.turnstile.pass_required {
        shoppers
    } else {
        0
    };
    DEFAULT_LEAD + Duration::from_secs((passes / PASSES_PER_SECOND).into())
}

/// The schedule of `sale` when everything is ready at `now`.
fn schedule(
    sale: &Sale,
    opens_in: Option<Duration>,
    crowd_lead: Option<Duration>,
    now: Timestamp,
) -> Result<Schedule, ToolError> {
    let written = sale.schedule;
    let is_ahead = written.opens_at.is_some_and(|opens| opens > now);
    let lead = opens_in.or(crowd_lead.filter(|_| !is_ahead));
    let opens_at = match lead {
        Some(lead) => Some(now.checked_add(lead).map_err(ToolError::FarOpening)?),
        None => written.opens_at,
    };
    match (opens_at.unwrap_or(now), written.closes_at) {
        (opens, Some(closes)) if closes <= opens => Err(ToolError::ClosesBeforeOpening {
            sale: sale.id.clone(),
            closes,
            opens,
        }),
        _ => Ok(Schedule {
            opens_at,
            closes_at: written.closes_at,
        }),
    }
}

/// The instant at which the last of the sales opens, by our own clock; now, when all are open.
pub(super) async fn instant(sales: &[Sale], queue: &mut impl Queue) -> Result<Instant, ToolError> {
    let opens = sales.iter().filter_map(|sale| sale.schedule.opens_at).max();
    let redis_now = catalogue::clock(queue).await?;
    let now = Instant::now();
    let left = opens.map_or(0, |opens| opens.as_microsecond() - redis_now);
    Ok(now + Duration::from_micros(u64::try_from(left).unwrap_or(0)))
}

/// Says when the sales open.
pub(super) fn tell(sales: &[Sale], display: &Display) {
    for sale in sales {
        let when = match sale.schedule.opens_at {
            Some(at) if at > Timestamp::now() => format!("opens at {at}"),
            _ => "is open".to_owned(),
        };
        let closes = sale.schedule.closes_at;
        let closes = closes.map_or_else(String::new, |at| format!(", closes at {at}"));
        display.line(format!("sale        {} {when}{closes}", sale.id));
    }
}

/// Counts the seconds down to `opening`.
pub(super) async fn count_down(opening: Instant, display: &Display) {
    let bar = display
        .moves()
        .then(|| display.add(ProgressBar::new_spinner()));
    if let Some(bar) = &bar
        && let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}")
    {
        bar.set_style(style);
    }
    loop {
        let left = opening.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let seconds = left.as_secs_f64().ceil();
        let text = format!("opens in {seconds:.0} s");
        match &bar {
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            None if left <= Duration::from_secs(TOLD_SECONDS) => display.passing(text),
            None => {}
        }
        // To the next whole second before the opening.
        let rest = left.as_secs_f64() - (seconds - 1.0).max(0.0);
        sleep_until(opening.min(Instant::now() + Duration::from_secs_f64(rest))).await;
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use flashsale_domain::sale::{spec::FlashSaleSpec, validation};
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sale(opens: Option<i64>, closes: Option<i64>) -> Sale {
        let product = json!({"id": "p", "name": "P", "price": 1, "stock": 1});
        let mut spec: FlashSaleSpec =
            serde_json::from_value(json!({"products": [product]})).unwrap();
        spec.opens_at = opens.map(|second| at(second).into());
        spec.closes_at = closes.map(|second| at(second).into());
        validation::check_spec("drop".parse().unwrap(), &spec).unwrap()
    }

    fn opens(sale: &Sale, opens_in: Option<u64>, has_crowd: bool) -> Option<Timestamp> {
        let opens_in = opens_in.map(Duration::from_secs);
        let crowd_lead = has_crowd.then(|| lead(sale, 20_000));
        schedule(sale, opens_in, crowd_lead, at(1_000))
            .unwrap()
            .opens_at
    }

    #[test]
    fn a_crowd_without_an_opening_to_come_gets_a_countdown() {
        assert_eq!(opens(&sale(None, None), None, true), Some(at(1_003)));
        assert_eq!(opens(&sale(Some(10), None), None, true), Some(at(1_003)));
        assert_eq!(opens(&sale(Some(2_000), None), None, true), Some(at(2_000)));
    }

    #[test]
    fn a_crowd_gets_time_for_passes() {
        let mut guarded = sale(None, None);
        guarded.turnstile.pass_required = true;
        assert_eq!(opens(&guarded, None, true), Some(at(1_023)));
        assert_eq!(opens(&guarded, Some(2), true), Some(at(1_002)));
    }

    #[test]
    fn without_a_crowd_the_file_is_kept() {
        assert_eq!(opens(&sale(None, None), None, false), None);
        assert_eq!(opens(&sale(Some(10), None), None, false), Some(at(10)));
    }

    #[test]
    fn a_lead_that_is_given_beats_the_file() {
        for has_crowd in [true, false] {
            assert_eq!(
                opens(&sale(Some(2_000), None), Some(7), has_crowd),
                Some(at(1_007))
            );
        }
    }

    #[test]
    fn an_opening_that_no_calendar_has_is_refused_and_not_at_once() {
        let lead = Some(Duration::from_secs(u64::MAX / 2));
        let error = schedule(&sale(None, None), lead, None, at(1_000)).unwrap_err();
        assert!(matches!(error, ToolError::FarOpening(_)), "{error}");
    }

    #[test]
    fn a_sale_that_is_over_before_it_opens_is_refused() {
        let over = sale(Some(10), Some(900));
        let error = schedule(&over, None, Some(DEFAULT_LEAD), at(1_000)).unwrap_err();
        assert!(
            error.to_string().contains("write a later closesAt"),
            "{error}"
        );
        let ends_in_the_countdown = sale(None, Some(1_002));
        assert!(schedule(&ends_in_the_countdown, None, Some(DEFAULT_LEAD), at(1_000)).is_err());
    }
}
