//! Who may buy in sales that ask for a pass.

use std::time::Duration;

use clap::{Args, ValueEnum};
use url::Url;

use super::{
    flags::{http_url, number, seconds},
    hidden::Hidden,
};

/// Shortest secret, in characters: 32 of hexadecimal digits are 128 bits.
const MIN_SECRET: usize = 32;

/// Secrets at a time: the one that signs, and the one before.
const MOST_SECRETS: usize = 2;

/// How passes are issued and checked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Passes")]
pub struct PassConfig {
    /// Secret that passes are signed with, the same for all gateways: at least 32 visible ASCII
    /// characters. Two, separated by a comma, while it is being changed: the first signs, both are
    /// accepted. Default: one that is made at each start, which is good for one gateway alone.
    #[arg(long, value_name = "SECRETS", hide_env_values = true)]
    pub pass_secret: Option<Hidden>,

    /// Seconds that a pass is good.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "1800",
        value_parser = seconds(60..=86_400)
    )]
    pub pass_lifetime: Duration,

    /// Who approves of a shopper before they get a pass.
    #[arg(long, value_name = "VERIFIER", default_value = "proof-of-work")]
    pub pass_verifier: VerifierKind,

    /// Zero bits that a proof of work begins with: one more doubles the work. 18 are about a second
    /// on a phone.
    #[arg(long, value_name = "BITS", default_value_t = 18, value_parser = number(1..=32))]
    pub pass_difficulty: u32,

    /// Where an external verifier is asked, e.g.
    /// `https://challenges.cloudflare.com/turnstile/v0/siteverify`.
    #[arg(
        long,
        value_name = "URL",
        value_parser = parse_url,
        required_if_eq("pass_verifier", "site-verify")
    )]
    pub pass_verify_url: Option<Url>,

    /// The secret that the external verifier knows this shop by.
    #[arg(
        long,
        value_name = "SECRET",
        hide_env_values = true,
        required_if_eq("pass_verifier", "site-verify")
    )]
    pub pass_verify_secret: Option<Hidden>,

    /// The key by which pages show the widget of the external verifier. It is no secret.
    #[arg(long, value_name = "KEY")]
    pub pass_site_key: Option<String>,
}

/// Who approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifierKind {
    /// The gateway, of whoever has worked for it.
    ProofOfWork,
    /// A service with the interface of Cloudflare Turnstile, hCaptcha and reCAPTCHA.
    SiteVerify,
}

/// Secrets that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--pass-secret (FLASHSALE_PASS_SECRET) must be one or two secrets of at least {MIN_SECRET} \
     visible ASCII characters each, separated by a comma; make one with: openssl rand -hex 32"
)]
pub struct BadPassSecret;

impl PassConfig {
    /// The secrets, the one that signs first; none where none is given.
    pub fn secrets(&self) -> Result<Vec<&str>, BadPassSecret> {
        let given = self.pass_secret.as_ref().map_or("", Hidden::reveal);
        if given.is_empty() {
            return Ok(Vec::new());
        }
        let secrets: Vec<&str> = given.split(',').collect();
        let is_good = |secret: &&str| {
            secret.len() >= MIN_SECRET && secret.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if secrets.len() > MOST_SECRETS || !secrets.iter().all(is_good) {
            return Err(BadPassSecret);
        }
        Ok(secrets)
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    http_url(text).ok_or_else(|| format!("`{text}` is no http or https URL"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        pass: PassConfig,
    }

    fn parse(arguments: &[&str]) -> Result<PassConfig, String> {
        let arguments = [&["gateway"], arguments].concat();
        Arguments::try_parse_from(arguments)
            .map(|arguments| arguments.pass)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn there_are_at_most_two_long_secrets() {
        let (new, old) = ("n".repeat(32), "o".repeat(40));
        let config = |secret: &str| parse(&["--pass-secret", secret]).unwrap();
        assert_eq!(config("").secrets(), Ok(vec![]));
        assert_eq!(config(&new).secrets(), Ok(vec![&*new]));
        let both = format!("{new},{old}");
        assert_eq!(config(&both).secrets(), Ok(vec![&*new, &*old]));
        for bad in [
            "short".to_owned(),
            format!("{new},"),
            format!("{both},{new}"),
            format!("{new} {old}"),
        ] {
            assert_eq!(config(&bad).secrets(), Err(BadPassSecret), "{bad}");
        }
        assert!(!format!("{:?}", config(&new)).contains(&new));
    }

    #[test]
    fn an_external_verifier_has_an_address_and_a_secret() {
        let error = parse(&["--pass-verifier=site-verify"]).unwrap_err();
        assert!(error.contains("--pass-verify-url"), "{error}");
        assert!(error.contains("--pass-verify-secret"), "{error}");
        let error = parse(&["--pass-verify-url=verifier"]).unwrap_err();
        assert!(error.contains("no http or https URL"), "{error}");
    }
}
