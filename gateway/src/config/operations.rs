//! Who may see and mend the running of a sale.

use clap::Args;

use super::hidden::Hidden;

/// Shortest operations token, in characters: what nobody guesses over a network.
const MIN_TOKEN: usize = 16;

/// Who may use the operations interface.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operations")]
pub struct OperationsConfig {
    /// Bearer token of the operations interface and of the page /ops: at least 16 visible ASCII
    /// characters. Whoever has it sees the figures of every sale, and replays and discards dead
    /// letters. Without it the interface is off.
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    pub operations_token: Option<Hidden>,
}

/// A token that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--operations-token (FLASHSALE_OPERATIONS_TOKEN) must be at least {MIN_TOKEN} visible ASCII \
     characters without spaces; make one with: openssl rand -hex 24"
)]
pub struct BadOperationsToken;

impl OperationsConfig {
    /// The token; none when operations are off, as they are with an empty one.
    pub fn token(&self) -> Result<Option<&Hidden>, BadOperationsToken> {
        let given = self.operations_token.as_ref();
        let Some(token) = given.filter(|token| !token.reveal().is_empty()) else {
            return Ok(None);
        };
        let text = token.reveal();
        if text.len() < MIN_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadOperationsToken);
        }
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(token: Option<&str>) -> OperationsConfig {
        OperationsConfig {
            operations_token: token.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn a_token_is_long_and_visible() {
        assert!(config(Some("sixteen-letters!")).token().unwrap().is_some());
        for bad in [
            "fifteen-letters",
            "sixteen letters!",
            "sixteen-letters\u{e9}",
            "sixteen-letters\n",
        ] {
            assert_eq!(config(Some(bad)).token(), Err(BadOperationsToken), "{bad}");
        }
    }

    #[test]
    fn without_a_token_operations_are_off() {
        for none in [None, Some("")] {
            assert_eq!(config(none).token(), Ok(None));
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let config = config(Some("sixteen-letters!"));
        assert!(!format!("{config:?}").contains("letters"));
        assert!(!BadOperationsToken.to_string().contains("letters!"));
    }
}
