//! The dashboards as Grafana reads them.

use std::path::Path;

use serde_json::Value;

use super::{Expression, files};

/// One dashboard.
#[derive(Debug)]
pub struct Dashboard {
    /// Its file's name without the ending.
    pub name: String,
    /// Its JSON.
    pub json: Value,
}

/// Every dashboard of the chart.
pub fn all() -> Vec<Dashboard> {
    files("charts/flashsale/dashboards")
        .iter()
        .map(|file| Dashboard::read(file))
        .collect()
}

impl Dashboard {
    fn read(file: &Path) -> Self {
        Self {
            name: file.file_stem().unwrap().to_str().unwrap().to_owned(),
            json: serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap(),
        }
    }

    /// Its panels, rows included.
    pub fn panels(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    /// Its variables.
    pub fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }

    /// Every expression of its panels and variables.
    pub fn expressions(&self) -> Vec<Expression> {
        let panels = self.panels().iter().flat_map(|panel| self.of_panel(panel));
        let variables = self.variables().iter();
        panels
            .chain(variables.filter_map(|variable| self.of_variable(variable)))
            .collect()
    }

    fn of_panel(&self, panel: &Value) -> Vec<Expression> {
        let Some(targets) = panel["targets"].as_array() else {
            return Vec::new();
        };
        let place = format!("{} / {}", self.name, panel["title"].as_str().unwrap());
        let of_target = |target: &Value| {
            let text = target["expr"].as_str().unwrap();
            Expression::new(&place, text).with_legend(target["legendFormat"].as_str().unwrap())
        };
        targets.iter().map(of_target).collect()
    }

    /// `label_values(SELECTOR, LABEL)` offers something when the selector has series with it.
    fn of_variable(&self, variable: &Value) -> Option<Expression> {
        let query = variable["query"]["query"].as_str()?;
        let place = format!("{} / ${}", self.name, variable["name"].as_str().unwrap());
        let inner = query.strip_prefix("label_values(").unwrap();
        let (selector, label) = inner.strip_suffix(')').unwrap().rsplit_once(',').unwrap();
        Some(Expression::new(place, selector).with_legend(&format!("{{{{{}}}}}", label.trim())))
    }
}
