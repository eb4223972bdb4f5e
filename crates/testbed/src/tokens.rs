//! An identity provider made of keys that sign whatever a test or the bench says.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    error::{KeyRejected, Unspecified},
    hmac,
    rand::SystemRandom,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding,
        RsaKeyPair, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};

/// The claim `iss` of [`claims`].
pub const ISSUER: &str = "https://id.example.com/";

/// The claim `aud` of [`claims`].
pub const AUDIENCE: &str = "shop";

/// Seconds for which [`claims`] are valid.
const LIFETIME_SECONDS: u64 = 600;

/// A private RSA key of 2048 bits, PKCS#8; made for tests and used nowhere else.
const RSA_KEY: &str = "\
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDGZB481FrMwe2L\
QOEL3SmeuL9WSqKDGFcZIwt+D8w6Ojz1T3ki1WpDfW4HahLRaVlzWLSww72UM0A2\
+JbzKqHV8eItmoXLpijq+eJZCDZ2QbmCaVWIiOYmWa4Q+IjYMtnSYK9Ck3pgFH32\
8SL/KkYcCJURTcdEkorE2gCAxJ4Rn/aJ11s5D18yDj5G9u7hrGI3H6fnm8hMVt5P\
Gy4cDG3HeSsTAJOyk4pyY+iSdUvHrhOXmZaUKGzJkDdN5WFjoFt/X36L9W2U5tYG\
QWWMe0wzNiAJFs3qcawp5VN/HtBuHtUo+347khWo0ApjYRb3rRfRav2W/QZlEHEg\
YYr3+MJJAgMBAAECggEAF7ouaB/NLsdEV+bl639zXHtzzdgeDOAGvbfEZnqw9idU\
NlIflqgP3hvEorAf6UoIY9xgevIkLLL++3wagKFxCteTsZjVJuy74NOLS9LowZa9\
f0CGFW7rGLvZzseMxU+6n7fGykd9Z7uXr6a6JOqrSSvJGVFUM2oz3NSGYiAx2AFT\
tj9i0IHn81tbKTbRsJy4jKFISAeYP7Mqjn9rE3AxGP3l5/StH9W41AEvjvpAE2qu\
iDQUs9PzAveTeVILy9SausAJzLGbDqZI/z38+5c55GjPBTjCWuYRch2cVcJPY/1L\
wc5qkGuSvWfiohu8+6k40qZpUHG82SQcmBbJj6pmIQKBgQD1gVghr/kTU4EvSMNb\
IY7eUm9VyefBza3i5y+z6zA2cZ2XhZZX7EjlZQe2ttwAx/6en32eMi2lhqc9xkui\
Sg9dUTbdI+/s5CZV/7W+Lv7t3MgEuRA7/TNfp0+dkcO+ksm85hmhLmMsoEPBxQf0\
DlNHIfRQtFhh9uPgody63twlqQKBgQDO3y+ZfyJ42eH69ynomPQoPVHMjCAhxfcz\
VypmcJbTs5QHJN1lrqRXremQtj6+N3+cQ5KV2hjlnT0vPm5wPXnmUnw1QjQLXkrg\
FqXXJ1PHnp3HC+sqQHtqoTHB+7jG7l0PX8kbUALVUr/YgqO/RUSmxgAGDNXP1ifF\
nVm3TlJboQKBgBvtRbg3S08OfbCCR26zZ4wUtoN8vzdFjVU1VTDTPR3EWNfmo06H\
G1e04WbAcFBKb8VdgS2gqZ6draKSTwI8CHlmBqarMtywq0e3GdZzhB5MshgPcTBR\
wilMX/sdnLWt/vLU/e9e1ns6E9sT7a6ufnyl+SPBEBi8u/lOkExVk5dZAoGAdrZM\
smDqfz9JFqNPQVLEiXLmxeKDbd4UhTm38yEY7FNY1uCoy/j0Bfye05RBXRar/Bgq\
viNxthINUlcZOP+OPEWJUWa0RvHNNdrJQDYpNZwoHlkQkiZ+rCnkS9UPq9iNPo1Q\
8oNvnMrnnG8bWF9/jdSBnvcumx3hpN0u5qnjSQECgYEA4Yp0tbEC2ztGkIjfK4h4\
Dx0bTMWGtwsRTJ9Hsi/GAnLUSHHrZ6UUCRteG2nIf6kIYpJMw0+PlUS/2WJJRrvL\
Vr/wIIwZ3KpO7ypdE5i7LwBMHHjlhENcoGgRrjunPCeUbpaz7kVWOU81Y63/ToJa\
5I28JEWjfkaYPQs7RsLqF4Y=";

/// Why a key or a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The private key is not one of its algorithm.
    #[error("the signing key cannot be used: {0}")]
    Key(KeyRejected),
    /// The system has no random numbers, or signing failed.
    #[error("a token could not be signed")]
    Sign,
    /// The private key or a signature is no base64.
    #[error("a key or a signature is no base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// The text is no token.
    #[error("a token without a signature")]
    Unsigned,
    /// The signature is another key's, or of another message.
    #[error("the signature is wrong")]
    Signature,
    /// There are keys for other algorithms only.
    #[error("{0} is not an algorithm that test keys sign by")]
    Algorithm(String),
}

impl From<KeyRejected> for TokenError {
    fn from(error: KeyRejected) -> Self {
        Self::Key(error)
    }
}

impl From<Unspecified> for TokenError {
    fn from(_: Unspecified) -> Self {
        Self::Sign
    }
}

/// One signing key.
#[derive(Debug)]
pub struct SigningKey {
    id: Option<String>,
    algorithm: &'static str,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

/// The public half of a [`SigningKey`]: checks signatures and nothing else, which is the least that
/// any check of a token costs.
#[derive(Debug)]
pub enum PublicKey {
    /// A point on a curve.
    Curve(UnparsedPublicKey<Vec<u8>>),
    /// An RSA modulus and exponent.
    Rsa(RsaPublicKeyComponents<Vec<u8>>, &'static RsaParameters),
}

impl PublicKey {
    /// Whether the key has signed the message.
    pub fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        let checked = match self {
            Self::Curve(key) => key.verify(message, signature),
            Self::Rsa(key, parameters) => key.verify(parameters, message, signature),
        };
        checked.map_err(|Unspecified| TokenError::Signature)
    }
}

impl SigningKey {
    /// The Ed25519 key of this seed.
    pub fn ed25519(id: &str, seed: u8) -> Result<Self, TokenError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32])?;
        Ok(Self::new(id, "EdDSA", Pair::Ed25519(pair)))
    }

    /// A new key on P-256.
    pub fn p256(id: &str) -> Result<Self, TokenError> {
        let pair = ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self::new(id, "ES256", Pair::Ecdsa(pair)))
    }

    /// A new key on P-384.
    pub fn p384(id: &str) -> Result<Self, TokenError> {
        let pair = ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)?;
        Ok(Self::new(id, "ES384", Pair::Ecdsa(pair)))
    }

    /// The one RSA key there is, signing by `RS256`, …, `PS512`.
    pub fn rsa(id: &str, algorithm: &str) -> Result<Self, TokenError> {
        let (algorithm, encoding): (_, &'static dyn RsaEncoding) = match algorithm {
            "RS256" => ("RS256", &signature::RSA_PKCS1_SHA256),
            "RS384" => ("RS384", &signature::RSA_PKCS1_SHA384),
            "RS512" => ("RS512", &signature::RSA_PKCS1_SHA512),
            "PS256" => ("PS256", &signature::RSA_PSS_SHA256),
            "PS384" => ("PS384", &signature::RSA_PSS_SHA384),
            "PS512" => ("PS512", &signature::RSA_PSS_SHA512),
            other => return Err(TokenError::Algorithm(other.to_owned())),
        };
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(RSA_KEY)?)?;
        Ok(Self::new(id, algorithm, Pair::Rsa(pair, encoding)))
    }

    fn new(id: &str, algorithm: &'static str, pair: Pair) -> Self {
        Self {
            id: Some(id.to_owned()),
            algorithm,
            pair,
        }
    }

    /// The same key without a key id, in the key set and in its tokens.
    #[must_use]
    pub fn without_id(self) -> Self {
        Self { id: None, ..self }
    }

    /// The public half, as a JSON Web Key.
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) })
            }
            Pair::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Pair::Rsa(pair, _) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encode(public.n), "e": encode(public.e) })
            }
        };
        key["alg"] = self.algorithm.into();
        if let Some(id) = &self.id {
            key["kid"] = id.as_str().into();
        }
        key
    }

    /// What checks the signatures of this key.
    pub fn verifier(&self) -> PublicKey {
        match &self.pair {
            Pair::Ed25519(pair) => {
                let point = pair.public_key().as_ref().to_vec();
                PublicKey::Curve(UnparsedPublicKey::new(&signature::ED25519, point))
            }
            Pair::Ecdsa(pair) => {
                let point = pair.public_key().as_ref().to_vec();
                let algorithm = if self.algorithm == "ES256" {
                    &signature::ECDSA_P256_SHA256_FIXED
                } else {
                    &signature::ECDSA_P384_SHA384_FIXED
                };
                PublicKey::Curve(UnparsedPublicKey::new(algorithm, point))
            }
            Pair::Rsa(pair, _) => PublicKey::Rsa(pair.public().into(), self.rsa_parameters()),
        }
    }

    fn rsa_parameters(&self) -> &'static RsaParameters {
        match self.algorithm {
            "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
            "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
            "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
            "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
            _ => &signature::RSA_PKCS1_2048_8192_SHA256,
        }
    }

    /// The header of a token that this key signs.
    pub fn header(&self) -> Value {
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm });
        if let Some(id) = &self.id {
            header["kid"] = id.as_str().into();
        }
        header
    }

    /// A good token of this shopper.
    pub fn token(&self, user: &str) -> Result<String, TokenError> {
        self.sign(&claims(user))
    }

    /// A token of any claims.
    pub fn sign(&self, claims: &Value) -> Result<String, TokenError> {
        self.sign_with(&self.header(), claims)
    }

    /// A token of any header and claims.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> Result<String, TokenError> {
        let message = message(header, claims);
        let signature = self.pair.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", encode(signature)))
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ecdsa(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                signature
            }
        })
    }
}

/// The claims of a good token of this shopper, valid for ten minutes.
pub fn claims(user: &str) -> Value {
    let now = unix_seconds();
    let end = now + LIFETIME_SECONDS;
    json!({ "sub": user, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": end })
}

/// The key set of these keys, as an identity provider serves it.
pub fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
    json!({ "keys": keys }).to_string()
}

/// What is signed of a token, and its signature.
pub fn split(token: &str) -> Result<(&[u8], Vec<u8>), TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Unsigned)?;
    Ok((message.as_bytes(), URL_SAFE_NO_PAD.decode(signature)?))
}

/// A token signed with a shared secret by HMAC and SHA-256, which a gateway must refuse.
pub fn sign_with_secret(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{message}.{}", encode(hmac::sign(&key, message.as_bytes())))
}

/// Seconds since the Unix epoch.
pub fn unix_seconds() -> u64 {
    // A clock before 1970 makes tokens that no gateway accepts, which is right.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, TokenError> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
    Ok(EcdsaKeyPair::from_pkcs8(
        algorithm,
        document.as_ref(),
        &random,
    )?)
}

fn message(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
