//! What a token must say besides being signed.

use std::fmt;

use flashsale_domain::id::UserId;
use jsonwebtoken::{Algorithm, Header};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    error::{IdentityError, rejected},
    verified::{KeyFingerprint, Shopper, Validity},
};

/// The type of a token without `typ`.
const DEFAULT_TYPE: &str = "jwt";

/// What media types begin with; a token's `typ` may leave it out (RFC 7515, 4.1.9).
const MEDIA_TYPE_PREFIX: &str = "application/";

/// What a token must fulfil besides its signature.
#[derive(Debug, Clone)]
pub(super) struct TokenRules {
    pub(super) issuer: String,
    /// One of them is in the claim.
    pub(super) audiences: Vec<String>,
    /// `aud`, or what takes its place.
    pub(super) audience_claim: String,
    /// A shared secret's are none: `--jwt-algorithms` takes public-key ones alone.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) leeway_seconds: u64,
    /// The types that a token may be of, in the form of [`plain_type`].
    pub(super) types: Vec<String>,
    /// All of them are in the claim `scope` or `scp`.
    pub(super) scopes: Vec<String>,
}

/// The claims of a token. A claim that is there twice makes the token malformed (RFC 7519, 4): the
/// identity provider and the gateway must not read different ones.
#[derive(Debug)]
struct Claims(Map<String, Value>);

impl TokenRules {
    /// Whether tokens may be signed by this algorithm.
    pub(super) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
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

    /// The shopper of a token that `key` has signed, by its claims in JSON, at `now`, in seconds since
    /// the Unix epoch.
    pub(super) fn shopper(
        &self,
        json: &[u8],
        key: KeyFingerprint,
        now: u64,
    ) -> Result<Shopper, IdentityError> {
        let claims = serde_json::from_slice(json).map_err(|_| rejected("it is malformed"))?;
        let until = self.check_times(&claims, now)?;
        if claims.text("iss")? != self.issuer {
            return Err(rejected("it is of another issuer"));
        }
        let subject = claims.text("sub")?;
        self.check_audience(&claims)?;
        self.check_scopes(&claims)?;
        let user =
            UserId::new(subject).map_err(|error| IdentityError::Subject(error.to_string()))?;
        Ok(Shopper {
            user,
            validity: Validity { until, key },
        })
    }

    /// The last second in which the token is accepted.
    fn check_times(&self, claims: &Claims, now: u64) -> Result<u64, IdentityError> {
        let until = claims
            .seconds("exp")?
            .ok_or_else(|| lacking("exp"))?
            .saturating_add(self.leeway_seconds);
        if until < now {
            return Err(rejected("it has expired"));
        }
        let from = claims.seconds("nbf")?.unwrap_or_default();
        if from > now.saturating_add(self.leeway_seconds) {
            return Err(rejected("it is not valid yet"));
        }
        Ok(until)
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), IdentityError> {
        let claim = &self.audience_claim;
        let found = claims.get(claim)?;
        if !members(found).iter().all(Value::is_string) {
            return Err(malformed(claim));
        }
        if texts(found).any(|audience| self.audiences.iter().any(|known| known == audience)) {
            return Ok(());
        }
        Err(rejected(format!("it is for another audience ({claim})")))
    }

    fn check_scopes(&self, claims: &Claims) -> Result<(), IdentityError> {
        let has = |wanted: &str| {
            let found = ["scope", "scp"].map(|name| claims.0.get(name));
            found
                .into_iter()
                .flatten()
                .flat_map(texts)
                .flat_map(str::split_whitespace)
                .any(|scope| scope == wanted)
        };
        if self.scopes.iter().all(|scope| has(scope)) {
            return Ok(());
        }
        Err(IdentityError::Scope(self.scopes.join(" ")))
    }
}

impl Claims {
    fn get(&self, name: &str) -> Result<&Value, IdentityError> {
        self.0.get(name).ok_or_else(|| lacking(name))
    }

    fn text(&self, name: &str) -> Result<&str, IdentityError> {
        self.get(name)?.as_str().ok_or_else(|| malformed(name))
    }

    /// A point in time in seconds since the Unix epoch, which some providers write with a fraction.
    fn seconds(&self, name: &str) -> Result<Option<u64>, IdentityError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = value
            .as_u64()
            .or_else(|| value.as_f64().and_then(whole_seconds));
        seconds.map(Some).ok_or_else(|| malformed(name))
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachOnce;

        impl<'de> Visitor<'de> for EachOnce {
            type Value = Claims;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = object.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }

        deserializer.deserialize_map(EachOnce)
    }
}

fn lacking(claim: &str) -> IdentityError {
    rejected(format!("it lacks the claim {claim}"))
}

fn malformed(claim: &str) -> IdentityError {
    rejected(format!("its claim {claim} is malformed"))
}

/// A token's type in lower case, without the media type's beginning.
pub(super) fn plain_type(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix(MEDIA_TYPE_PREFIX) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// The values of a claim that may be one or a list.
fn members(claim: &Value) -> &[Value] {
    match claim {
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

/// The texts of a claim that is a text or a list of texts.
fn texts(claim: &Value) -> impl Iterator<Item = &str> {
    members(claim).iter().filter_map(Value::as_str)
}

/// None where it is before the epoch or later than can be told.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]
fn whole_seconds(seconds: f64) -> Option<u64> {
    (0.0..u64::MAX as f64)
        .contains(&seconds)
        .then(|| seconds.round() as u64)
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
            algorithms: vec![Algorithm::EdDSA],
            leeway_seconds: 30,
            types: vec!["jwt".to_owned(), "at+jwt".to_owned()],
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }
    }

    const NOW: u64 = 1_000;

    fn good() -> Value {
        json!({ "sub": "ann", "exp": 1_000.4, "iss": "https://id.example.com/", "aud": "shop" })
    }

    fn read(rules: &TokenRules, json: &str) -> Result<Shopper, IdentityError> {
        rules.shopper(json.as_bytes(), KeyFingerprint(1), NOW)
    }

    fn shopper(rules: &TokenRules, more: &Value) -> Result<Shopper, IdentityError> {
        let mut claims = good();
        let more = more.as_object().unwrap().clone();
        claims.as_object_mut().unwrap().extend(more);
        read(rules, &claims.to_string())
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
        for bad in [
            json!("bank"),
            json!([]),
            json!(7),
            json!(null),
            json!(["shop", 7]),
        ] {
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
    fn a_token_is_good_from_its_start_to_its_end_give_or_take_the_leeway() {
        let rules = rules("aud", &[]);
        let until = |exp: Value| Ok(shopper(&rules, &json!({ "exp": exp }))?.validity.until);
        assert_eq!(until(json!(1_000.4)), Ok(1_030));
        assert_eq!(until(json!(970)), Ok(1_000));
        assert_eq!(until(json!(969)), Err(rejected("it has expired")));
        assert_eq!(until(json!(u64::MAX)), Ok(u64::MAX));
        let from = |nbf: Value| shopper(&rules, &json!({ "nbf": nbf })).map(drop);
        assert_eq!(from(json!(1_030)), Ok(()));
        assert_eq!(from(json!(1_030.4)), Ok(()));
        assert_eq!(from(json!(1_031)), Err(rejected("it is not valid yet")));
        assert_eq!(from(json!(u64::MAX)), Err(rejected("it is not valid yet")));
    }

    #[test]
    fn a_claim_of_the_wrong_type_is_refused() {
        for (claim, values) in [
            (
                "exp",
                vec![
                    json!("2000"),
                    json!(null),
                    json!(-1),
                    json!(1e300),
                    json!([2_000]),
                ],
            ),
            ("nbf", vec![json!("0"), json!(null), json!(-0.5), json!({})]),
            (
                "iss",
                vec![json!(null), json!(7), json!(["https://id.example.com/"])],
            ),
            ("sub", vec![json!(null), json!(7), json!(["ann"])]),
            (
                "aud",
                vec![
                    json!(null),
                    json!(7),
                    json!(["shop", 7]),
                    json!({ "shop": 1 }),
                ],
            ),
        ] {
            for value in values {
                let refused = shopper(&rules("aud", &[]), &json!({ claim: value })).unwrap_err();
                let expected = rejected(format!("its claim {claim} is malformed"));
                assert_eq!(refused, expected, "{claim}: {value}");
            }
        }
    }

    #[test]
    fn a_claim_that_is_missing_is_refused() {
        for claim in ["exp", "iss", "sub", "aud"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(claim);
            let refused = read(&rules("aud", &[]), &claims.to_string()).unwrap_err();
            assert_eq!(refused, rejected(format!("it lacks the claim {claim}")));
        }
    }

    #[test]
    fn a_claim_that_is_there_twice_is_refused_even_with_equal_values() {
        let rules = rules("aud", &["buy"]);
        let good = good().to_string();
        let with = |more: &str| read(&rules, &format!("{},{more}}}", good.trim_end_matches('}')));
        let scope = r#""scope":"buy""#;
        assert!(with(scope).is_ok());
        for more in [
            r#""sub":"ann""#,
            // The same name, written in another way.
            r#""\u0073ub":"bob""#,
            r#""exp":2000"#,
            r#""iss":"https://id.example.com/""#,
            r#""aud":"shop""#,
            r#""nbf":0,"nbf":0"#,
            scope,
            r#""unheard":1,"unheard":2"#,
        ] {
            let refused = with(&format!("{scope},{more}")).unwrap_err();
            assert_eq!(refused, rejected("it is malformed"), "{more}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_even_in_claims_that_nobody_reads() {
        let rules = rules("aud", &[]);
        let good = good().to_string();
        for bad in [
            String::new(),
            "[]".to_owned(),
            format!("{good}{good}"),
            format!("[{good}]"),
            good.replacen('{', r#"{"unheard":"\ud800","#, 1),
            good.replacen('{', r#"{"unheard":1e400,"#, 1),
        ] {
            assert_eq!(
                read(&rules, &bad),
                Err(rejected("it is malformed")),
                "{bad}"
            );
        }
        let mut bytes = good.replacen('{', r#"{"unheard":"?","#, 1).into_bytes();
        let place = bytes.iter().position(|byte| *byte == b'?').unwrap();
        assert!(rules.shopper(&bytes, KeyFingerprint(1), NOW).is_ok());
        bytes[place] = 0xff;
        assert!(rules.shopper(&bytes, KeyFingerprint(1), NOW).is_err());
    }

    #[test]
    fn the_issuer_and_one_audience_are_as_configured() {
        let rules = rules("aud", &[]);
        assert!(shopper(&rules, &json!({ "aud": ["bank", "kiosk"] })).is_ok());
        for (claim, value) in [
            ("iss", json!("https://id.example.com")),
            ("aud", json!("Shop")),
            ("aud", json!(["bank"])),
            ("aud", json!([])),
        ] {
            let refused = shopper(&rules, &json!({ claim: value })).unwrap_err();
            assert!(matches!(refused, IdentityError::Rejected(_)), "{claim}");
        }
    }

    #[test]
    fn a_subject_that_cannot_be_a_user_id_is_told_apart_from_a_bad_token() {
        for subject in ["ann smith", "Zoë", "", "a}:x"] {
            let refused = shopper(&rules("aud", &[]), &json!({ "sub": subject })).unwrap_err();
            assert!(matches!(refused, IdentityError::Subject(_)), "{subject}");
        }
    }
}
