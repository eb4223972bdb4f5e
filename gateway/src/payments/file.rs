//! The file of `--payment-providers`.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flashsale_domain::id::{JobId, SaleId};
use prometheus::Histogram;
use serde::Deserialize;
use url::Url;

use super::{
    caller::Caller, provider::Provider, signatures::Secrets, stripe::Stripe, webhook::Webhook,
};
use crate::config::{Hidden, is_loopback};

/// Secrets at a time: the one that signs, and the one before.
const MOST_SECRETS: usize = 2;

/// Shortest secret of signatures, in bytes: 128 bits. Standard Webhooks asks for 24 bytes.
const MIN_SECRET: usize = 16;

/// Largest file in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Stripe's payment methods whose money is there at once, where none are named.
const PAYMENT_METHODS: [&str; 1] = ["card"];

/// Why payment providers cannot be used as configured. No message shows a value of the file, since it has
/// secrets.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// The file cannot be read.
    #[error("--payment-providers: {path} cannot be read: {error}")]
    File {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is not YAML.
    #[error("--payment-providers: {0} is no YAML of names and providers")]
    Yaml(PathBuf),
    /// A field is missing, too much, or not what it should be.
    #[error("--payment-providers: {field}: {why}")]
    Field {
        /// Which, e.g. `stripe.secretKey`.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// No HTTP client could be made.
    #[error("no HTTP client could be set up for payment providers: {0}")]
    Client(#[from] reqwest::Error),
}

/// One provider of the file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    kind: Kind,
    return_url: String,
    webhook_secrets: Vec<String>,
    // Stripe:
    secret_key: Option<String>,
    api_url: Option<String>,
    payment_methods: Option<Vec<String>>,
    // A webhook:
    url: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stripe,
    Webhook,
}

/// A provider, and where its shoppers go afterwards.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    pub(super) provider: Provider,
    /// The same with turns of its own, so that shoppers who press for a session do not delay what is to be ended or
    /// refunded.
    pub(super) for_chores: Provider,
    pub(super) return_url: ReturnUrl,
}

/// An address with places for a sale and a job.
#[derive(Debug, Clone)]
pub(super) struct ReturnUrl(Arc<str>);

impl ReturnUrl {
    /// The address for this buy.
    pub(super) fn of(&self, sale: &SaleId, job: JobId) -> String {
        self.fill(sale.as_str(), &job.to_string())
    }

    fn fill(&self, sale: &str, job: &str) -> String {
        self.0.replace("{sale}", sale).replace("{jobId}", job)
    }
}

/// The providers of the file by name.
pub(super) fn read(
    path: &Path,
    seconds: &Histogram,
) -> Result<HashMap<String, Configured>, ProvidersError> {
    let unreadable = |error| ProvidersError::File {
        path: path.to_owned(),
        error,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let entries: BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(&text).map_err(|_| ProvidersError::Yaml(path.to_owned()))?;
    let providers = entries.into_iter().map(|(name, entry)| {
        let entry = Entry::read(&name, entry)?;
        let provider = Configured {
            return_url: entry.return_url(&name)?,
            provider: entry.provider(&name, seconds)?,
            for_chores: entry.provider(&name, seconds)?,
        };
        Ok((name, provider))
    });
    providers.collect()
}

impl Entry {
    fn read(name: &str, entry: serde_json::Value) -> Result<Self, ProvidersError> {
        let is_label = |text: &str| {
            let is_good =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=63).contains(&text.len())
                && text.bytes().all(is_good)
                && !text.starts_with('-')
                && !text.ends_with('-')
        };
        if !is_label(name) {
            let why = "a name has at most 63 characters of a-z, 0-9 and -, the latter within";
            return Err(field("", name, why));
        }
        serde_path_to_error::deserialize(entry).map_err(|error| {
            let path = error.path().to_string();
            let why = error.inner().to_string();
            // All other messages show the value.
            if why.starts_with("missing field") || why.starts_with("unknown field") {
                field("", name, &why)
            } else {
                field(
                    name,
                    &path,
                    "it is not of the right type, or no kind that is known; see docs/payments.md",
                )
            }
        })
    }

    fn return_url(&self, name: &str) -> Result<ReturnUrl, ProvidersError> {
        let return_url = ReturnUrl(self.return_url.as_str().into());
        web_url(name, "returnUrl", &return_url.fill("a", "a"))?;
        Ok(return_url)
    }

    fn provider(&self, name: &str, seconds: &Histogram) -> Result<Provider, ProvidersError> {
        let caller = Caller::new(seconds.clone())?;
        let name_owned = name.to_owned();
        Ok(match self.kind {
            Kind::Stripe => {
                if self.url.is_some() {
                    return Err(field(
                        name,
                        "url",
                        "only a provider of kind webhook has one",
                    ));
                }
                let api = self.api_url.as_deref().unwrap_or("https://api.stripe.com");
                let secret_key = self.secret_key.clone().filter(|key| is_visible(key));
                let methods = self.payment_methods.clone();
                Provider::Stripe(Arc::new(Stripe {
                    name: name_owned,
                    api: web_url(name, "apiUrl", api)?,
                    secret_key: secret_key.map(Hidden::from).ok_or_else(|| {
                        field(
                            name,
                            "secretKey",
                            "it is missing, or has other characters than visible ASCII",
                        )
                    })?,
                    secrets: secrets(name, &self.webhook_secrets, |text| Some(text.into()))?,
                    payment_methods: methods
                        .unwrap_or_else(|| PAYMENT_METHODS.map(str::to_owned).into()),
                    caller,
                }))
            }
            Kind::Webhook => {
                for (key, is_there) in [
                    ("secretKey", self.secret_key.is_some()),
                    ("apiUrl", self.api_url.is_some()),
                    ("paymentMethods", self.payment_methods.is_some()),
                ] {
                    if is_there {
                        return Err(field(name, key, "only a provider of kind stripe has it"));
                    }
                }
                let url = self
                    .url
                    .as_deref()
                    .ok_or_else(|| field(name, "url", "it is missing"))?;
                let decode = |text: &str| STANDARD.decode(text.strip_prefix("whsec_")?).ok();
                Provider::Webhook(Arc::new(Webhook {
                    name: name_owned,
                    url: web_url(name, "url", url)?,
                    secrets: secrets(name, &self.webhook_secrets, decode)?,
                    caller,
                }))
            }
        })
    }
}

fn secrets(
    name: &str,
    given: &[String],
    decode: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Secrets, ProvidersError> {
    let decoded = given
        .iter()
        .map(|text| decode(text).filter(|key| key.len() >= MIN_SECRET));
    let keys: Option<Vec<Vec<u8>>> = decoded.collect();
    match keys {
        Some(keys) if (1..=MOST_SECRETS).contains(&keys.len()) => {
            Ok(Secrets::new(keys.iter().map(Vec::as_slice)))
        }
        _ => Err(field(
            name,
            "webhookSecrets",
            "one secret as `whsec_…`, or two while it is changed, the new one first",
        )),
    }
}

/// An https address; http on this machine.
fn web_url(name: &str, key: &str, text: &str) -> Result<Url, ProvidersError> {
    let url = Url::parse(text).ok();
    let is_safe = |url: &Url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
    url.filter(is_safe).ok_or_else(|| {
        field(
            name,
            key,
            "it is no https URL (http is for this machine alone)",
        )
    })
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn field(name: &str, key: &str, why: &str) -> ProvidersError {
    ProvidersError::Field {
        field: if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        },
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use prometheus::{Histogram, HistogramOpts};

    use super::*;

    const STRIPE: &str = "\
pay:
  kind: stripe
  secretKey: sk_test_SECRET
  webhookSecrets: [whsec_SECRET_SECRET]
  returnUrl: https://shop.example.com/shop/{sale}?job={jobId}
";
    const OWN: &str = "\
own:
  kind: webhook
  url: https://pay.example.com/flashsale
  webhookSecrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]
  returnUrl: http://127.0.0.1:8080/
";

    fn parse(text: &str) -> Result<HashMap<String, Configured>, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let seconds = Histogram::with_opts(HistogramOpts::new("a", "b")).unwrap();
        read(file.path(), &seconds).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_has_providers_by_name() {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let providers = parse(&format!("{STRIPE}{OWN}")).unwrap();
        let Provider::Stripe(stripe) = &providers["pay"].provider else {
            panic!("{providers:?}");
        };
        assert_eq!(stripe.api.as_str(), "https://api.stripe.com/");
        assert_eq!(stripe.payment_methods, ["card"]);
        let job = JobId(uuid::Uuid::nil());
        let back = providers["pay"]
            .return_url
            .of(&SaleId::new("drop").unwrap(), job);
        assert_eq!(
            back,
            format!("https://shop.example.com/shop/drop?job={job}")
        );
        assert!(matches!(providers["own"].provider, Provider::Webhook(_)));
        assert!(!format!("{providers:?}").contains("SECRET"));
        assert!(parse("{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_by_its_field_and_without_its_value() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (from, to, told) in [
            ("kind: stripe", "kind: SECRET", "pay.kind"),
            ("  secretKey: sk_test_SECRET\n", "", "pay.secretKey"),
            ("sk_test_SECRET", "SEC RET", "pay.secretKey"),
            (
                "[whsec_SECRET_SECRET]",
                "whsec_SECRET_SECRET",
                "pay.webhookSecrets",
            ),
            ("[whsec_SECRET_SECRET]", "[]", "pay.webhookSecrets"),
            ("[whsec_SECRET_SECRET]", "[SECRET]", "pay.webhookSecrets"),
            ("https://shop", "http://shop", "pay.returnUrl"),
            ("  returnUrl", "  returnURL", "returnURL"),
            ("pay:", "Pay_SECRET:", "Pay_SECRET"),
            (
                "  kind",
                "  apiUrl: http://api.example.com\n  kind",
                "pay.apiUrl",
            ),
            ("  kind", "  url: https://a.example.com\n  kind", "pay.url"),
            ("pay:\n", "pay: SECRET\n", "no YAML"),
        ] {
            let error = parse(&STRIPE.replace(from, to)).unwrap_err();
            assert!(error.contains(told), "{to}: {error}");
            let is_shown = error.replace(told, "").contains("SECRET");
            assert!(!is_shown, "{error}");
        }
        for (from, to, told) in [
            ("whsec_", "", "own.webhookSecrets"),
            ("whsec_M", "whsec_*", "own.webhookSecrets"),
            ("  url: https://pay.example.com/flashsale\n", "", "own.url"),
            ("  kind", "  secretKey: a\n  kind", "own.secretKey"),
        ] {
            let error = parse(&OWN.replace(from, to)).unwrap_err();
            assert!(error.contains(told), "{to}: {error}");
        }
        let error = read(
            Path::new("/nowhere"),
            &Histogram::with_opts(HistogramOpts::new("a", "b")).unwrap(),
        );
        assert!(error.unwrap_err().to_string().contains("/nowhere"));
    }
}
