//! The token that opens the operations of the gateways started here.

use std::fmt;

use flashsale_testbed::{data_dir::DataDir, password};

use super::{ToolError, UpConfig};

/// Shortest token that gateways take, in characters.
const MIN_LENGTH: usize = 16;

/// Where a token that was made is kept, so that the next run with the same directory has the same
/// and pages that are open go on.
const FILE: &str = "operations-token";

/// The bearer token of the operations interface.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OperationsToken {
    text: String,
    is_given: bool,
}

impl OperationsToken {
    /// The given one, or one that is made for this data directory. A given one is checked here and
    /// not while arguments are parsed, since the parser would repeat a bad one on the terminal.
    pub(super) fn new(config: &UpConfig, data_dir: &DataDir) -> Result<Self, ToolError> {
        let given = config.operations_token.as_ref();
        match given.filter(|text| !text.is_empty()) {
            Some(text) if is_usable(text) => Ok(Self {
                text: text.clone(),
                is_given: true,
            }),
            Some(_) => Err(ToolError::UnusableToken),
            None => Ok(Self {
                text: password::read_or_create(&data_dir.path().join(FILE))
                    .map_err(ToolError::SecretFile)?,
                is_given: false,
            }),
        }
    }

    /// The token itself.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it came from the caller, who knows it and may not want it shown.
    pub(super) fn is_given(&self) -> bool {
        self.is_given
    }
}

impl fmt::Debug for OperationsToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OperationsToken(…)")
    }
}

/// Whether gateways would take it.
fn is_usable(text: &str) -> bool {
    text.len() >= MIN_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
impl OperationsToken {
    /// A token for tests.
    pub(super) fn of(text: &str, is_given: bool) -> Self {
        Self {
            text: text.to_owned(),
            is_given,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_visible() {
        assert!(is_usable("sixteen-letters!"));
        for bad in [
            "fifteen-letters",
            "sixteen letters!",
            "sixteen-letter\u{e9}s",
        ] {
            assert!(!is_usable(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_that_is_made_is_usable() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        assert!(is_usable(&password::read_or_create(&file).unwrap()));
    }

    #[test]
    fn a_token_is_not_shown_by_accident() {
        let token = OperationsToken::of("sixteen-letters!", true);
        assert!(!format!("{token:?}").contains("letters"));
    }
}
