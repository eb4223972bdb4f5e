//! The runbook: its sections and the `PromQL` in them.

use super::{Expression, repository};

/// One section.
#[derive(Debug)]
pub struct Section {
    /// Its heading, which is an alert's name.
    pub heading: String,
    /// Its text.
    pub text: String,
}

/// The sections of `docs/runbook.md`.
pub fn sections() -> Vec<Section> {
    let page = std::fs::read_to_string(repository("docs/runbook.md")).unwrap();
    page.split("\n## ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            Section {
                heading: heading.trim().to_owned(),
                text: text.to_owned(),
            }
        })
        .collect()
}

impl Section {
    /// What a link to the section ends with.
    pub fn anchor(&self) -> String {
        self.heading.to_lowercase()
    }

    /// Its blocks of `PromQL`.
    pub fn expressions(&self) -> Vec<Expression> {
        let blocks = self.text.split("```promql\n").skip(1);
        blocks
            .map(|block| block.split("```").next().unwrap().trim())
            .map(|text| Expression::new(format!("runbook / {}", self.heading), text))
            .collect()
    }
}
