//! Trying expressions on what was really scraped.

use super::{Expression, Names, Prometheus, Span};

/// What was found wrong, one line each, and how much was tried.
#[derive(Debug, Default)]
pub struct Checked {
    /// Expressions tried.
    pub tried: usize,
    /// Series they gave.
    pub series: usize,
    /// What is wrong.
    pub faults: Vec<String>,
}

impl Checked {
    /// Nothing is wrong.
    ///
    /// # Panics
    /// With every fault, when something is.
    pub fn assert_sound(&self, what: &str) {
        assert!(self.tried > 0, "{what}: nothing was tried");
        assert!(
            self.faults.is_empty(),
            "{what}:\n{}",
            self.faults.join("\n")
        );
        println!("{what}: {} expressions, {} series", self.tried, self.series);
    }
}

/// Tries `expressions` over `span`. Each must be accepted, and its series must have their labels;
/// where `must_give` says so it must have given numbers at some instant.
pub async fn check(
    prometheus: &Prometheus,
    (names, span): (&Names, Span),
    expressions: &[Expression],
    must_give: impl Fn(&Expression) -> bool,
) -> Checked {
    let mut checked = Checked::default();
    for expression in expressions {
        checked.tried += 1;
        let text = expression.concrete(names);
        let fault = |what: &str| format!("{}: {what}: {text}", expression.place);
        match prometheus.range(&text, span).await {
            Err(error) => checked.faults.push(fault(&error)),
            Ok(series) => {
                let with_numbers = series.iter().filter(|one| !one.values.is_empty());
                if with_numbers.count() == 0 && must_give(expression) {
                    checked.faults.push(fault("no data"));
                }
                for label in &expression.labels {
                    if series.iter().any(|one| !one.labels.contains_key(label)) {
                        checked
                            .faults
                            .push(fault(&format!("a series without {label}")));
                    }
                }
                checked.series += series.len();
            }
        }
    }
    checked
}
