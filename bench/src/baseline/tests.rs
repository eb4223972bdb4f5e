use super::*;
use crate::{
    baseline::verdict::{any_fell, better_of, render},
    measure::{Aspect, Consumer, DEFAULT_BATCH, Measure, Target, WORKERS, one_worker},
};

fn verdict(ratio: Ratio, was: f64, is: f64) -> Verdict {
    Verdict {
        ratio,
        held: Held {
            value: was,
            margin: 0.2,
        },
        measured: Some(is),
    }
}

/// One round of everything but how one worker settles beside its limit.
fn all_figures() -> Figures {
    let mut figures = Figures::default();
    let many = Measure::Settlement {
        workers: WORKERS,
        products: 1,
        batch: DEFAULT_BATCH,
    };
    let requests = |target| Measure::Http(target, Aspect::Rate);
    let measures = [
        many,
        Measure::Turnstile,
        Measure::PlainWrites,
        requests(Target::Gateway),
        requests(Target::EmptyRoute),
        Measure::RedisQueued,
        Measure::RedisSettled,
    ];
    let costs = Consumer::ALL.map(Measure::ProcessorTime);
    for measure in measures.into_iter().chain(costs) {
        figures.add(measure, 100.0);
    }
    figures
}

fn every_figure() -> Figures {
    let mut figures = all_figures();
    figures.add(one_worker(DEFAULT_BATCH), 50.0);
    figures.add(one_worker(DEFAULT_BATCH).limit().unwrap(), 100.0);
    figures
}

#[test]
fn costs_of_all_who_take_part_are_added() {
    let figures = every_figure();
    let median = |ratio: Ratio| ratio.samples(&figures).unwrap().median();
    assert_eq!(median(Ratio::BuyCostOfEmptyRoute), Some(2.0));
    assert_eq!(median(Ratio::OrderCostOfPgbench), Some(3.0));
}

#[test]
fn a_share_falls_when_it_is_lower_and_a_cost_when_it_is_higher() {
    assert!(!verdict(Ratio::SettlementOfLimit, 0.5, 0.41).fell());
    assert!(verdict(Ratio::SettlementOfLimit, 0.5, 0.39).fell());
    assert!(!verdict(Ratio::SettlementOfLimit, 0.5, 0.9).fell());
    assert!(!verdict(Ratio::BuyCostOfEmptyRoute, 4.0, 4.7).fell());
    assert!(verdict(Ratio::BuyCostOfEmptyRoute, 4.0, 4.9).fell());
    assert!(verdict(Ratio::QueuedBytes, 600.0, 750.0).fell());
    assert!(!verdict(Ratio::QueuedBytes, 600.0, 300.0).fell());
}

#[test]
fn what_was_not_measured_or_is_no_number_has_fallen() {
    let mut unknown = verdict(Ratio::BuysOfEmptyRoute, 0.5, f64::NAN);
    assert!(unknown.fell());
    unknown.measured = None;
    assert!(unknown.fell());
}

#[test]
fn only_what_falls_twice_has_fallen() {
    let good = [
        verdict(Ratio::SettlementOfLimit, 0.5, 0.5),
        verdict(Ratio::QueuedBytes, 600.0, 600.0),
    ];
    let noisy = [verdict(Ratio::SettlementOfLimit, 0.5, 0.1), good[1]];
    assert!(any_fell(&noisy));
    assert!(!any_fell(&better_of(&noisy, &good)));
    assert!(!any_fell(&better_of(&good, &noisy)));
    assert!(any_fell(&better_of(&noisy, &noisy)));
}

#[test]
fn a_fall_and_a_gain_stand_in_the_table() {
    let fell = render(&[verdict(Ratio::SettlementOfLimit, 0.5, 0.3)]);
    assert!(fell.contains("30 %  was 50 %, may be 20 % worse"), "{fell}");
    assert!(fell.contains("FELL"), "{fell}");
    let gained = render(&[verdict(Ratio::QueuedBytes, 600.0, 300.0)]);
    assert!(gained.contains("300 B"), "{gained}");
    assert!(gained.contains("better: renew"), "{gained}");
}

#[test]
fn the_margin_is_the_noise_of_the_rounds_but_never_less_than_the_least() {
    let margin = |rounds: [f64; 3]| {
        let mut figures = all_figures();
        let limit = one_worker(DEFAULT_BATCH).limit().unwrap();
        for round in rounds {
            figures.add(one_worker(DEFAULT_BATCH), round);
            figures.add(limit, 100.0);
        }
        Baseline::of(&figures).unwrap().ratios[&Ratio::SettlementOfLimit]
    };
    let quiet = margin([50.0, 51.0, 50.0]);
    assert_eq!(
        (quiet.value, quiet.margin),
        (0.5, Ratio::SettlementOfLimit.least_margin())
    );
    assert!((margin([38.0, 50.0, 57.0]).margin - 0.38).abs() < 1e-9);
    assert!((margin([10.0, 50.0, 99.0]).margin - GREATEST_MARGIN).abs() < 1e-9);
}

#[test]
fn a_baseline_is_read_as_it_was_written_and_holds_what_it_was_made_of() {
    let figures = every_figure();
    let baseline = Baseline::of(&figures).unwrap();
    let text = serde_json::to_string(&baseline).unwrap();
    assert!(text.contains("\"settlementOfLimit\":{\"value\":"), "{text}");
    assert_eq!(Baseline::parse(&text, "file").unwrap(), baseline);
    let verdicts = baseline.judge(&figures);
    assert_eq!(verdicts.len(), Ratio::ALL.len());
    assert!(!any_fell(&verdicts));
}

#[test]
fn a_ratio_that_the_file_leaves_out_is_an_error() {
    let mut baseline = Baseline::of(&every_figure()).unwrap();
    baseline.ratios.remove(&Ratio::QueuedBytes);
    let text = serde_json::to_string(&baseline).unwrap();
    let error = Baseline::parse(&text, "file").unwrap_err();
    assert!(matches!(
        error,
        BaselineError::Incomplete {
            ratio: Ratio::QueuedBytes,
            ..
        }
    ));
    let unknown = text.replace("settledBytes", "settledBites");
    assert!(matches!(
        Baseline::parse(&unknown, "file"),
        Err(BaselineError::Form { .. })
    ));
}

#[test]
fn nothing_is_written_of_what_was_not_measured() {
    let error = Baseline::of(&Figures::default()).unwrap_err();
    assert!(matches!(error, BaselineError::Unmeasured(_)));
}
