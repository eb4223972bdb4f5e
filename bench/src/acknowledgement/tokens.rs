//! What a buy with a token costs the gateway: one whose token it knows, and one whose signature it
//! checks.

use std::path::PathBuf;

use flashsale_testbed::tokens::{AUDIENCE, ISSUER, SigningKey, key_set};

use super::{check_taken, open};
use crate::{
    children::Child,
    error::BenchError,
    measure::{
        Measure,
        tokens::{Acquaintance, Signature, TokenBuy},
    },
    session::Session,
    stores::Stores,
    wrk,
};

/// Tokens that take turns, each of another shopper: a small share of what a gateway remembers, and few
/// enough to be signed by RSA in a second or two.
const TOKENS: u32 = 1_024;

/// What the gateway trusts, and what the load sends.
struct Files {
    keys: PathBuf,
    tokens: PathBuf,
}

/// Measures the gateway over 64 connections with known and with new tokens of each algorithm.
pub(super) async fn measure(session: &mut Session) -> Result<(), BenchError> {
    for signature in Signature::ALL {
        let files = sign(signature, &session.stores)?;
        for acquaintance in Acquaintance::ALL {
            let buy = TokenBuy {
                signature,
                acquaintance,
            };
            one(session, buy, &files).await?;
        }
    }
    Ok(())
}

async fn one(session: &mut Session, buy: TokenBuy, files: &Files) -> Result<(), BenchError> {
    let remembered = match buy.acquaintance {
        Acquaintance::Known => TOKENS * 64,
        // Then every token is new each time.
        Acquaintance::New => 0,
    };
    let keys = files.keys.to_string_lossy();
    let remembered = remembered.to_string();
    let further = [
        ["--jwks", &*keys],
        ["--jwt-issuer", ISSUER],
        ["--jwt-audience", AUDIENCE],
        ["--jwt-cache-tokens", &remembered],
    ];
    let gateway = Child::gateway_with_tokens(&session.stores, further.as_flattened()).await?;
    let sale = open(session, &gateway).await?;
    let (run, seconds) = (session.next_sale(), session.arguments.load_seconds());
    let product = sale.products[0].id.as_str();
    let before = gateway.processor_seconds()?;
    let stores = &session.stores;
    let load = wrk::run_as(
        &files.tokens,
        stores,
        gateway.address,
        product,
        run,
        seconds,
    )
    .await?;
    let used = gateway.processor_seconds()? - before;
    check_taken(&session.stores, &sale, load.requests).await?;
    let microseconds = used * 1e6 / f64::from(load.requests);
    session.record(Measure::TokenBuy(buy), microseconds);
    gateway.stop().await
}

/// Writes a key set and tokens that its key has signed, one a line.
fn sign(signature: Signature, stores: &Stores) -> Result<Files, BenchError> {
    let key = match signature {
        Signature::Rs256 => SigningKey::rsa("bench", signature.as_str()),
        Signature::Es256 => SigningKey::p256("bench"),
        Signature::EdDsa => SigningKey::ed25519("bench", 1),
    }?;
    let tokens: Result<Vec<String>, _> = (0..TOKENS)
        .map(|number| key.token(&format!("auth0|{number:024}")))
        .collect();
    let directory = stores.data_dir.path();
    let files = Files {
        keys: directory.join("jwks.json"),
        tokens: directory.join("tokens.txt"),
    };
    for (path, text) in [
        (&files.keys, key_set(&[&key])),
        (&files.tokens, tokens?.join("\n")),
    ] {
        std::fs::write(path, text).map_err(BenchError::file(path))?;
    }
    Ok(files)
}
