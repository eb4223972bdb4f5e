//! Who shoppers are.

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use jsonwebtoken::Algorithm;

use super::flags::{count, seconds};

/// Whether shoppers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Anyone is whoever the body of a request says: for one machine, never for the internet.
    Off,
    /// Shoppers carry bearer tokens; the claim `sub` is the shopper.
    Jwt,
}

/// Signature algorithms that can be allowed: public-key ones alone. With a shared secret
/// (`HS256`), whoever can check a token could make one, and a published key would be that secret.
const ALGORITHMS: [(&str, &str); 9] = [
    ("RS256", "RSA PKCS#1 v1.5 with SHA-256"),
    ("RS384", "RSA PKCS#1 v1.5 with SHA-384"),
    ("RS512", "RSA PKCS#1 v1.5 with SHA-512"),
    ("PS256", "RSA PSS with SHA-256"),
    ("PS384", "RSA PSS with SHA-384"),
    ("PS512", "RSA PSS with SHA-512"),
    ("ES256", "ECDSA on P-256 with SHA-256"),
    ("ES384", "ECDSA on P-384 with SHA-384"),
    ("EdDSA", "Ed25519"),
];

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    let values = ALGORITHMS.map(|(name, about)| PossibleValue::new(name).help(about));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Algorithm>())
}

/// How shoppers are told apart.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityConfig {
    /// Whether shoppers must carry tokens.
    #[arg(long, value_enum, default_value = "jwt")]
    pub auth_mode: AuthMode,

    /// The keys that sign tokens, as a JSON Web Key Set: the path of a file, or an https URL.
    /// Needed with `--auth-mode jwt`. With several issuers one for each, separated by commas.
    #[arg(long, value_name = "FILE|URL", value_delimiter = ',')]
    pub jwks: Vec<String>,

    /// Directory with private certificates for TLS with the URL of `--jwks`: ca.crt (the authority
    /// that signed its certificate), tls.crt and tls.key (what is shown to it); each may be missing.
    /// Changed files are used the next time the keys are read.
    #[arg(long, value_name = "DIR")]
    pub jwks_tls: Option<PathBuf>,

    /// What the claim `iss` must be. Needed with `--auth-mode jwt`. Several issuers are separated by
    /// commas, in the order of `--jwks`; the same `sub` of two issuers is the same shopper.
    #[arg(long, value_name = "ISSUER", value_delimiter = ',')]
    pub jwt_issuer: Vec<String>,

    /// What the claim `aud` must be or contain; one of several, separated by commas. Needed with
    /// `--auth-mode jwt`.
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    pub jwt_audience: Vec<String>,

    /// The claim that has the audience, where it is not `aud`: `client_id` for access tokens of AWS
    /// Cognito. `aud` is then not looked at.
    #[arg(
        long,
        value_name = "CLAIM",
        default_value = "aud",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    pub jwt_audience_claim: String,

    /// What a token's header `typ` may be, separated by commas; without `typ` a token counts as JWT.
    /// `at+jwt` alone takes access tokens as RFC 9068 has them and nothing else.
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "JWT,at+jwt"
    )]
    pub jwt_type: Vec<String>,

    /// Scopes that a token must have, all of them, in the claim `scope` or `scp`; separated by
    /// commas.
    #[arg(long, value_name = "SCOPES", value_delimiter = ',', value_parser = scope)]
    pub jwt_required_scope: Vec<String>,

    /// Signature algorithms that are accepted, separated by commas.
    #[arg(
        long,
        value_name = "ALGORITHMS",
        value_parser = algorithm(),
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA"
    )]
    pub jwt_algorithms: Vec<Algorithm>,

    /// Seconds by which the clocks of the identity provider and of this machine may differ.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds(0..=300))]
    pub jwt_leeway: Duration,

    /// How many verified tokens are remembered, so that their signatures are not checked again with
    /// every request: about as many as shoppers who use one gateway at a time. Each takes about 150
    /// bytes. With 0 every token is checked anew.
    #[arg(long, value_name = "COUNT", default_value_t = 65_536, value_parser = count(0..=1 << 23))]
    pub jwt_cache_tokens: usize,

    /// Seconds after which the keys are read again. An unknown key id has them read at once.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds(1..=86_400))]
    pub jwks_refresh: Duration,

    /// Seconds after which keys that could not be read again are used no more. Until then a failing
    /// identity provider keeps nobody out, and a key that it has removed may still count.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "86400",
        value_parser = seconds(1..=31_536_000)
    )]
    pub jwks_max_stale: Duration,

    /// File in which the last keys that a URL of `--jwks` served are kept, so that a gateway can start
    /// while the identity provider is out of reach. Whoever can write to it can sign in as anybody.
    #[arg(long, value_name = "FILE")]
    pub jwks_cache: Option<PathBuf>,
}

/// A scope as RFC 6749 has it (3.3), which a header can name without escapes.
fn scope(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if text.bytes().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(
        "a scope has visible ASCII without quotes and backslashes; separate scopes by commas"
            .into(),
    )
}
