//! Who shoppers are.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::TypedValueParser};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SigningAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    #[value(name = "RS256")]
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    #[value(name = "RS384")]
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    #[value(name = "RS512")]
    Rs512,
    /// RSA PSS with SHA-256.
    #[value(name = "PS256")]
    Ps256,
    /// RSA PSS with SHA-384.
    #[value(name = "PS384")]
    Ps384,
    /// RSA PSS with SHA-512.
    #[value(name = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[value(name = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[value(name = "ES384")]
    Es384,
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDsa,
}

/// How shoppers are told apart.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct IdentityConfig {
    /// Whether shoppers must carry tokens.
    #[arg(long, env = "FLASHSALE_AUTH_MODE", value_enum, default_value = "jwt")]
    pub auth_mode: AuthMode,

    /// The keys that sign tokens, as a JSON Web Key Set: the path of a file, or an https URL.
    /// Needed with `--auth-mode jwt`.
    #[arg(long, env = "FLASHSALE_JWKS", value_name = "FILE|URL")]
    pub jwks: Option<String>,

    /// Directory with private certificates for TLS with the URL of `--jwks`: ca.crt (the authority
    /// that signed its certificate), tls.crt and tls.key (what is shown to it); each may be missing.
    /// Changed files are used the next time the keys are read.
    #[arg(long, env = "FLASHSALE_JWKS_TLS", value_name = "DIR")]
    pub jwks_tls: Option<PathBuf>,

    /// What the claim `iss` must be. Needed with `--auth-mode jwt`.
    #[arg(long, env = "FLASHSALE_JWT_ISSUER", value_name = "ISSUER")]
    pub jwt_issuer: Option<String>,

    /// What the claim `aud` must be or contain. Needed with `--auth-mode jwt`.
    #[arg(long, env = "FLASHSALE_JWT_AUDIENCE", value_name = "AUDIENCE")]
    pub jwt_audience: Option<String>,

    /// Signature algorithms that are accepted, separated by commas.
    #[arg(
        long,
        env = "FLASHSALE_JWT_ALGORITHMS",
        value_name = "ALGORITHMS",
        value_enum,
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA"
    )]
    pub jwt_algorithms: Vec<SigningAlgorithm>,

    /// Seconds by which the clocks of the identity provider and of this machine may differ.
    #[arg(
        long,
        env = "FLASHSALE_JWT_LEEWAY_SECONDS",
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(0..=300)
    )]
    pub jwt_leeway_seconds: u64,

    /// How many verified tokens are remembered, so that their signatures are not checked again with
    /// every request: about as many as shoppers who use one gateway at a time. Each takes about 150
    /// bytes. With 0 every token is checked anew.
    #[arg(
        long,
        env = "FLASHSALE_JWT_CACHE_TOKENS",
        value_name = "COUNT",
        default_value_t = 65_536,
        value_parser = cache_tokens()
    )]
    pub jwt_cache_tokens: usize,

    /// Seconds after which the keys are read again. An unknown key id has them read at once.
    #[arg(
        long,
        env = "FLASHSALE_JWKS_REFRESH_SECONDS",
        value_name = "SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub jwks_refresh_seconds: u64,
}

/// At most 8,388,608: more than a gigabyte.
fn cache_tokens() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32)
        .range(0..=1 << 23)
        .map(|count| count as usize)
}

impl IdentityConfig {
    /// After how long the keys are read again.
    #[must_use]
    pub fn jwks_refresh(&self) -> Duration {
        Duration::from_secs(self.jwks_refresh_seconds)
    }
}
