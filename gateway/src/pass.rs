//! Passes: whoever buys in a sale that asks for one has shown before the opening that they may.
//! docs/pass.md tells how.

pub mod calls;
mod keys;
mod site_verify;
mod views;
mod work;

use flashsale_domain::id::{SaleId, UserId};
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use crate::{
    config::{BadPassSecret, PassConfig, VerifierKind},
    metrics::PassMetrics,
    problem::{Problem, ProblemKind, unavailable},
    unix_time::unix_seconds,
};

use keys::{BadPass, PassKeys};
use site_verify::SiteVerify;
pub use views::{ChallengeView, PassView, VerifierName};

/// The header in which a buy brings its pass.
pub const PASS: HeaderName = HeaderName::from_static("flashsale-pass");

/// Why passes cannot work as configured.
#[derive(Debug, thiserror::Error)]
pub enum PassConfigError {
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] BadPassSecret),
    /// The external verifier cannot be asked.
    #[error("no HTTP client could be set up for --pass-verify-url: {0}")]
    Client(#[from] reqwest::Error),
}

/// Issues and checks passes.
#[derive(Debug)]
pub struct Passes {
    keys: PassKeys,
    /// Seconds that a pass is good.
    lifetime: u64,
    verifier: Verifier,
    metrics: PassMetrics,
}

/// Who approves.
#[derive(Debug)]
enum Verifier {
    Work {
        difficulty: u32,
    },
    Site {
        verifier: Box<SiteVerify>,
        key: Option<String>,
    },
}

impl Passes {
    /// Passes as `config` says.
    pub fn new(config: &PassConfig, metrics: PassMetrics) -> Result<Self, PassConfigError> {
        let work = Verifier::Work {
            difficulty: config.pass_difficulty,
        };
        let verifier = match (
            config.pass_verifier,
            &config.pass_verify_url,
            &config.pass_verify_secret,
        ) {
            (VerifierKind::SiteVerify, Some(url), Some(secret)) => Verifier::Site {
                verifier: Box::new(SiteVerify::new(url.clone(), secret.clone())?),
                key: config.pass_site_key.clone(),
            },
            // The command line asks for both where it is the other.
            _ => work,
        };
        Ok(Self {
            keys: PassKeys::new(&config.secrets()?),
            lifetime: config.pass_lifetime.as_secs(),
            verifier,
            metrics,
        })
    }

    /// Whether a request with these headers brings a pass of `user` for `sale`.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        sale: &SaleId,
        user: &UserId,
    ) -> Result<(), BadPass> {
        let pass = headers.get(PASS).ok_or(BadPass::Missing)?;
        let pass = pass.to_str().map_err(|_| BadPass::Wrong)?;
        self.keys.check(pass, sale, user, unix_seconds())
    }

    fn challenge(&self, sale: &SaleId, user: &UserId) -> ChallengeView {
        match &self.verifier {
            Verifier::Work { difficulty } => ChallengeView {
                verifier: VerifierName::ProofOfWork,
                challenge: self.keys.challenge(sale, user, unix_seconds()),
                difficulty: Some(*difficulty),
                site_key: None,
            },
            Verifier::Site { key, .. } => ChallengeView {
                verifier: VerifierName::SiteVerify,
                challenge: None,
                difficulty: None,
                site_key: key.clone(),
            },
        }
    }

    /// A pass for whoever the verifier approves of.
    async fn issue(&self, sale: &SaleId, user: &UserId, proof: &str) -> Result<PassView, Problem> {
        let now = unix_seconds();
        let until = now.saturating_add(self.lifetime);
        // Before the proof is spent.
        let expires_at = i64::try_from(until).ok().map(Timestamp::from_second);
        let Some(Ok(expires_at)) = expires_at else {
            return Err(Problem::new(
                ProblemKind::Internal,
                "the pass would end at a time that cannot be written; see --pass-lifetime-seconds and \
                 the clock of the gateway's machine",
            ));
        };
        let is_approved = match &self.verifier {
            Verifier::Work { difficulty } => self
                .keys
                .challenges(sale, user, now)
                .any(|challenge| work::is_proof(&challenge, proof, *difficulty)),
            Verifier::Site { verifier, .. } => verifier.approves(proof).await.map_err(|error| {
                self.metrics.unavailable.inc();
                unavailable(error.to_string())
            })?,
        };
        let pass = self.keys.issue(sale, user, until);
        let (true, Some(pass)) = (is_approved, pass) else {
            self.metrics.refused.inc();
            return Err(Problem::new(
                ProblemKind::ProofRefused,
                "the proof does not count; get a challenge at POST /pass/challenge and try again",
            ));
        };
        self.metrics.issued.inc();
        Ok(PassView {
            pass,
            expires_at: expires_at.to_string(),
        })
    }
}

impl From<BadPass> for Problem {
    fn from(error: BadPass) -> Self {
        Self::new(ProblemKind::PassRequired, error.to_string())
    }
}
