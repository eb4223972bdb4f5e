//! How a crowd and the sale behind it are doing: a live display on a terminal, a line a second
//! elsewhere.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use flashsale_testbed::figures::grouped;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    display::Display,
    load::{book::Book, counts::Counts},
    view::View,
};

/// How often a terminal is redrawn: fast enough to look alive, slow enough to cost nothing.
const REDRAW: Duration = Duration::from_millis(200);

/// How often a plain line is printed.
const PLAIN_INTERVAL: Duration = Duration::from_secs(1);

/// Rates are taken over this long, so that they do not flicker.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Lanes shown one by one; more are summed up.
const LANES_SHOWN: usize = 8;

/// The display, until it is finished.
#[derive(Debug)]
pub struct Progress {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Progress {
    /// Shows `book`, and the sale's own figures where there are any.
    pub fn start(display: Display, book: Arc<Book>, view: Option<watch::Receiver<View>>) -> Self {
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(show(display, book, view, stop.clone())));
        Self { stop, task }
    }

    /// Takes the display away.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It only draws; that it ended is all there is to know.
            let _ = task.await;
        }
    }
}

async fn show(
    display: Display,
    book: Arc<Book>,
    view: Option<watch::Receiver<View>>,
    stop: CancellationToken,
) {
    let presses = u64::try_from(book.crowd().presses().len()).unwrap_or(u64::MAX);
    let bar = display.moves().then(|| display.add(bar(presses)));
    let mut ticks = interval(if bar.is_some() {
        REDRAW
    } else {
        PLAIN_INTERVAL
    });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut rates = Rates::new(book.counts());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        let counts = book.counts();
        rates.update(counts);
        let view = view.as_ref().map(|view| view.borrow().clone());
        match &bar {
            Some(bar) => {
                bar.set_position(counts.asked);
                bar.set_message(message(counts, &rates, view.as_ref()));
            }
            None => display.passing(plain(counts, presses, &rates, view.as_ref())),
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn bar(presses: u64) -> ProgressBar {
    let bar = ProgressBar::new(presses);
    // The template is constant; were it malformed, the plain style would do.
    if let Ok(style) = ProgressStyle::with_template(
        "  {bar:40.cyan/blue} {human_pos}/{human_len} pressed  {elapsed}\n{msg}",
    ) {
        bar.set_style(style);
    }
    bar
}

/// Acknowledgements and orders a second.
#[derive(Debug)]
struct Rates {
    since: Instant,
    before: Counts,
    acks: f64,
    orders: f64,
}

impl Rates {
    fn new(counts: Counts) -> Self {
        Self {
            since: Instant::now(),
            before: counts,
            acks: 0.0,
            orders: 0.0,
        }
    }

    fn update(&mut self, counts: Counts) {
        let elapsed = self.since.elapsed();
        if elapsed < RATE_WINDOW {
            return;
        }
        let rate = |now: u64, before: u64| {
            let grown = u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
            f64::from(grown) / elapsed.as_secs_f64()
        };
        self.acks = rate(counts.queued, self.before.queued);
        self.orders = rate(counts.confirmed, self.before.confirmed);
        self.before = counts;
        self.since = Instant::now();
    }
}

fn message(counts: Counts, rates: &Rates, view: Option<&View>) -> String {
    let mut text = format!(
        "  queued {}  confirmed {}  sold out {}  limit reached {}  replayed {}  rate limited {}\n  \
         {:.0} acks/s  {:.0} orders/s  {} waiting",
        grouped(counts.queued),
        grouped(counts.confirmed),
        grouped(counts.sold_out + counts.sold_out_in_lane),
        grouped(counts.limit_reached),
        grouped(counts.replayed),
        grouped(counts.rate_limited),
        rates.acks,
        rates.orders,
        grouped(counts.unsettled()),
    );
    text.extend(view.map(lanes));
    text
}

/// The workers, and one line a lane.
fn lanes(view: &View) -> String {
    let mut text = format!("  {} workers", view.workers);
    if let Some(pending) = view.pending {
        let pending = pending.map_or_else(|| "?".to_owned(), grouped);
        // Writing to a string cannot fail.
        let _ = write!(text, "  {pending} unpaid orders");
    }
    for lane in view.lanes.iter().take(LANES_SHOWN) {
        let _ = write!(
            text,
            "\n  lane {:<24} depth {:>8}  stock {:>8}",
            lane.product.as_str(),
            grouped(lane.depth),
            lane.stock
                .map_or_else(|| "?".to_owned(), |stock| stock.to_string())
        );
    }
    let rest = view.lanes.get(LANES_SHOWN..).unwrap_or_default();
    if !rest.is_empty() {
        let depth = grouped(rest.iter().map(|lane| lane.depth).sum::<u64>());
        let _ = write!(text, "\n  and {} lanes more, depth {depth}", rest.len());
    }
    text
}

fn plain(counts: Counts, presses: u64, rates: &Rates, view: Option<&View>) -> String {
    let mut text = format!(
        "asked {}/{presses} queued {} confirmed {} sold_out {} acks/s {:.0} orders/s {:.0}",
        counts.asked,
        counts.queued,
        counts.confirmed,
        counts.sold_out + counts.sold_out_in_lane,
        rates.acks,
        rates.orders
    );
    if let Some(view) = view {
        let _ = write!(text, " workers {}", view.workers);
        if let Some(pending) = view.pending {
            let pending = pending.map_or_else(|| "?".to_owned(), |pending| pending.to_string());
            let _ = write!(text, " unpaid {pending}");
        }
        for lane in view.lanes.iter().take(LANES_SHOWN) {
            let _ = write!(text, " depth[{}] {}", lane.product, lane.depth);
        }
    }
    text
}
