//! A JSON Web Key Set and what its keys say of a token.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::{
    claims::TokenRules,
    error::{IdentityError, rejected},
    signatures::PublicKey,
    verified::{KeyFingerprint, Shopper},
};
use crate::unix_time::unix_seconds;

/// Most keys of one set that are used; real sets have a few.
const MAX_KEYS: usize = 32;

/// What a key set says of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is this shopper's.
    Accepted(Shopper),
    /// It does not count.
    Refused(IdentityError),
    /// It names a key that this set does not have; a newer one may.
    UnknownKey(String),
}

/// Keys that can check tokens.
#[derive(Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    fingerprint: KeyFingerprint,
    public: PublicKey,
    /// Those that it serves and tokens may be signed by, at least one.
    algorithms: Vec<Algorithm>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The text is not a key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("not a JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    #[error("no key in the set fits --jwt-algorithms")]
    NoUsableKey,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a key set. Keys of unknown kinds, for encryption or for other algorithms are passed
    /// over, as RFC 7517 asks.
    pub(super) fn parse(json: &[u8], rules: &TokenRules) -> Result<Self, KeySetError> {
        let raw: RawSet = serde_json::from_slice(json)?;
        let mut keys: Vec<Key> = Vec::new();
        let read = raw
            .keys
            .into_iter()
            .filter_map(|key| Jwk::deserialize(key).ok());
        for key in read.filter_map(|key| usable(&key, rules)).take(MAX_KEYS) {
            if !keys
                .iter()
                .any(|known| known.fingerprint == key.fingerprint)
            {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this key is one of the set.
    pub(super) fn has(&self, key: KeyFingerprint) -> bool {
        self.0.iter().any(|known| known.fingerprint == key)
    }

    /// Checks a token by the key that it names. A token that names none is checked only where a
    /// single key fits its algorithm: otherwise everybody could have a request cost as many
    /// signature checks as there are keys.
    pub(super) fn judge(&self, token: &str, rules: &TokenRules) -> Verdict {
        let Ok(header) = decode_header(token) else {
            return refused("it is malformed, or signed by an algorithm that nobody should use");
        };
        if let Err(error) = rules.check_header(&header) {
            return Verdict::Refused(error);
        }
        let id = header.kid.as_ref();
        let is_named = |key: &&Key| id.is_none() || key.id.as_ref() == id;
        if let Some(id) = id
            && !self.0.iter().any(|key| is_named(&key))
        {
            return Verdict::UnknownKey(id.clone());
        }
        let named = self.0.iter().filter(is_named);
        let mut fitting = named.filter(|key| key.algorithms.contains(&header.alg));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => match key.judge(token, header.alg, rules) {
                Ok(shopper) => Verdict::Accepted(shopper),
                Err(error) => Verdict::Refused(error),
            },
            (None, _) => refused("its algorithm is not allowed"),
            (Some(_), Some(_)) if id.is_none() => refused(
                "it does not say which key signed it (kid), and several keys fit its algorithm",
            ),
            (Some(_), Some(_)) => refused("several keys have the id that it names (kid)"),
        }
    }
}

impl Key {
    /// Checks a token of three parts that names this algorithm, which is one of the key's. Its claims
    /// are read only if the signature is right: whoever cannot sign has nothing else looked at.
    fn judge(
        &self,
        token: &str,
        algorithm: Algorithm,
        rules: &TokenRules,
    ) -> Result<Shopper, IdentityError> {
        let malformed = || rejected("it is malformed");
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (_, claims) = message.rsplit_once('.').ok_or_else(malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        self.public
            .check(algorithm, message.as_bytes(), &signature)
            .map_err(|_| rejected("its signature is wrong"))?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| malformed())?;
        rules.shopper(&claims, self.fingerprint, unix_seconds())
    }
}

fn refused(why: &str) -> Verdict {
    Verdict::Refused(rejected(why))
}

fn usable(jwk: &Jwk, rules: &TokenRules) -> Option<Key> {
    let signs = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let declared = match jwk.common.key_algorithm {
        Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
        None => None,
    };
    let algorithms: Vec<Algorithm> = fitting_algorithms(&jwk.algorithm)
        .iter()
        .copied()
        .filter(|algorithm| declared.is_none_or(|declared| declared == *algorithm))
        .filter(|algorithm| rules.allows(*algorithm))
        .collect();
    let first = *algorithms.first().filter(|_| signs)?;
    let public = PublicKey::new(&DecodingKey::from_jwk(jwk).ok()?, first)?;
    Some(Key {
        id: jwk.common.key_id.clone(),
        fingerprint: fingerprint(jwk, rules)?,
        public,
        algorithms,
    })
}

/// Of what the key consists of and of the issuer whose key it is, but not of what else is said of it,
/// such as its certificates, which are renewed.
fn fingerprint(jwk: &Jwk, rules: &TokenRules) -> Option<KeyFingerprint> {
    let Jwk { common, algorithm } = jwk;
    let parts = (
        &rules.issuer,
        &common.key_id,
        common.key_algorithm,
        algorithm,
    );
    let digest = digest(&SHA256, &serde_json::to_vec(&parts).ok()?);
    let first = digest.as_ref().first_chunk().copied()?;
    Some(KeyFingerprint(u64::from_le_bytes(first)))
}

/// The algorithms that a key of this type can serve. A shared secret serves none.
fn fitting_algorithms(key: &AlgorithmParameters) -> &'static [Algorithm] {
    match key {
        AlgorithmParameters::RSA(_) => &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            &[Algorithm::ES256]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            &[Algorithm::ES384]
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> TokenRules {
        TokenRules {
            issuer: "https://id.example.com/".to_owned(),
            audiences: vec!["shop".to_owned()],
            audience_claim: "aud".to_owned(),
            algorithms: vec![Algorithm::EdDSA, Algorithm::RS256],
            leeway_seconds: 0,
            types: vec!["jwt".to_owned()],
            scopes: Vec::new(),
        }
    }

    #[test]
    fn keys_of_no_use_are_passed_over() {
        let set = br#"{"keys":[
            {"kty":"oct","k":"c2VjcmV0","alg":"HS256"},
            {"kty":"AKP","alg":"ML-DSA-44","pub":"AA"},
            {"kty":"RSA","n":"AQAB","e":"AQAB"},
            {"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty":"OKP","crv":"Ed25519","kid":"good","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
        ]}"#;
        let set = KeySet::parse(set, &rules()).unwrap();
        assert_eq!(set.len(), 1);
        assert_eq!(set.0[0].id.as_deref(), Some("good"));
    }

    #[test]
    fn a_set_without_a_usable_key_is_refused() {
        let secret = br#"{"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]}"#;
        assert!(KeySet::parse(secret, &rules()).is_err());
        assert!(KeySet::parse(b"<html>", &rules()).is_err());
    }
}
