//! What shoppers are told about passes.

use serde::Serialize;

/// What has to be proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChallengeView {
    /// Who approves.
    pub verifier: VerifierName,
    /// With `proof-of-work`: the text to work on. It is accepted for ten minutes at least.
    #[schema(required = true)]
    pub challenge: Option<String>,
    /// With `proof-of-work`: with how many zero bits the SHA-256 digest of challenge, dot and proof
    /// has to begin.
    #[schema(required = true)]
    pub difficulty: Option<u32>,
    /// With `site-verify`: the key for the verifier's widget, where the gateway has one.
    #[schema(required = true)]
    pub site_key: Option<String>,
}

/// Who approves of shoppers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerifierName {
    /// The gateway, of whoever has worked for it.
    ProofOfWork,
    /// A service beside it.
    SiteVerify,
}

/// A pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassView {
    /// To be sent with buys as `Flashsale-Pass`.
    pub pass: String,
    /// When it ends (RFC 3339).
    #[schema(format = DateTime)]
    pub expires_at: String,
}
