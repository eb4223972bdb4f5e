//! `PromQL` as it stands in a dashboard, a rule or the runbook.

use std::collections::BTreeSet;

use super::Names;

/// What Grafana puts for `$__rate_interval` when a source is scraped each second.
const RATE_INTERVAL: &str = "4s";

/// Whose metrics an expression is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Gateways and workers.
    Data,
    /// The operator.
    Control,
}

/// One expression and where it stands.
#[derive(Debug, Clone)]
pub struct Expression {
    /// Where it stands, for messages.
    pub place: String,
    /// The `PromQL`, variables of Grafana included.
    pub text: String,
    /// Labels that every series of it must have.
    pub labels: Vec<String>,
}

impl Expression {
    /// An expression that stands at `place`.
    pub fn new(place: impl Into<String>, text: &str) -> Self {
        Self {
            place: place.into(),
            text: text.to_owned(),
            labels: Vec::new(),
        }
    }

    /// The same with the labels that a legend names: `{{sale}} p50` names `sale`.
    #[must_use]
    pub fn with_legend(mut self, legend: &str) -> Self {
        let named = legend.split("{{").skip(1);
        self.labels = named
            .map(|rest| rest.split("}}").next().unwrap().trim().to_owned())
            .collect();
        self
    }

    /// The `PromQL` with Grafana's variables filled in.
    ///
    /// # Panics
    /// When a variable is not known.
    pub fn concrete(&self, names: &Names) -> String {
        let text = self
            .text
            .replace("$__rate_interval", RATE_INTERVAL)
            .replace("$namespace", &names.namespace)
            .replace("$sale", &names.sale.replace('.', "[.]"));
        assert!(
            !text.contains('$'),
            "{}: unknown variable in {text}",
            self.place
        );
        text
    }

    /// Names of our metrics in it, without what a histogram or a recording adds.
    pub fn metrics(&self) -> BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        self.text
            .split(|c| !is_part(c))
            .filter(|word| word.starts_with("flashsale_"))
            .map(|word| {
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| word.strip_suffix(suffix));
                family.unwrap_or(word).to_owned()
            })
            .collect()
    }

    /// Whose metrics it is about: the operator's as soon as one of them is.
    pub fn plane(&self) -> Plane {
        let of_the_operator = |text: &str| {
            text.contains("flashsale_operator_")
                || text.contains("flashsale_replicas_")
                || text.contains("component=\"operator\"")
        };
        if of_the_operator(&self.text) {
            Plane::Control
        } else {
            Plane::Data
        }
    }

    /// Whether it asks what is wrong, as the runbook does, and so may find nothing.
    pub fn is_a_question(&self) -> bool {
        let compares = [" > ", " == "].iter().any(|sign| self.text.contains(sign));
        compares && self.place.starts_with("runbook")
    }
}
