//! What was reached once and must not be lost: ratios, each with the margin that noise may take.
//!
//! Ratios and not times, so that one file holds on any machine of a kind: what slows the machine
//! slows both sides of a ratio. A short form of the measurements is taken and held against the file.
//! What fell is measured once more, since noise seldom strikes the same ratio twice and a regression
//! does.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    error::{self, Result},
    figures::{
        Figures,
        Quantity::{self, Of, Share},
    },
    metrics::Unit,
    report::{TITLE, VALUE},
};

/// The greatest margin that is written: with more, a ratio could halve unseen.
const GREATEST_MARGIN: f64 = 0.4;

/// The least margin of a comparison of speeds: two cores are shared by all that takes part, and
/// from hour to hour the same build differed by as much. What halves a speed is found all the same.
const SPEED_MARGIN: f64 = 0.35;

/// The same of processor time, which depends less on what else the machine does.
const COST_MARGIN: f64 = 0.3;

/// The same of bytes, which differ only by when Redis grows its tables.
const BYTES_MARGIN: f64 = 0.05;

/// Digits behind the point that a file has: fewer than noise changes.
const DIGITS: f64 = 1e3;

/// Width of what the baseline says.
const EXPECTED: usize = 32;

/// One thing that must not get worse.
#[derive(Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) quantity: Quantity,
    /// Whether more of it is better.
    pub(crate) is_better_higher: bool,
    /// The least margin that a baseline gives it.
    pub(crate) least_margin: f64,
}

/// Ratios, each as `"name" "title" Quantity(series…) better least-margin;`.
macro_rules! ratios {
    ($($name:literal $title:literal $quantity:ident($($of:expr),*) $better:ident $margin:ident;)*) => {
        &[$(Ratio {
            name: $name,
            title: $title,
            quantity: $quantity($($of),*),
            is_better_higher: ratios!(@$better),
            least_margin: $margin,
        }),*]
    };
    (@higher) => { true };
    (@lower) => { false };
}

/// All of them, in the order of the file.
pub(crate) const RATIOS: &[Ratio] = ratios! {
    "settlementOfLimit" "orders settled, of the plain batches'"
        Share(&["settlement workers=1 products=1 batch=1000"], "plain-batches products=1 batch=1000")
        higher SPEED_MARGIN;
    "manyWorkersOfOne" "orders of 8 workers, of 1 worker's"
        Share(&["settlement workers=8 products=1 batch=1000"], "settlement workers=1 products=1 batch=1000")
        higher SPEED_MARGIN;
    "turnstileOfPlainWrites" "turnstile's buys, of the plain writes'"
        Share(&["turnstile"], "plain-writes") higher SPEED_MARGIN;
    "buysOfEmptyRoute" "buys acknowledged, of an empty route's"
        Share(&["requests server=buy"], "requests server=empty-route") higher SPEED_MARGIN;
    "buyCostOfEmptyRoute" "processor time of a buy, of an empty route's"
        Share(&["processor-time of=gateway-for-buy", "processor-time of=redis-for-buy"],
            "processor-time of=empty-route")
        lower COST_MARGIN;
    "orderCostOfPgbench" "processor time of an order, of pgbench's"
        Share(&["processor-time of=postgres-for-order", "processor-time of=worker-for-order",
            "processor-time of=redis-for-order"], "processor-time of=postgres-for-pgbench")
        lower COST_MARGIN;
    "queuedBytes" "Redis, for one queued buy" Of("redis-queued") lower BYTES_MARGIN;
    "settledBytes" "Redis, for one settled buy" Of("redis-settled") lower BYTES_MARGIN;
};

/// What a ratio was, and how much worse it may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Held {
    pub(crate) value: f64,
    /// By which share of the value it may be worse.
    pub(crate) margin: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    #[serde(serialize_with = "in_order")]
    ratios: BTreeMap<String, Held>,
}

fn in_order<S: Serializer>(
    ratios: &BTreeMap<String, Held>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let of = |ratio: &Ratio| ratios.get_key_value(ratio.name);
    serializer.collect_map(RATIOS.iter().filter_map(of))
}

impl Baseline {
    /// Reads `file`, which must hold all ratios.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).map_err(|error| {
            format!(
                "could not read the baseline `{name}` ({error}); write one with --write-baseline"
            )
        })?;
        Self::parse(&text, &name)
    }

    fn parse(text: &str, file: &str) -> Result<Self> {
        let renew =
            |why: String| format!("the baseline `{file}` {why}; renew it with --write-baseline");
        let baseline: Self = serde_json::from_str(text)
            .map_err(|error| renew(format!("is not understood ({error})")))?;
        let is_unknown = |name: &&String| !RATIOS.iter().any(|ratio| ratio.name == **name);
        if let Some(name) = baseline.ratios.keys().find(is_unknown) {
            Err(renew(format!(
                "is not understood (there is no ratio `{name}`)"
            )))?;
        }
        for ratio in RATIOS {
            // Nobody would notice if it fell.
            if !baseline.ratios.contains_key(ratio.name) {
                Err(renew(format!("says nothing of {}", ratio.title)))?;
            }
        }
        Ok(baseline)
    }

    /// What was measured, with margins over the noise that showed itself meanwhile.
    pub(crate) fn of(figures: &Figures) -> Result<Self> {
        let mut ratios = BTreeMap::new();
        for ratio in RATIOS {
            let (title, samples) = (ratio.title, ratio.quantity.samples(figures));
            let measured = samples.and_then(|samples| samples.median().zip(samples.range()));
            let missing = || format!("{title} was not measured; this is a bug of the bench");
            let (value, (least, most)) = measured.ok_or_else(missing)?;
            let noise = (most - least) / value;
            let margin = noise.max(ratio.least_margin).min(GREATEST_MARGIN);
            let (value, margin) = (rounded(value), rounded(margin));
            ratios.insert(ratio.name.to_owned(), Held { value, margin });
        }
        Ok(Self { ratios })
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).map_err(error::file(file))
    }

    /// Holds what was measured against it.
    pub(crate) fn judge(&self, figures: &Figures) -> Vec<Verdict> {
        let verdict = |ratio: &'static Ratio| {
            let samples = ratio.quantity.samples(figures);
            Some(Verdict {
                ratio,
                held: *self.ratios.get(ratio.name)?,
                measured: samples.and_then(|samples| samples.median()),
            })
        };
        RATIOS.iter().filter_map(verdict).collect()
    }
}

fn rounded(value: f64) -> f64 {
    (value * DIGITS).round() / DIGITS
}

/// A ratio beside what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) ratio: &'static Ratio,
    pub(crate) held: Held,
    /// What it is; none when it was not measured.
    pub(crate) measured: Option<f64>,
}

impl Verdict {
    /// By which share of what it was it has become better; negative when it became worse, and as
    /// bad as can be when nobody knows.
    fn gain(&self) -> f64 {
        let change = match self.measured {
            Some(measured) if measured.is_finite() => measured / self.held.value - 1.0,
            _ => return f64::NEG_INFINITY,
        };
        if self.ratio.is_better_higher {
            change
        } else {
            -change
        }
    }

    /// Whether it became worse by more than its margin.
    pub(crate) fn fell(&self) -> bool {
        self.gain() < -self.held.margin
    }

    fn word(&self) -> &'static str {
        match self.gain() {
            gain if gain < -self.held.margin => "FELL",
            gain if gain > self.held.margin => "better: renew",
            _ => "ok",
        }
    }
}

pub(crate) fn any_fell(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(Verdict::fell)
}

/// Of two looks at the same ratios the better one each: only what falls twice has fallen.
pub(crate) fn better_of(first: &[Verdict], second: &[Verdict]) -> Vec<Verdict> {
    let better = |(first, second): (&Verdict, &Verdict)| {
        let is_first = first.gain() > second.gain();
        if is_first { *first } else { *second }
    };
    first.iter().zip(second).map(better).collect()
}

/// All of them as a table; nothing where there are none.
pub(crate) fn render(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let line = |verdict: &Verdict| {
        let title = format!("  {}", verdict.ratio.title);
        let unit = verdict.ratio.quantity.unit();
        let measured = verdict.measured.map(|value| unit.format(value));
        let measured = measured.as_deref().unwrap_or("not measured");
        let was = unit.format(verdict.held.value);
        let margin = Unit::Share.format(verdict.held.margin);
        let (expected, word) = (format!("was {was}, may be {margin} worse"), verdict.word());
        format!("{title:<TITLE$}{measured:>VALUE$}  {expected:<EXPECTED$}{word}\n")
    };
    let lines: String = verdicts.iter().map(line).collect();
    format!("\nBaseline\n{lines}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{metrics::row, targets::TARGETS};

    const SETTLEMENT: &Ratio = &RATIOS[0];
    const BUYS: &Ratio = &RATIOS[3];
    const BUY_COST: &Ratio = &RATIOS[4];
    const QUEUED: &Ratio = &RATIOS[6];
    const LIMIT: &str = "plain-batches products=1 batch=1000";
    const HOT: &str = "settlement workers=1 products=1 batch=1000";

    fn verdict(ratio: &'static Ratio, was: f64, is: f64) -> Verdict {
        let (value, margin) = (was, 0.2);
        Verdict {
            ratio,
            held: Held { value, margin },
            measured: Some(is),
        }
    }

    /// As many rounds as settlement has values; everything else is 100 in each.
    fn figures(settlement: &[f64]) -> Figures {
        let mut figures = Figures::default();
        let series = RATIOS.iter().flat_map(|ratio| ratio.quantity.series());
        let others: BTreeSet<_> = series.filter(|name| *name != HOT).collect();
        for value in settlement {
            for name in &others {
                figures.add(name, 100.0);
            }
            figures.add(HOT, *value);
        }
        figures
    }

    #[test]
    fn every_promise_and_every_ratio_is_about_metrics_that_there_are() {
        let promises = TARGETS.iter().map(|one| (one.promise, one.quantity));
        let ratios = RATIOS.iter().map(|one| (one.name, one.quantity));
        for (name, quantity) in promises.chain(ratios) {
            for series in quantity.series() {
                assert!(row(series).is_some(), "{name}: `{series}`");
            }
        }
    }

    #[test]
    fn settlement_is_judged_by_the_limit_that_the_report_holds_it_against() {
        assert_eq!(row(HOT).unwrap().limit.as_deref(), Some(LIMIT));
    }

    #[test]
    fn a_share_falls_when_it_is_lower_and_a_cost_when_it_is_higher() {
        assert!(!verdict(SETTLEMENT, 0.5, 0.41).fell());
        assert!(verdict(SETTLEMENT, 0.5, 0.39).fell());
        assert!(!verdict(SETTLEMENT, 0.5, 0.9).fell());
        assert!(!verdict(BUY_COST, 4.0, 4.7).fell());
        assert!(verdict(BUY_COST, 4.0, 4.9).fell());
        assert!(verdict(QUEUED, 600.0, 750.0).fell());
        assert!(!verdict(QUEUED, 600.0, 300.0).fell());
    }

    #[test]
    fn what_was_not_measured_or_is_no_number_has_fallen() {
        let mut unknown = verdict(BUYS, 0.5, f64::NAN);
        assert!(unknown.fell());
        unknown.measured = None;
        assert!(unknown.fell());
    }

    #[test]
    fn only_what_falls_twice_has_fallen() {
        let good = [verdict(SETTLEMENT, 0.5, 0.5), verdict(QUEUED, 600.0, 600.0)];
        let noisy = [verdict(SETTLEMENT, 0.5, 0.1), good[1]];
        assert!(any_fell(&noisy));
        assert!(!any_fell(&better_of(&noisy, &good)));
        assert!(!any_fell(&better_of(&good, &noisy)));
        assert!(any_fell(&better_of(&noisy, &noisy)));
    }

    #[test]
    fn a_fall_and_a_gain_stand_in_the_table() {
        let fell = render(&[verdict(SETTLEMENT, 0.5, 0.3)]);
        assert!(fell.contains("30 %  was 50 %, may be 20 % worse"), "{fell}");
        assert!(fell.contains("FELL"), "{fell}");
        let gained = render(&[verdict(QUEUED, 600.0, 300.0)]);
        assert!(gained.contains("300 B"), "{gained}");
        assert!(gained.contains("better: renew"), "{gained}");
        assert_eq!(render(&[]), "");
    }

    #[test]
    fn the_margin_is_the_noise_of_the_rounds_but_never_less_than_the_least() {
        let held =
            |rounds: [f64; 3]| Baseline::of(&figures(&rounds)).unwrap().ratios[SETTLEMENT.name];
        let quiet = held([50.0, 51.0, 50.0]);
        assert_eq!((quiet.value, quiet.margin), (0.5, SPEED_MARGIN));
        assert!((held([38.0, 50.0, 57.0]).margin - 0.38).abs() < 1e-9);
        assert!((held([10.0, 50.0, 99.0]).margin - GREATEST_MARGIN).abs() < 1e-9);
    }

    #[test]
    fn a_baseline_is_read_as_it_was_written_and_holds_what_it_was_made_of() {
        let figures = figures(&[50.0]);
        let baseline = Baseline::of(&figures).unwrap();
        let text = serde_json::to_string(&baseline).unwrap();
        let start = r#"{"ratios":{"settlementOfLimit":{"value":"#;
        assert!(text.starts_with(start), "{text}");
        assert_eq!(Baseline::parse(&text, "file").unwrap(), baseline);
        let verdicts = baseline.judge(&figures);
        assert_eq!(verdicts.len(), RATIOS.len());
        assert!(!any_fell(&verdicts));
        assert!(Baseline::parse(include_str!("../baseline.json"), "file").is_ok());
    }

    #[test]
    fn a_ratio_that_the_file_leaves_out_or_makes_up_is_an_error() {
        let mut baseline = Baseline::of(&figures(&[50.0])).unwrap();
        baseline.ratios.remove(QUEUED.name);
        let text = serde_json::to_string(&baseline).unwrap();
        let unknown = text.replace("settledBytes", "settledBites");
        for (text, why) in [
            (text, "says nothing of Redis, for one queued buy"),
            (unknown, "there is no ratio `settledBites`"),
        ] {
            let error = Baseline::parse(&text, "file").unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn nothing_is_written_of_what_was_not_measured() {
        let error = Baseline::of(&Figures::default()).unwrap_err().to_string();
        assert!(error.contains("was not measured"), "{error}");
    }
}
