//! What a token must say besides being signed.

use flashsale_core::id::UserId;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    IdentityError, rejected,
    verified::{KeyFingerprint, Shopper, Validity},
};
use crate::config::SigningAlgorithm;

/// The type of a token without `typ`.
const DEFAULT_TYPE: &str = "jwt";

/// What media types begin with; a token's `typ` may leave it out (RFC 7515, 4.1.9).
const MEDIA_TYPE_PREFIX: &str = "application/";

/// The claim in which audiences usually are.
const AUDIENCE: &str = "aud";

/// What a token must fulfil besides its signature.
#[derive(Debug, Clone)]
pub(super) struct TokenRules {
    pub(super) issuer: String,
    /// One of them is in the claim.
    pub(super) audiences: Vec<String>,
    /// `aud`, or what takes its place.
    pub(super) audience_claim: String,
    /// A shared secret's are none: see [`SigningAlgorithm`].
    pub(super) algorithms: Vec<SigningAlgorithm>,
    pub(super) leeway_seconds: u64,
    /// The types that a token may be of, in the form of [`plain_type`].
    pub(super) types: Vec<String>,
    /// All of them are in the claim `scope` or `scp`.
    pub(super) scopes: Vec<String>,
}

/// The claims that are read here; the library has checked `iss`, `exp`, `nbf` and `aud`.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: String,
    /// A number of seconds, which some providers write with a fraction.
    exp: f64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl TokenRules {
    /// What the library checks of a token that is signed by one of `algorithms`; none without one.
    pub(super) fn validation(&self, algorithms: Vec<Algorithm>) -> Option<Validation> {
        let mut validation = Validation::new(*algorithms.first()?);
        validation.algorithms = algorithms;
        validation.leeway = self.leeway_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        if self.audience_claim == AUDIENCE {
            validation.set_audience(&self.audiences);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        } else {
            validation.validate_aud = false;
            validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        }
        Some(validation)
    }

    /// Whether tokens may be signed by this algorithm.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        let mut allowed = self.algorithms.iter();
        allowed.any(|allowed| library_name(*allowed) == algorithm)
    }

    /// Checks what the header says, before anything is spent on the signature.
    pub(super) fn check_header(&self, header: &Header) -> Result<(), IdentityError> {
        if header.crit.is_some() {
            return Err(rejected(
                "its header demands an extension that is not known",
            ));
        }
        if !self.allows(header.alg) {
            return Err(rejected("its algorithm is not allowed"));
        }
        let of_token = header
            .typ
            .as_deref()
            .map_or(DEFAULT_TYPE.into(), plain_type);
        if !self.types.contains(&of_token) {
            return Err(rejected(format!(
                "it is of the type {of_token:?}, not one of --jwt-type"
            )));
        }
        Ok(())
    }

    /// The shopper of claims that the library has checked.
    pub(super) fn shopper(
        &self,
        claims: Claims,
        key: KeyFingerprint,
    ) -> Result<Shopper, IdentityError> {
        self.check_audience(&claims.others)?;
        self.check_scopes(&claims.others)?;
        let user =
            UserId::new(claims.sub).map_err(|error| IdentityError::Subject(error.to_string()))?;
        let until = whole_seconds(claims.exp).saturating_add(self.leeway_seconds);
        Ok(Shopper {
            user,
            validity: Validity { until, key },
        })
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), IdentityError> {
        let claim = &self.audience_claim;
        if claim == AUDIENCE {
            return Ok(());
        }
        let mut found = texts(claims.get(claim)).peekable();
        if found.peek().is_none() {
            return Err(rejected(format!("it lacks the claim {claim}")));
        }
        if found.any(|audience| self.audiences.iter().any(|known| known == audience)) {
            return Ok(());
        }
        Err(rejected(format!("it is for another audience ({claim})")))
    }

    fn check_scopes(&self, claims: &Map<String, Value>) -> Result<(), IdentityError> {
        let has = |wanted: &str| {
            let found = ["scope", "scp"].map(|name| texts(claims.get(name)));
            found
                .into_iter()
                .flatten()
                .flat_map(str::split_whitespace)
                .any(|scope| scope == wanted)
        };
        if self.scopes.iter().all(|scope| has(scope)) {
            return Ok(());
        }
        Err(IdentityError::Scope(self.scopes.join(" ")))
    }
}

fn library_name(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Rs256 => Algorithm::RS256,
        SigningAlgorithm::Rs384 => Algorithm::RS384,
        SigningAlgorithm::Rs512 => Algorithm::RS512,
        SigningAlgorithm::Ps256 => Algorithm::PS256,
        SigningAlgorithm::Ps384 => Algorithm::PS384,
        SigningAlgorithm::Ps512 => Algorithm::PS512,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Es384 => Algorithm::ES384,
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// A token's type in lower case, without the media type's beginning.
pub(super) fn plain_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix(MEDIA_TYPE_PREFIX) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// A claim that is a text or a list of texts.
fn texts(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match claim {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// Rounded as the library rounds it that has checked the claim.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_seconds(seconds: f64) -> u64 {
    // A cast of a number that does not fit gives the nearest that does.
    seconds.round() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(audience_claim: &str, scopes: &[&str]) -> TokenRules {
        TokenRules {
            issuer: "https://id.example.com/".to_owned(),
            audiences: vec!["shop".to_owned(), "kiosk".to_owned()],
            audience_claim: audience_claim.to_owned(),
            algorithms: vec![SigningAlgorithm::EdDsa],
            leeway_seconds: 30,
            types: vec!["jwt".to_owned(), "at+jwt".to_owned()],
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }
    }

    fn shopper(rules: &TokenRules, more: &Value) -> Result<Shopper, IdentityError> {
        let mut claims = json!({ "sub": "ann", "exp": 100.4 });
        let more = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(more);
        rules.shopper(serde_json::from_value(claims).unwrap(), KeyFingerprint(1))
    }

    #[test]
    fn a_token_is_of_one_of_the_types() {
        let rules = rules("aud", &[]);
        let check = |typ: Option<&str>| {
            let mut header = Header::new(Algorithm::EdDSA);
            header.typ = typ.map(str::to_owned);
            rules.check_header(&header).is_ok()
        };
        for good in [
            None,
            Some("JWT"),
            Some("at+jwt"),
            Some("application/AT+jwt"),
        ] {
            assert!(check(good), "{good:?}");
        }
        for bad in [Some("logout+jwt"), Some("dpop+jwt"), Some("")] {
            assert!(!check(bad), "{bad:?}");
        }
    }

    #[test]
    fn another_claim_may_take_the_place_of_the_audience() {
        let rules = rules("client_id", &[]);
        for good in [json!("shop"), json!(["bank", "kiosk"])] {
            assert!(
                shopper(&rules, &json!({ "client_id": good })).is_ok(),
                "{good}"
            );
        }
        for bad in [json!("bank"), json!([]), json!(7), json!(null)] {
            let claims = json!({ "client_id": bad, "aud": "shop" });
            let refused = shopper(&rules, &claims).unwrap_err();
            assert!(matches!(refused, IdentityError::Rejected(_)), "{bad}");
        }
    }

    #[test]
    fn all_required_scopes_are_there_in_either_claim() {
        let rules = rules("aud", &["buy", "read"]);
        for good in [
            json!({ "scope": "openid buy read" }),
            json!({ "scp": ["read", "buy"] }),
            json!({ "scope": "buy", "scp": "read" }),
        ] {
            assert!(shopper(&rules, &good).is_ok(), "{good}");
        }
        for bad in [
            json!({}),
            json!({ "scope": "buy" }),
            json!({ "scope": "buyread" }),
        ] {
            let refused = shopper(&rules, &bad).unwrap_err();
            assert_eq!(
                refused,
                IdentityError::Scope("buy read".to_owned()),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_token_ends_after_its_leeway() {
        let shopper = shopper(&rules("aud", &[]), &json!({})).unwrap();
        assert_eq!(shopper.validity.until, 130);
    }

    #[test]
    fn a_subject_that_cannot_be_a_user_id_is_told_apart_from_a_bad_token() {
        for subject in ["ann smith", "Zoë", "", "a}:x"] {
            let refused = shopper(&rules("aud", &[]), &json!({ "sub": subject })).unwrap_err();
            assert!(matches!(refused, IdentityError::Subject(_)), "{subject}");
        }
    }
}
