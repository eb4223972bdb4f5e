//! What came of an attack.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Kind;

/// What came of one kind of attack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindTally {
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that could not be opened, or that the gateway broke off.
    pub broken: u64,
    /// Answers by their status.
    pub answers: BTreeMap<u16, u64>,
}

/// What came of an attack, by the names of the kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(pub BTreeMap<String, KindTally>);

impl Tally {
    /// Kinds that never got to the gateway: without them it was another attack.
    pub fn missing(&self) -> Vec<&'static str> {
        Kind::ALL
            .into_iter()
            .map(Kind::as_str)
            .filter(|name| self.0.get(*name).is_none_or(|kind| kind.connections == 0))
            .collect()
    }
}

/// The tally while it grows.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Tally>);

impl Books {
    pub(super) fn connected(&self, kind: Kind) {
        self.change(kind, |tally| tally.connections += 1);
    }

    pub(super) fn broken(&self, kind: Kind) {
        self.change(kind, |tally| tally.broken += 1);
    }

    pub(super) fn answered(&self, kind: Kind, status: u16) {
        self.change(kind, |tally| {
            *tally.answers.entry(status).or_default() += 1;
        });
    }

    pub(super) fn tally(&self) -> Tally {
        self.0.lock().clone()
    }

    fn change(&self, kind: Kind, change: impl FnOnce(&mut KindTally)) {
        change(self.0.lock().0.entry(kind.as_str().to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_never_connected_is_missing() {
        let books = Books::default();
        for kind in Kind::ALL {
            books.broken(kind);
            if kind != Kind::SlowReaders {
                books.connected(kind);
                books.answered(kind, 503);
            }
        }
        let tally = books.tally();
        assert_eq!(tally.missing(), ["slow readers"]);
        assert_eq!(tally.0["slow heads"].answers[&503], 1);
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
    }
}
