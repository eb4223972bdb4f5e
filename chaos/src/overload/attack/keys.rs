//! Keys for a gateway that wants tokens, and a token for each honest shopper.

use std::path::{Path, PathBuf};

use flashsale_testbed::tokens::{SigningKey, TokenError, key_set};

use crate::{error::ChaosError, files};

/// What the honest shoppers' key is made of.
const SEED: u8 = 11;

/// Files of keys and tokens.
#[derive(Debug)]
pub(super) struct Keys {
    /// The key set, for the gateway: one key of the honest shoppers' and one RSA key. A token
    /// without `kid` that says RS256 fits only the latter, so its signature is checked.
    pub(super) set: PathBuf,
    /// A token for each honest shopper, one a line.
    pub(super) tokens: PathBuf,
}

impl Keys {
    /// Makes both in `directory`. The tokens are good for ten minutes.
    pub(super) fn make(directory: &Path, shoppers: u64) -> Result<Self, ChaosError> {
        let (set, text) = sign(shoppers)
            .map_err(|error| ChaosError::Wrong(format!("no tokens could be made: {error}")))?;
        let keys = Self {
            set: directory.join("keys.json"),
            tokens: directory.join("tokens"),
        };
        for (file, text) in [(&keys.set, set), (&keys.tokens, text)] {
            files::write(file, text)?;
        }
        Ok(keys)
    }
}

fn sign(shoppers: u64) -> Result<(String, String), TokenError> {
    let signer = SigningKey::ed25519("shoppers", SEED)?;
    let other = SigningKey::rsa("staff", "RS256")?;
    let mut tokens = String::new();
    for shopper in 0..shoppers {
        tokens.push_str(&signer.token(&format!("shopper-{shopper}"))?);
        tokens.push('\n');
    }
    Ok((key_set(&[&signer, &other]), tokens))
}
