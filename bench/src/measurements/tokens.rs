//! What a token costs the gateway: buys without one, with one that it knows, and with one whose
//! signature it checks, in turn; beside checks by `ring` and nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flashsale_testbed::{
    program::Program,
    tokens::{AUDIENCE, ISSUER, SigningKey, TokenError, claims, key_set, split},
};
use serde_json::json;

use crate::{
    environment::Stores,
    error::{self, Result},
    load::wrk::How,
    metrics::table::SIGNATURES,
    processor::own_thread_seconds,
    session::Session,
};

/// Tokens that take turns, each of another shopper: a small share of what a gateway remembers, and few
/// enough to be signed by RSA in a second or two.
const TOKENS: u32 = 1_024;

/// How often buys without a token and with a known one take turns in one round: what slows the
/// machine down for a while then slows both.
const TURNS: u32 = 4;

/// Bytes of a token at most, and nearly as many: what identity providers make of a dozen claims.
const TOKEN_BYTES: usize = 1_000;

/// Signatures that are checked by `ring` alone.
const CHECKS: u32 = 4 * TOKENS;

/// Tokens, what the gateway needs to trust them, and what the load sends.
struct Tokens {
    key: SigningKey,
    all: Vec<String>,
    key_set: PathBuf,
    file: PathBuf,
}

/// Measures one round of every algorithm.
pub(crate) async fn round(session: &mut Session) -> Result<()> {
    for signature in SIGNATURES {
        let tokens = Tokens::sign(signature, session.stores.data_dir.path())?;
        let without = session.stores.way().gateway().await?;
        // Room for many more than there are, so that none is forgotten.
        let known = tokens.gateway(&session.stores, TOKENS * 64).await?;
        // Then every token is new each time.
        let new = tokens.gateway(&session.stores, 0).await?;
        let [mut none, mut of_known, mut of_new] = [Cost::default(); 3];
        let seconds = session.arguments.load_seconds();
        let turn = seconds.div_ceil(TURNS);
        for _ in 0..TURNS {
            none.add(session, &without, None, turn).await?;
            of_known.add(session, &known, Some(&tokens), turn).await?;
        }
        of_new.add(session, &new, Some(&tokens), seconds).await?;
        let [none, of_known, of_new] = [none, of_known, of_new].map(Cost::microseconds);
        for (id, microseconds) in [
            ("token-none", none),
            ("token-known", of_known),
            ("token-new", of_new),
            ("token-ring", tokens.check_alone()?),
            ("token-first-check", of_new - of_known),
        ] {
            session.record(&format!("{id} signature={signature}"), microseconds)?;
        }
        for gateway in [without, known, new] {
            gateway.stop().await?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    processor_seconds: f64,
    buys: u32,
}

impl Cost {
    /// Processor time of one buy.
    fn microseconds(self) -> f64 {
        self.processor_seconds * 1e6 / f64::from(self.buys)
    }

    /// Adds that of the buys that the gateway takes in so many seconds.
    async fn add(
        &mut self,
        session: &mut Session,
        gateway: &Program,
        tokens: Option<&Tokens>,
        seconds: u32,
    ) -> Result<()> {
        let how = How {
            seconds,
            tokens: tokens.map(|tokens| tokens.file.as_path()),
            ..session.usual()
        };
        let (load, used) = session.buy(gateway, how).await?;
        self.processor_seconds += used.programs;
        self.buys += load.requests;
        Ok(())
    }
}

impl Tokens {
    /// Makes a key and tokens that it has signed; writes the key set, and the tokens, one a line.
    fn sign(signature: &str, directory: &Path) -> Result<Self> {
        let key = match signature {
            "ES256" => SigningKey::p256("bench"),
            "EdDSA" => SigningKey::ed25519("bench", 1),
            rsa => SigningKey::rsa("bench", rsa),
        }?;
        let all = (0..TOKENS).map(|number| token(&key, &format!("auth0|{number:024}")));
        let tokens = Self {
            all: all.collect::<Result<_, _>>()?,
            key_set: directory.join("jwks.json"),
            file: directory.join("tokens.txt"),
            key,
        };
        for (path, text) in [
            (&tokens.key_set, key_set(&[&tokens.key])),
            (&tokens.file, tokens.all.join("\n")),
        ] {
            fs::write(path, text).map_err(error::file(path))?;
        }
        Ok(tokens)
    }

    /// A gateway that trusts the key and remembers so many tokens.
    async fn gateway(&self, stores: &Stores, remembered: u32) -> Result<Program> {
        let flags = [
            format!("--jwks={}", self.key_set.display()),
            format!("--jwt-issuer={ISSUER}"),
            format!("--jwt-audience={AUDIENCE}"),
            format!("--jwt-cache-tokens={remembered}"),
        ];
        let flags = flags.each_ref().map(String::as_str);
        stores.way().guarded_gateway(&flags).await
    }

    /// Microseconds of processor time that `ring` takes for the check of one signature.
    fn check_alone(&self) -> Result<f64> {
        let public = self.key.verifier();
        let split = self.all.iter().map(|token| split(token));
        let split: Vec<(&[u8], Vec<u8>)> = split.collect::<Result<_, _>>()?;
        let before = own_thread_seconds()?;
        for ((message, signature), _) in split.iter().cycle().zip(0..CHECKS) {
            public.check(message, signature)?;
        }
        Ok((own_thread_seconds()? - before) * 1e6 / f64::from(CHECKS))
    }
}

/// A token of nearly [`TOKEN_BYTES`], with claims as identity providers write them.
fn token(key: &SigningKey, user: &str) -> Result<String, TokenError> {
    let mut claims = claims(user);
    claims["aud"] = json!([AUDIENCE, "https://id.example.com/userinfo"]);
    claims["azp"] = json!("f8Xk2mQn7Lr4Vt9Wy1Zb3Cd5Eg6Hj0Ka");
    claims["scope"] = json!("openid profile email offline_access");
    claims["email"] = json!(format!("{}@mail.example.com", &user[user.len() - 10..]));
    claims["email_verified"] = json!(true);
    claims["https://shop.example.com/roles"] = json!(["customer", "early-access"]);
    claims["sid"] = json!("");
    let missing = TOKEN_BYTES.saturating_sub(key.sign(&claims)?.len());
    // Base64 takes four characters for three bytes.
    claims["sid"] = json!("s".repeat(missing / 4 * 3));
    key.sign(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_every_algorithm_are_about_as_long_and_good() {
        for key in [
            SigningKey::rsa("bench", "RS256").unwrap(),
            SigningKey::p256("bench").unwrap(),
            SigningKey::ed25519("bench", 1).unwrap(),
        ] {
            let token = token(&key, "auth0|000000000000000000000007").unwrap();
            assert!((990..=TOKEN_BYTES).contains(&token.len()), "{token}");
            let (message, signature) = split(&token).unwrap();
            assert!(key.verifier().check(message, &signature).is_ok());
            assert!(key.verifier().check(b"another", &signature).is_err());
        }
    }
}
