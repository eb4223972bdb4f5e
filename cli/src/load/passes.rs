//! Passes of a crowd, for sales that ask for them. They are got before the first press, as the shop
//! does; this proves work, and nothing to an external verifier.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flashsale_domain::id::SaleId;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use super::{LoadError, crowd::Crowd, target::Target, tokens::Tokens};
use crate::http_client::Connection;

/// How often a call is made again that the gateway has no time for or that comes too soon.
const REPEATS: usize = 10;

/// Wait before it is made again.
const REPEAT_WAIT: Duration = Duration::from_secs(1);

/// A pass for each shopper whose sale asks for one.
#[derive(Debug)]
pub struct Passes(Vec<Option<HeaderValue>>);

/// What gets passes of a gateway over one connection.
struct Applicant {
    connection: Connection,
    target: Target,
    crowd: Arc<Crowd>,
    tokens: Option<Arc<Tokens>>,
    /// Sales that ask for passes.
    guarded: Arc<HashSet<SaleId>>,
    /// The next shopper.
    next: Arc<AtomicU32>,
}

#[derive(Deserialize)]
struct Challenge {
    challenge: Option<String>,
    difficulty: Option<u32>,
}

#[derive(Deserialize)]
struct Pass {
    pass: String,
}

impl Passes {
    /// Gets a pass of `target` for each shopper of `crowd` whose sale is one of `guarded`, over this
    /// many connections; none where there is no such sale.
    pub async fn get(
        crowd: &Arc<Crowd>,
        target: &Target,
        guarded: HashSet<SaleId>,
        tokens: Option<&Arc<Tokens>>,
        connections: usize,
    ) -> Result<Option<Arc<Self>>, LoadError> {
        if guarded.is_empty() {
            return Ok(None);
        }
        let guarded = Arc::new(guarded);
        let next = Arc::new(AtomicU32::new(0));
        let mut applicants = JoinSet::new();
        for _ in 0..connections.max(1) {
            let applicant = Applicant {
                connection: Connection::new(target.clone()),
                target: target.clone(),
                crowd: Arc::clone(crowd),
                tokens: tokens.cloned(),
                guarded: Arc::clone(&guarded),
                next: Arc::clone(&next),
            };
            applicants.spawn(applicant.run());
        }
        let mut passes = vec![None; crowd.shoppers()];
        while let Some(got) = applicants.join_next().await {
            let got = got.map_err(|error| LoadError::Passes(error.to_string()))?;
            for (shopper, pass) in got.map_err(LoadError::Passes)? {
                let place = usize::try_from(shopper).ok();
                if let Some(place) = place.and_then(|place| passes.get_mut(place)) {
                    *place = Some(pass);
                }
            }
        }
        Ok(Some(Arc::new(Self(passes))))
    }

    /// The pass of a shopper, by number; none where their sale asks for none.
    pub(super) fn of(&self, shopper: u32) -> Option<&HeaderValue> {
        self.0.get(usize::try_from(shopper).ok()?)?.as_ref()
    }
}

impl Applicant {
    /// Gets passes until every shopper was seen to.
    async fn run(mut self) -> Result<Vec<(u32, HeaderValue)>, String> {
        let mut passes = Vec::new();
        loop {
            let shopper = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(offer) = self.crowd.wish(shopper) else {
                return Ok(passes);
            };
            if self.guarded.contains(&offer.sale) {
                let sale = offer.sale.clone();
                passes.push((shopper, self.get(shopper, &sale).await?));
            }
        }
    }

    async fn get(&mut self, shopper: u32, sale: &SaleId) -> Result<HeaderValue, String> {
        // Neither alphabet has a character that JSON would escape.
        let asked = format!(
            "\"sale\":\"{sale}\",\"userId\":\"{}\"",
            self.crowd.user(shopper)
        );
        let body = format!("{{{asked}}}");
        let given: Challenge = self.call("/pass/challenge", shopper, body).await?;
        let (Some(challenge), Some(difficulty)) = (given.challenge, given.difficulty) else {
            return Err(
                "the gateway asks an external verifier, which no program passes".to_owned(),
            );
        };
        let proof = spawn_blocking(move || work(&challenge, difficulty));
        let proof = proof.await.map_err(|error| error.to_string())?;
        let proof = proof.ok_or("no number proves the work that the gateway asks for")?;
        let body = format!("{{{asked},\"proof\":\"{proof}\"}}");
        let Pass { pass } = self.call("/pass", shopper, body).await?;
        HeaderValue::try_from(pass).map_err(|error| error.to_string())
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        path: &str,
        shopper: u32,
        body: String,
    ) -> Result<T, String> {
        let body = Bytes::from(body);
        let mut repeats = 0;
        loop {
            let request = self.request(path, shopper, body.clone())?;
            let reply = self.connection.exchange(request).await;
            let reply = reply.map_err(|error| format!("{path}: {error}"))?;
            let is_busy = matches!(
                reply.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            );
            if is_busy && repeats < REPEATS {
                repeats += 1;
                sleep(REPEAT_WAIT).await;
            } else if reply.status.is_success() {
                return serde_json::from_slice(&reply.body)
                    .map_err(|error| format!("{path}: {error}"));
            } else {
                let told = String::from_utf8_lossy(&reply.body);
                return Err(format!("{path} was answered {}: {told}", reply.status));
            }
        }
    }

    fn request(
        &self,
        path: &str,
        shopper: u32,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, String> {
        Tokens::request(self.tokens.as_deref(), &self.target, path, shopper)?
            .body(Full::new(body))
            .map_err(|error| error.to_string())
    }
}

/// Finds the number of which the SHA-256 digest, in decimal behind `challenge` and a dot, begins with
/// this many zero bits; none where no number does.
fn work(challenge: &str, difficulty: u32) -> Option<u64> {
    let mut begun = Context::new(&SHA256);
    begun.update(challenge.as_bytes());
    begun.update(b".");
    let is_proof = |number: &u64| {
        let mut digest = begun.clone();
        digest.update(number.to_string().as_bytes());
        let digest = digest.finish();
        let first = digest.as_ref().first_chunk::<8>();
        first.is_some_and(|first| u64::from_be_bytes(*first).leading_zeros() >= difficulty)
    };
    (0..u64::MAX).find(is_proof)
}

#[cfg(test)]
mod tests {
    use ring::digest::digest;

    use super::*;

    #[test]
    fn the_proof_begins_with_enough_zero_bits() {
        let proof = work("challenge", 12).unwrap();
        let found = digest(&SHA256, format!("challenge.{proof}").as_bytes());
        assert!(matches!(found.as_ref(), [0, 0..=15, ..]), "{found:?}");
    }
}
