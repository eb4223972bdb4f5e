//! The report for people: Markdown with tables.

use std::fmt::{Display, Write as _};

use flashsale_domain::sale::Currency;

use crate::{Arrival, BuyCounts, Figures, Money, ReportedProduct, SaleReport, Times};

const UNKNOWN: &str = "unknown";

pub(crate) fn write(report: &SaleReport) -> String {
    let mut text = String::new();
    head(&mut text, report);
    steps(&mut text, report);
    products(&mut text, &report.products);
    money(&mut text, report);
    times(&mut text, report);
    arrival(&mut text, report);
    text
}

/// Adds a line; writing to a string cannot fail.
macro_rules! line {
    ($text:expr) => { $text.push('\n') };
    ($text:expr, $($arguments:tt)*) => {{
        let _ = writeln!($text, $($arguments)*);
    }};
}

fn head(text: &mut String, report: &SaleReport) {
    line!(text, "# Report of sale {}", cell(&report.sale));
    line!(text);
    let state = match (report.incarnation, report.is_on) {
        (None, _) => "PostgreSQL has no orders of it.".to_owned(),
        (Some(number), true) => format!("Incarnation {number}, which still has its products."),
        (Some(number), false) => format!(
            "Incarnation {number}, which is over: its books and rejections are not kept, its orders are."
        ),
    };
    line!(text, "{state} Made at {}.", report.made_at);
    line!(text);
}

/// Asked → refused → queued → confirmed → paid → expired → refunded.
fn steps(text: &mut String, report: &SaleReport) {
    line!(text, "## From asking to paying");
    line!(text);
    line!(text, "| step | buys | told by |");
    line!(text, "|---|---:|---|");
    let mut step = |name: &str, count: String, by: &str| line!(text, "| {name} | {count} | {by} |");
    let known = |count: fn(&BuyCounts) -> u64| known(report.buys.as_ref().map(count));
    step("asked", known(|buys| buys.asked), "gateways");
    step("refused", known(|buys| buys.refused), "gateways");
    let reasons = report.buys.iter().flat_map(|buys| &buys.refused_by_reason);
    for (reason, count) in reasons {
        step(&format!("– {}", cell(reason)), grouped(*count), "gateways");
    }
    step("repeated", known(|buys| buys.repeated), "gateways");
    step("queued", known(|buys| buys.queued), "gateways");
    let away = report.total.turned_away.as_ref();
    step(
        "sold out when settled",
        self::known(away.map(|away| away.sold_out)),
        "PostgreSQL",
    );
    step(
        "limit reached",
        self::known(away.map(|away| away.limit_reached)),
        "PostgreSQL",
    );
    let orders = &report.total.orders;
    step("confirmed", grouped(orders.confirmed), "PostgreSQL");
    step("– paid", grouped(orders.paid), "PostgreSQL");
    step(
        "– waiting for payment",
        grouped(orders.waiting),
        "PostgreSQL",
    );
    step("– expired", grouped(orders.expired), "PostgreSQL");
    step("– refunded", grouped(orders.refunded), "PostgreSQL");
    for (reason, count) in &orders.cancelled_by_reason {
        let why = if reason.is_empty() {
            "no reason given"
        } else {
            reason
        };
        step(
            &format!("– cancelled, {}", cell(why)),
            grouped(*count),
            "PostgreSQL",
        );
    }
    line!(text);
    if let Some(note) = &report.buys_note {
        line!(text, "{note}");
        line!(text);
    }
    line!(
        text,
        "Gateways count what they answer once a second; buys that were refused before their sale was known are \
         not among these. Orders without a payment window are paid as they are made."
    );
    line!(text);
}

fn products(text: &mut String, products: &[ReportedProduct]) {
    line!(text, "## Products");
    line!(text);
    line!(
        text,
        "| product | declared | on offer | sold | left | returned | restocks | orders | paid | waiting | expired | refunded | cancelled | sold out | limit reached |"
    );
    line!(
        text,
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    for ReportedProduct {
        product_id,
        figures,
        ..
    } in products
    {
        let Figures {
            stock,
            turned_away,
            orders,
            ..
        } = figures;
        let stock = stock.as_ref();
        let away = turned_away.as_ref();
        let restocks = stock.map(|stock| match stock.restocks {
            0 => "0".to_owned(),
            count => format!("{} ({:+})", grouped(count), stock.restocked),
        });
        let cells = [
            cell(product_id),
            known(stock.and_then(|stock| stock.declared)),
            known(stock.map(|stock| stock.on_offer)),
            known(stock.map(|stock| stock.sold)),
            known(stock.map(|stock| stock.left)),
            known(stock.map(|stock| stock.returned)),
            restocks.unwrap_or_else(|| UNKNOWN.to_owned()),
            grouped(orders.confirmed),
            grouped(orders.paid),
            grouped(orders.waiting),
            grouped(orders.expired),
            grouped(orders.refunded),
            grouped(orders.cancelled_by_reason.values().sum::<i64>()),
            known(away.map(|away| away.sold_out)),
            known(away.map(|away| away.limit_reached)),
        ];
        line!(text, "| {} |", cells.join(" | "));
    }
    line!(text);
}

fn money(text: &mut String, report: &SaleReport) {
    line!(text, "## Money");
    line!(text);
    let currency = report.total.money.currency;
    line!(
        text,
        "| product | currency | sold | waiting | cancelled | refunded |"
    );
    line!(text, "|---|---|---:|---:|---:|---:|");
    let each = report.products.iter();
    let each = each.map(|product| (cell(&product.product_id), &product.figures.money));
    for (name, money) in each.chain([("**all**".to_owned(), &report.total.money)]) {
        let Money {
            sold,
            waiting,
            cancelled,
            refunded,
            ..
        } = *money;
        let [sold, waiting, cancelled, refunded] =
            [sold, waiting, cancelled, refunded].map(|sum| amount(sum, currency));
        let code = currency.unwrap_or(UNKNOWN);
        line!(
            text,
            "| {name} | {code} | {sold} | {waiting} | {cancelled} | {refunded} |"
        );
    }
    line!(text);
    if currency.is_none() {
        line!(
            text,
            "The sale is not in force, so its currency is unknown; sums are in its minor units."
        );
        line!(text);
    }
    line!(
        text,
        "Sums are of the prices of orders, and not of what a payment provider has moved."
    );
    line!(text);
}

fn times(text: &mut String, report: &SaleReport) {
    line!(text, "## Times");
    line!(text);
    line!(text, "| | |");
    line!(text, "|---|---|");
    let Times {
        first_buy_at,
        last_buy_at,
        first_order_at,
        last_order_at,
        last_change_at,
        payment_window_seconds,
    } = &report.total.times;
    let window = payment_window_seconds.map(|seconds| format!("{seconds} s"));
    let since = report.buys.as_ref().and_then(|buys| buys.since.clone());
    for (what, at) in [
        ("opens", &report.opens_at),
        ("closes", &report.closes_at),
        ("first answer counted", &since),
        ("first buy with an order", first_buy_at),
        ("last buy with an order", last_buy_at),
        ("first order", first_order_at),
        ("last order", last_order_at),
        ("last change of an order", last_change_at),
        ("payment window", &window),
    ] {
        line!(text, "| {what} | {} |", at.as_deref().unwrap_or("–"));
    }
    line!(text);
}

fn arrival(text: &mut String, report: &SaleReport) {
    line!(text, "## Order of arrival");
    line!(text);
    line!(
        text,
        "| product | orders compared | out of order | most ahead | without a time |"
    );
    line!(text, "|---|---:|---:|---:|---:|");
    for ReportedProduct {
        product_id,
        figures,
        ..
    } in &report.products
    {
        let Arrival {
            compared,
            undated,
            out_of_order,
            most_ahead_ms,
            ..
        } = figures.arrival;
        let ahead =
            most_ahead_ms.map_or_else(|| "–".to_owned(), |ms| format!("{} ms", grouped(ms)));
        let [compared, out_of_order, undated] = [compared, out_of_order, undated].map(grouped);
        line!(
            text,
            "| {} | {compared} | {out_of_order} | {ahead} | {undated} |",
            cell(product_id)
        );
    }
    line!(text);
    line!(
        text,
        "An order is out of order if one after it is for a buy that is more than {} ms older. Buys have the time of \
         their gateway, so gateways whose clocks differ by less make none. A job that was tried again after a failure, \
         and a dead letter that was replayed, are settled late. Jobs without a time are of other producers.",
        report.total.arrival.tolerance_ms
    );
}

/// A count, where there is one.
fn known(count: Option<impl Display>) -> String {
    count.map_or_else(|| UNKNOWN.to_owned(), grouped)
}

/// A whole number with its thousands apart: `-19,469`.
fn grouped(number: impl Display) -> String {
    let number = number.to_string();
    let (sign, digits) = number
        .strip_prefix('-')
        .map_or(("", number.as_str()), |digits| ("-", digits));
    let mut text = sign.to_owned();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A sum of minor units in units of the currency: `1,249.00`.
fn amount(sum: i64, currency: Option<&str>) -> String {
    let currency = currency.and_then(Currency::from_code);
    let digits = usize::from(currency.and_then(Currency::exponent).unwrap_or(0));
    if digits == 0 {
        return grouped(sum);
    }
    let minor = format!("{:0>width$}", sum.unsigned_abs(), width = digits + 1);
    let (whole, rest) = minor.split_at(minor.len() - digits);
    let sign = if sum < 0 { "-" } else { "" };
    format!("{sign}{}.{rest}", grouped(whole))
}

/// A text in a cell: nothing in it ends the cell or is taken for markup.
fn cell(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '|' | '\\' | '`' | '*' | '_' | '<' | '[' | ']' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
