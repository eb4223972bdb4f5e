//! An external verifier with the call that Cloudflare Turnstile, hCaptcha and reCAPTCHA have.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use reqwest::{Client, redirect::Policy};
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded::Serializer};

use crate::{bounded, config::Hidden};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Questions that may be under way at a time.
const MOST_AT_A_TIME: usize = 64;

/// Largest answer in bytes; real ones have a few hundred.
const MAX_BYTES: usize = 16 * 1024;

/// Why the verifier did not say yes or no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifierError {
    /// Too many questions are under way.
    #[error("too many shoppers are being verified; try again in a second")]
    Busy,
    /// It was out of reach, too slow, or failed.
    #[error("the verifier could not be asked: {0}")]
    Failed(#[from] reqwest::Error),
    /// It said something else.
    #[error("the verifier's answer is not `{{\"success\": …}}`")]
    Answer,
}

/// Asks the verifier.
#[derive(Debug)]
pub(super) struct SiteVerify {
    url: Url,
    secret: Hidden,
    client: Client,
    turns: Semaphore,
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
}

impl SiteVerify {
    pub(super) fn new(url: Url, secret: Hidden) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            url,
            secret,
            client,
            turns: Semaphore::new(MOST_AT_A_TIME),
        })
    }

    /// Whether the verifier approves of whoever has this proof.
    pub(super) async fn approves(&self, proof: &str) -> Result<bool, VerifierError> {
        let _turn = self.turns.try_acquire().map_err(|_| VerifierError::Busy)?;
        let form = Serializer::new(String::new())
            .append_pair("secret", self.secret.reveal())
            .append_pair("response", proof)
            .finish();
        let asked = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let response = asked.send().await?.error_for_status()?;
        let json = bounded::body(response, MAX_BYTES).await?;
        let json = json.ok_or(VerifierError::Answer)?;
        let verdict: Verdict = serde_json::from_slice(&json).map_err(|_| VerifierError::Answer)?;
        Ok(verdict.success)
    }
}
