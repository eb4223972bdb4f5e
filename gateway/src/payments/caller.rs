//! Calls of providers: a few at a time, each within a limit of time and size.

use std::time::Duration;

use http::StatusCode;
use prometheus::Histogram;
use reqwest::{Client, RequestBuilder, redirect::Policy};
use serde::de::DeserializeOwned;
use tokio::{sync::Semaphore, time::timeout};

use super::provider::ProviderError;
use crate::bounded;

/// How long a call may take, with the wait for its turn: shorter than a shopper's request.
const PATIENCE: Duration = Duration::from_secs(8);

/// Calls of one provider at a time. Stripe takes 25 a second or more of one account.
const MOST_AT_A_TIME: usize = 16;

/// Largest answer in bytes; real ones have a few thousand.
const MAX_BYTES: usize = 256 * 1024;

/// Longest part of a refusal that is shown, in bytes.
const MAX_SHOWN: usize = 300;

/// Calls one provider.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: Client,
    turns: Semaphore,
    seconds: Histogram,
}

/// What a provider answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

impl Caller {
    pub(super) fn new(seconds: Histogram) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            client,
            turns: Semaphore::new(MOST_AT_A_TIME),
            seconds,
        })
    }

    /// Sends a request. Answers that leave open whether it was carried out are errors: those that say to
    /// come back, and those of a server that failed.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, ProviderError> {
        let unknown = |why: &str| ProviderError::Unknown(why.to_owned());
        let timer = self.seconds.start_timer();
        let exchange = async {
            let _turn = self.turns.acquire().await.map_err(|_| unknown("closed"))?;
            let response = request.send().await?;
            let status = response.status();
            let body = bounded::body(response, MAX_BYTES).await?;
            let body = body.ok_or_else(|| unknown("its answer is too large"))?;
            Ok(Reply { status, body })
        };
        let answered = timeout(PATIENCE, exchange).await;
        timer.observe_duration();
        let reply = answered.unwrap_or_else(|_| Err(unknown("it does not answer in time")))?;
        let comes_back = matches!(
            reply.status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS
        );
        let told = || format!("it answered {}", reply.status);
        if comes_back {
            return Err(ProviderError::Unknown(told()));
        }
        if !(reply.status.is_success() || reply.status.is_client_error()) {
            return Err(ProviderError::Failed(told()));
        }
        Ok(reply)
    }
}

impl Reply {
    /// The answer, if the request was carried out.
    pub(super) fn done<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if self.status.is_success() {
            return self.read();
        }
        let text = String::from_utf8_lossy(&self.body);
        let shown = &text[..text.floor_char_boundary(MAX_SHOWN)];
        Err(ProviderError::Refused(format!("{}: {shown}", self.status)))
    }

    /// The answer, whatever it says.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ProviderError::Unknown(format!("its answer cannot be read: {error}")))
    }
}

impl From<reqwest::Error> for ProviderError {
    /// Without the address, in which there may be a secret, and with the causes, which say what is wrong.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Unknown(text)
    }
}
